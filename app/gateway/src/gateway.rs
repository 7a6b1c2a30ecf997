//! What all handlers share, and the routes.

use crate::access::Access;
use crate::answer::{ApiError, MAX_BODY};
use crate::downloads::Downloads;
use crate::guard::Names;
use crate::host::Host;
use crate::journal::Journal;
use crate::metrics::Counters;
use crate::{api, content, guard, metrics, pages, server};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{any, get};
use potluck_api::ErrorBody;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The HTTP side of one node.
pub struct Gateway {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) names: Names,
    pub(crate) access: Access,
    pub(crate) downloads: Arc<Downloads>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) counters: Counters,
    /// Places for streams of news.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    /// A gateway on this port of loopback, for holders of `token`. It ends with `stop`.
    #[must_use]
    pub fn new(
        host: Arc<dyn Host>,
        journal: Arc<Journal>,
        port: u16,
        token: &str,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let downloads = Downloads::new(Arc::clone(&host), Arc::clone(&journal), stop.child_token());
        Arc::new(Self {
            host,
            names: Names::new(port),
            access: Access::new(token),
            downloads,
            journal,
            counters: Counters::default(),
            streams: Arc::new(Semaphore::new(api::MAX_STREAMS)),
            stop,
        })
    }

    /// Address of the first page, for a browser.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{}/", self.names.pages)
    }

    /// Answers on these listeners until the node ends.
    pub async fn serve(self: Arc<Self>, listeners: Vec<TcpListener>) {
        let app = router(Arc::clone(&self));
        server::run(&self, listeners, app).await;
    }
}

fn router(gateway: Arc<Gateway>) -> Router {
    let content = any(content::answer);
    Router::new()
        .nest("/api/v1", api::routes())
        .route("/api/{*rest}", any(no_such_path))
        .route("/c", content.clone())
        .route("/c/", content.clone())
        .route("/c/{what}", content.clone())
        .route("/c/{what}/", content.clone())
        .route("/c/{what}/{*path}", content)
        .route("/health", get(api::health))
        .route("/metrics", get(metrics::answer))
        .route("/login", get(pages::login))
        .route("/assets/{*path}", get(pages::asset))
        .fallback(pages::page)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&gateway),
            guard::check,
        ))
        .layer(tower_http::timeout::RequestBodyTimeoutLayer::new(
            server::STALL,
        ))
        .with_state(gateway)
}

async fn no_such_path() -> ApiError {
    let hint = "the API begins with /api/v1/status";
    ApiError::new(StatusCode::NOT_FOUND, "no such path", hint)
}

/// Now, in seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

/// Random bits from the system, in hexadecimal.
pub(crate) fn random() -> Result<String, ErrorBody> {
    let mut bytes = [0_u8; 32];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes).map_err(|error| {
        ErrorBody::new(
            potluck_api::ExitCode::Failed,
            format!("the system gives no random numbers: {error}"),
            "try again",
        )
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
