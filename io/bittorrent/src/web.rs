//! Torrent files on the web.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Everything takes no longer.
const WHOLE_TIME: Duration = Duration::from_secs(60);
/// Nobody is waited for longer.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Why a torrent file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Not the address of anything on the web.
    #[error("not an http or https address")]
    Address,
    /// The connection failed, or the answer broke off.
    #[error("{0}")]
    Http(String),
    /// The server says no.
    #[error("the server answered {0}")]
    Status(u16),
    /// More bytes than were asked for.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// Most bytes that are taken.
        limit: usize,
    },
}

/// Fetches what is at an address, of at most `limit` bytes.
///
/// # Errors
/// When the server can't be reached, says no, or answers with more.
pub async fn fetch(address: &str, limit: usize) -> Result<Vec<u8>, WebError> {
    let url = Url::parse(address).map_err(|_| WebError::Address)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(WebError::Address);
    }
    let broke = |error: reqwest::Error| WebError::Http(plain(&error));
    let mut answer = client()?.get(url).send().await.map_err(broke)?;
    if !answer.status().is_success() {
        return Err(WebError::Status(answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broke)? {
        if bytes.len() + chunk.len() > limit {
            return Err(WebError::TooLong { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost reason: those around it say nothing more.
fn plain(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// One client for the whole program, made when it is needed first.
fn client() -> Result<Client, WebError> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // Another one may be there already; then that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = Client::builder()
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::limited(MAX_REDIRECTS))
        .connect_timeout(CONNECT_TIME)
        .timeout(WHOLE_TIME)
        .build();
    let made = made.map_err(|error| WebError::Http(plain(&error)))?;
    Ok(CLIENT.get_or_init(|| made).clone())
}
