//! Trackers on the web.

use std::net::IpAddr;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::http::{announce_url, read_announce, read_scrape, scrape_url};
use potluck_bittorrent::tracker::{AnnounceReply, AnnounceRequest, ReplyError, ScrapeStats};
use reqwest::{Client, Response, Url, redirect};

use super::{TrackerError, fits};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// To connect; a request may take no longer than the time it is given either.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Announces to the tracker at an address.
pub(super) async fn announce(
    client: &Client,
    url: &str,
    request: &AnnounceRequest,
) -> Result<AnnounceReply, TrackerError> {
    let url = announce_url(url, request);
    ask(client, &url, read_announce).await
}

/// Scrapes the tracker at an address.
pub(super) async fn scrape(
    client: &Client,
    url: &str,
    torrents: &[InfoHashV1],
) -> Result<Vec<Option<ScrapeStats>>, TrackerError> {
    let url = scrape_url(url, torrents).ok_or(TrackerError::NoScrape)?;
    ask(client, &url, |bytes| read_scrape(bytes, torrents)).await
}

async fn ask<T>(
    client: &Client,
    url: &str,
    read: impl Fn(&[u8]) -> Result<T, ReplyError>,
) -> Result<T, TrackerError> {
    let response = client.get(url).send().await;
    let response = response.map_err(|error| broken(&error))?;
    let status = response.status();
    if status.is_redirection() {
        // To what is no address of the web at all.
        return Err(TrackerError::Redirect);
    }
    let body = body(response).await;
    if status.is_success() {
        return Ok(read(&body?)?);
    }
    // Some say why, as they would without the status.
    let refusal = body.ok().and_then(|body| read(&body).err());
    match refusal.filter(|error| matches!(error, ReplyError::Refused { .. })) {
        Some(refusal) => Err(refusal.into()),
        None => Err(TrackerError::Status(status.as_u16())),
    }
}

/// The body, of which no more is read than a reply may have.
async fn body(mut response: Response) -> Result<Vec<u8>, TrackerError> {
    let announced = response.content_length().unwrap_or(0);
    fits(usize::try_from(announced).unwrap_or(usize::MAX))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        fits(bytes.len() + chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A client that keeps no cookies, and checks certificates as the system does.
pub(super) fn client(whole_time: Duration) -> Result<Client, TrackerError> {
    // Another one may be there already; then that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last();
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
        .connect_timeout(CONNECT_TIME.min(whole_time))
        .timeout(whole_time)
        // Announces are far apart.
        .pool_max_idle_per_host(0)
        .build();
    made.map_err(|error| broken(&error))
}

/// Whether a redirect may be followed: to the web, not from TLS to none, which would show the
/// announce to everybody on the way, and from outside to nothing that is inside.
fn may_follow(from: &Url, to: &Url) -> bool {
    let is_safe = match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    };
    is_safe && (is_local(from) || !is_local(to))
}

/// Whether an address says by itself that it is on this machine or the local network.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let ip = host.parse().map(|ip: IpAddr| ip.to_canonical());
    match ip {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => {
            let is_here = ip.is_loopback() || ip.is_unspecified();
            is_here || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

/// The innermost reason: those around it say nothing more.
fn broken(error: &reqwest::Error) -> TrackerError {
    if error.is_redirect() {
        return TrackerError::Redirect;
    }
    if error.is_timeout() {
        return TrackerError::Silent;
    }
    if error.is_builder() {
        return TrackerError::Address;
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    TrackerError::Http(inner.to_string().replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_that_are_followed() {
        let may = |from: &str, to: &str| {
            let url = |text: &str| Url::parse(text).unwrap();
            may_follow(&url(from), &url(to))
        };
        assert!(may("http://t.example/", "http://u.example/"));
        assert!(may("http://t.example/", "https://u.example/"));
        assert!(may("https://t.example/", "https://u.example/"));
        assert!(!may("https://t.example/", "http://t.example/"));
        for scheme in ["ftp", "file", "udp", "data"] {
            assert!(
                !may("http://t.example/", &format!("{scheme}://u/")),
                "{scheme}"
            );
        }
        for inside in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://10.1.2.3/",
            "http://169.254.169.254/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::ffff:192.168.0.1]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://localhost./",
            "http://printer.local/",
        ] {
            assert!(!may("http://t.example/", inside), "{inside}");
            assert!(may(inside, inside), "{inside}");
        }
    }
}
