//! One request to a web server for part of a file (RFC 9110, section 14).

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use potluck_bittorrent::web_seed::{self, ContentRange};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, RANGE,
    RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::timeout;

use super::{WebSeedError, may_follow};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// To connect.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Idle connections to a server that are kept for the next request, and for how long.
const MAX_IDLE: usize = 2;
const IDLE_TIME: Duration = Duration::from_secs(20);
/// How long a busy server is left alone that does not say so, or says it as a date.
const PAUSE: Duration = Duration::from_secs(60);
/// It is never left alone for longer.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The answer to a request that is as it should be, so far.
#[derive(Debug)]
pub(super) struct Body {
    response: Response,
    /// Whether it is the whole file, of which only the start is read.
    is_whole: bool,
}

/// Asks for bytes of a file of `size` bytes; `bytes` of them from `offset`.
pub(super) async fn ask(
    url: Url,
    offset: u64,
    bytes: u64,
    size: u64,
) -> Result<Body, WebSeedError> {
    let last = offset + bytes - 1;
    let request = client()?
        .get(url)
        .header(RANGE, format!("bytes={offset}-{last}"))
        .header(ACCEPT_ENCODING, "identity");
    let response = request.send().await.map_err(|error| broken(&error))?;
    let headers = response.headers();
    let is_whole = match response.status() {
        StatusCode::PARTIAL_CONTENT => false,
        StatusCode::OK => true,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let pause = pause(text(headers, &RETRY_AFTER));
            return Err(WebSeedError::Busy { pause });
        }
        other => return Err(WebSeedError::Status(other.as_u16())),
    };
    if text(headers, &CONTENT_ENCODING).is_some_and(|name| !name.eq_ignore_ascii_case("identity")) {
        return Err(WebSeedError::OtherFile);
    }
    let length = text(headers, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if is_whole {
        if length.is_some_and(|length| length != size) {
            return Err(WebSeedError::OtherFile);
        }
        if offset > 0 {
            return Err(WebSeedError::NoRanges);
        }
    } else {
        let range = text(headers, &CONTENT_RANGE).and_then(|text| text.parse().ok());
        let range: ContentRange = range.ok_or(WebSeedError::OtherRange)?;
        if range.size.is_some_and(|whole| whole != size) {
            return Err(WebSeedError::OtherFile);
        }
        let is_length = length.is_none_or(|length| length == bytes);
        if (range.first, range.last) != (offset, last) || !is_length {
            return Err(WebSeedError::OtherRange);
        }
    }
    Ok(Body { response, is_whole })
}

impl Body {
    /// The next bytes. It is an error that there are none.
    pub(super) async fn chunk(&mut self) -> Result<Bytes, WebSeedError> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| broken(&error))?;
        chunk.ok_or_else(|| WebSeedError::Http("the answer is too short".to_owned()))
    }

    /// As many bytes of a chunk as were asked for. More of them are no error in a whole file only.
    pub(super) fn bounded(&self, mut chunk: Bytes, left: u64) -> Result<Bytes, WebSeedError> {
        if chunk.len() as u64 > left {
            if !self.is_whole {
                return Err(WebSeedError::OtherRange);
            }
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        Ok(chunk)
    }

    /// Sees to it that there is no more, so that the connection can be used again. The rest of a
    /// whole file is not waited for.
    pub(super) async fn finish(mut self, stall: Duration) -> Result<(), WebSeedError> {
        if self.is_whole {
            return Ok(());
        }
        // All that was asked for is there: how it ends, or that it does not, is no matter.
        match timeout(stall, self.response.chunk()).await {
            Ok(Ok(Some(more))) if !more.is_empty() => Err(WebSeedError::OtherRange),
            _ => Ok(()),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// How long a server wants to be left alone (RFC 9110, section 10.2.3).
fn pause(retry_after: Option<&str>) -> Duration {
    let pause = retry_after.and_then(web_seed::retry_after);
    pause.unwrap_or(PAUSE).min(MAX_PAUSE)
}

/// The innermost reason: those around it say nothing more.
fn broken(error: &reqwest::Error) -> WebSeedError {
    if error.is_redirect() {
        return WebSeedError::Redirect;
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    WebSeedError::Http(inner.to_string())
}

/// One client for the whole program, made when it is needed first.
fn client() -> Result<Client, WebSeedError> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // Another one may be there already; then that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = redirect::Policy::custom(|attempt| {
        let from = attempt.previous().first();
        let may_follow = from.is_none_or(|from| may_follow(from, attempt.url()));
        if attempt.previous().len() > MAX_REDIRECTS || !may_follow {
            return attempt.error("not followed");
        }
        attempt.follow()
    });
    let made = Client::builder()
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
        .redirect(policy)
        .referer(false)
        .connect_timeout(CONNECT_TIME)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_idle_timeout(IDLE_TIME)
        .build();
    let made = made.map_err(|error| broken(&error))?;
    Ok(CLIENT.get_or_init(|| made).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        assert_eq!(pause(Some("7")), Duration::from_secs(7));
        assert_eq!(pause(Some("999999999999")), MAX_PAUSE);
        assert_eq!(pause(Some("Fri, 31 Dec 1999 23:59:59 GMT")), PAUSE);
        assert_eq!(pause(None), PAUSE);
    }
}
