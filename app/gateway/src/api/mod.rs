//! The API: JSON in, JSON, JSON lines or events out.

mod content;
mod downloads;
mod events;
mod lines;
mod node;
mod roots;
mod session;
mod uploads;
mod video;

use crate::answer::ApiError;
use crate::gateway::Gateway;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Json, Router};
use potluck_api::Health;
use std::sync::Arc;

/// Streams of news at once: tabs that are open.
pub(crate) const MAX_STREAMS: usize = 32;

type Shared = Arc<Gateway>;

/// Every path of the API below `/api/v1`, with its methods.
fn table() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/status", get(node::status)),
        ("/id", get(node::id)),
        ("/connect", post(node::connect)),
        ("/config", get(node::config).post(node::set_config)),
        ("/doctor", get(node::doctor)),
        ("/shutdown", post(node::shutdown)),
        ("/share", post(roots::share)),
        ("/get", post(roots::get)),
        ("/torrents/seed", post(roots::seed)),
        ("/torrents/limit", post(roots::limit)),
        ("/roots", get(roots::list)),
        ("/roots/remove", post(roots::remove)),
        ("/roots/pin", post(roots::pin)),
        ("/verify", post(roots::verify)),
        ("/session", post(session::make)),
        ("/events", get(events::stream)),
        ("/activity", get(events::activity)),
        ("/downloads", get(downloads::list).post(downloads::begin)),
        ("/downloads/{id}", delete(downloads::stop)),
        ("/uploads", post(uploads::begin)),
        ("/uploads/{id}", delete(uploads::drop)),
        ("/uploads/{id}/files/{*path}", put(uploads::file)),
        ("/uploads/{id}/finish", post(uploads::finish)),
        ("/content/{cid}", get(content::about)),
        ("/content/{cid}/pieces", get(content::pieces)),
        ("/content/{cid}/video", get(video::about)),
        ("/content/{cid}/video/stream", get(video::stream)),
        ("/openapi.json", get(description)),
    ]
}

/// The routes of the table.
pub(crate) fn routes() -> Router<Shared> {
    table()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .method_not_allowed_fallback(no_such_method)
}

async fn no_such_method() -> ApiError {
    let hint = "docs/spec/http.md lists the methods of each path";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(status, "no such method at this path", hint)
}

/// `GET /health`
pub(crate) async fn health() -> Json<Health> {
    Json(Health { ok: true })
}

/// `GET /api/v1/openapi.json`
async fn description() -> impl axum::response::IntoResponse {
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (kind, DESCRIPTION)
}

/// The API in the words of OpenAPI 3.1.
const DESCRIPTION: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests;
