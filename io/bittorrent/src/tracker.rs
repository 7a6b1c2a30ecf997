//! Asking trackers, over HTTP and UDP. What is said and how it is read is in
//! [`potluck_bittorrent::tracker`].
//!
//! A tracker is a stranger whose address another stranger wrote into a torrent: what it sends is
//! bounded in bytes and time, and it can't send this node anywhere but to the web.

mod connections;
mod http;
mod udp;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::udp::CONNECTION_TIME;
use potluck_bittorrent::tracker::{
    AnnounceReply, AnnounceRequest, MAX_REPLY_BYTES, MAX_REPLY_PEERS, MAX_SCRAPE, ReplyError,
    ScrapeStats, is_usable,
};
use reqwest::Url;
use tokio::sync::Semaphore;

/// Trackers that are asked at a time; others wait.
const MAX_ASKED: usize = 128;

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerTimes {
    /// A request over HTTP, from the lookup of the name to the last byte.
    pub http: Duration,
    /// To look up the name of a tracker over UDP.
    pub lookup: Duration,
    /// One for each time that a datagram is sent: how long its answer is waited for. BEP 15 has them
    /// begin with 15 s and go on for an hour; people don't.
    pub udp_tries: Vec<Duration>,
    /// How long a connection to a tracker over UDP is used (BEP 15).
    pub udp_connection: Duration,
    /// Once a tracker has answered over IPv4 or IPv6, how long the other is still waited for.
    pub other_family: Duration,
}

impl Default for TrackerTimes {
    fn default() -> Self {
        Self {
            http: Duration::from_secs(30),
            lookup: Duration::from_secs(10),
            udp_tries: [5, 10, 20].map(Duration::from_secs).to_vec(),
            udp_connection: CONNECTION_TIME,
            other_family: Duration::from_secs(2),
        }
    }
}

/// Why a tracker told nothing.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// Nothing that can be asked.
    #[error("the tracker's address is not of http, https or udp, with a host and a port")]
    Address,
    /// Its name leads nowhere.
    #[error("no address was found for the tracker's name")]
    Lookup,
    /// The connection failed, or the answer broke off.
    #[error("cannot reach the tracker: {0}")]
    Http(String),
    /// Over UDP.
    #[error("cannot reach the tracker: {0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("the tracker does not answer")]
    Silent,
    /// Too many redirects, or one that leads where nobody may be sent.
    #[error("the tracker sends us somewhere else, and that is not followed")]
    Redirect,
    /// The web server says no.
    #[error("the tracker's server answered {0}")]
    Status(u16),
    /// The tracker refuses, or makes no sense.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// Its address does not say where to (BEP 48).
    #[error("the tracker can't be scraped")]
    NoScrape,
}

impl TrackerError {
    /// When the tracker said that it may be asked again (BEP 31).
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        match self {
            Self::Reply(ReplyError::Refused { retry, .. }) => *retry,
            _ => None,
        }
    }
}

/// Asks trackers. Clones share what they know.
#[derive(Clone, Debug)]
pub struct TrackerClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    web: reqwest::Client,
    udp: udp::Udp,
    slots: Semaphore,
}

impl TrackerClient {
    /// A client.
    ///
    /// # Errors
    /// When TLS can't be set up ([`TrackerError::Http`]).
    pub fn new(times: TrackerTimes) -> Result<Self, TrackerError> {
        Ok(Self(Arc::new(Inner {
            web: http::client(times.http)?,
            udp: udp::Udp::new(times),
            slots: Semaphore::new(MAX_ASKED),
        })))
    }

    /// Announces a torrent. A tracker over UDP is asked over IPv4 and IPv6, if it has both.
    ///
    /// # Errors
    /// When the tracker can't be reached, refuses, or makes no sense.
    pub async fn announce(
        &self,
        url: &str,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let parsed = parse(url)?;
        // Never closed.
        let _slot = self.0.slots.acquire().await.ok();
        if parsed.scheme() != "udp" {
            return http::announce(&self.0.web, url, request).await;
        }
        let path = udp::path(&parsed);
        let question = udp::Announce {
            request,
            path: &path,
        };
        let replies = self.0.udp.ask(&parsed, &question).await?;
        merged(replies).ok_or(TrackerError::Silent)
    }

    /// Asks what a tracker knows of torrents: as many answers as torrents, in their order; none for
    /// those that it does not know. Over UDP those come as zeros. Many are asked for in several goes
    /// of [`MAX_SCRAPE`].
    ///
    /// # Errors
    /// As for [`Self::announce`]; also when the tracker can't be scraped.
    pub async fn scrape(
        &self,
        url: &str,
        torrents: &[InfoHashV1],
    ) -> Result<Vec<Option<ScrapeStats>>, TrackerError> {
        let parsed = parse(url)?;
        let _slot = self.0.slots.acquire().await.ok();
        let mut all = Vec::with_capacity(torrents.len());
        for torrents in torrents.chunks(MAX_SCRAPE) {
            if parsed.scheme() == "udp" {
                let replies = self.0.udp.ask(&parsed, &udp::Scrape { torrents }).await?;
                let first = replies.into_iter().next().unwrap_or_default();
                all.extend(first.into_iter().map(Some));
            } else {
                all.extend(http::scrape(&self.0.web, url, torrents).await?);
            }
        }
        Ok(all)
    }
}

fn parse(url: &str) -> Result<Url, TrackerError> {
    if !is_usable(url) {
        return Err(TrackerError::Address);
    }
    Url::parse(url).map_err(|_| TrackerError::Address)
}

/// One reply of those over both families.
fn merged(replies: Vec<AnnounceReply>) -> Option<AnnounceReply> {
    replies.into_iter().reduce(|mut all, other| {
        for peer in other.peers {
            if all.peers.len() < MAX_REPLY_PEERS && !all.peers.contains(&peer) {
                all.peers.push(peer);
            }
        }
        // Most trackers count both together.
        all.seeds = all.seeds.max(other.seeds);
        all.leeches = all.leeches.max(other.leeches);
        all.interval = all.interval.max(other.interval);
        all.min_interval = all.min_interval.max(other.min_interval);
        all
    })
}

/// Refuses a reply that grows too long.
fn fits(bytes: usize) -> Result<(), TrackerError> {
    if bytes > MAX_REPLY_BYTES {
        return Err(ReplyError::TooLong.into());
    }
    Ok(())
}
