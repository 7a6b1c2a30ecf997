//! The local HTTP API: loopback, a bearer token, JSON in, JSON or JSON lines out.

mod auth;
mod lines;
mod node;
mod roots;

use crate::context::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use potluck_api::{ErrorBody, ExitCode};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Largest request body. The longest honest one is a list of paths to share.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Serves the API until the node shuts down.
pub(crate) async fn serve(ctx: Arc<Context>, listener: TcpListener, token: Arc<str>) {
    let shutdown = ctx.shutdown.clone();
    let app = router(Arc::clone(&ctx), token);
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(async move { shutdown.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(%error, "the local API ended");
    }
}

fn router(ctx: Arc<Context>, token: Arc<str>) -> Router {
    let api = Router::new()
        .route("/status", get(node::status))
        .route("/id", get(node::id))
        .route("/connect", post(node::connect))
        .route("/config", get(node::config).post(node::set_config))
        .route("/doctor", get(node::doctor))
        .route("/shutdown", post(node::shutdown))
        .route("/share", post(roots::share))
        .route("/get", post(roots::get))
        .route("/torrents/seed", post(roots::seed))
        .route("/torrents/limit", post(roots::limit))
        .route("/roots", get(roots::list))
        .route("/roots/remove", post(roots::remove))
        .route("/roots/pin", post(roots::pin))
        .route("/verify", post(roots::verify))
        .with_state(ctx);
    Router::new()
        .nest("/api/v1", api)
        .fallback(|| async {
            ApiError::not_found("no such path", "the API begins with /api/v1/status")
        })
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(token, auth::check))
}

/// A failure as an HTTP answer.
pub(crate) struct ApiError(pub(crate) ErrorBody);

impl ApiError {
    fn not_found(message: &str, hint: &str) -> Self {
        Self(ErrorBody::new(ExitCode::NotFound, message, hint))
    }
}

impl From<ErrorBody> for ApiError {
    fn from(body: ErrorBody) -> Self {
        Self(body)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            ExitCode::Usage => StatusCode::BAD_REQUEST,
            ExitCode::NotFound => StatusCode::NOT_FOUND,
            ExitCode::Unreachable => StatusCode::BAD_GATEWAY,
            ExitCode::Verification => StatusCode::UNPROCESSABLE_ENTITY,
            ExitCode::Done | ExitCode::Failed | ExitCode::Interrupted => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, Json(self.0)).into_response()
    }
}
