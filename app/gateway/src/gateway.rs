//! What all handlers share, and the routes.

use crate::access::Access;
use crate::answer::{ApiError, MAX_BODY};
use crate::downloads::Downloads;
use crate::host::Host;
use crate::journal::Journal;
use crate::metrics::Counters;
use crate::names::Names;
use crate::server::Ear;
use crate::tls::Tls;
use crate::video::Films;
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

/// A listener for others than this machine, and what it is called.
pub struct Outside {
    /// It listens.
    pub listener: TcpListener,
    /// Its port, as those who come know it.
    pub port: u16,
    /// Host of the pages.
    pub name: String,
    /// Host of content, another one: that keeps both apart in a browser.
    pub content_name: String,
    /// `None`: everybody on the way can read and change everything.
    pub tls: Option<Tls>,
}

impl Outside {
    fn names(&self) -> Names {
        Names::outside(
            self.port,
            &self.name,
            &self.content_name,
            self.tls.is_some(),
        )
    }
}

/// Where a gateway listens.
pub struct Ears {
    /// On loopback, all on `port`.
    pub local: Vec<TcpListener>,
    /// See there.
    pub port: u16,
    /// Beyond loopback.
    pub outside: Option<Outside>,
}

/// The HTTP side of one node.
pub struct Gateway {
    pub(crate) host: Arc<dyn Host>,
    /// Names on loopback, and those that the owner gave for others.
    pub(crate) local: Arc<Names>,
    pub(crate) outside: Option<Arc<Names>>,
    pub(crate) access: Access,
    pub(crate) downloads: Arc<Downloads>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) counters: Counters,
    /// Films that are converted while they are watched.
    pub(crate) films: Films,
    /// Places for streams of news.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

impl Gateway {
    /// A gateway that listens there, for holders of `token`, and what answers until `stop`.
    pub fn new(
        host: Arc<dyn Host>,
        journal: Arc<Journal>,
        ears: Ears,
        token: &str,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let downloads = Downloads::new(Arc::clone(&host), Arc::clone(&journal), stop.child_token());
        let local = Arc::new(Names::local(ears.port));
        let mut all: Vec<Ear> = ears
            .local
            .into_iter()
            .map(|listener| Ear {
                listener,
                names: Arc::clone(&local),
                tls: None,
            })
            .collect();
        let outside = ears.outside.map(|outside| {
            let names = Arc::new(outside.names());
            all.push(Ear {
                listener: outside.listener,
                names: Arc::clone(&names),
                tls: outside.tls,
            });
            names
        });
        let gateway = Arc::new(Self {
            host,
            local,
            outside,
            access: Access::new(token),
            downloads,
            journal,
            counters: Counters::default(),
            films: Films::new(ears.port),
            streams: Arc::new(Semaphore::new(api::MAX_STREAMS)),
            stop,
        });
        let app = router(Arc::clone(&gateway));
        let serving = Arc::clone(&gateway);
        (
            gateway,
            async move { server::run(&serving, all, app).await },
        )
    }

    /// Address of the first page, for a browser.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{}/", self.local.pages)
    }

    /// The same for those who come from elsewhere.
    #[must_use]
    pub fn outside_page(&self) -> Option<String> {
        let outside = self.outside.as_ref()?;
        Some(format!("{}/", outside.pages))
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
        .route("/c/{what}/{*path}", content.clone())
        .route("/k/{key}/c/{what}", content.clone())
        .route("/k/{key}/c/{what}/", content.clone())
        .route("/k/{key}/c/{what}/{*path}", content)
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
