//! Web seeds: pieces of torrents from plain web servers (BEP 19).
//!
//! Which bytes of which address those are is decided in [`potluck_bittorrent::web_seed`]. What comes
//! is held to what was asked for, byte for byte; whether it is right only its hashes say.

mod http;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use potluck_bittorrent::web_seed::{WebLayout, WebRun};
use reqwest::Url;
use tokio::sync::mpsc;
use tokio::time::timeout;

use http::Body;

/// Blocks that wait for their reader.
const QUEUE: usize = 4;
/// Padding comes in blocks of so many zeros.
const ZEROS: &[u8] = &[0; 16 * 1024];
/// A server that is slower than so many bytes a second is as good as stalled.
const MIN_SPEED: u64 = 1024;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct WebSeedTimes {
    /// Without any bytes, from when they are asked for.
    pub stall: Duration,
}

impl Default for WebSeedTimes {
    fn default() -> Self {
        let stall = Duration::from_secs(30);
        Self { stall }
    }
}

/// Bytes of a piece, in order. They never reach into the next piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebBlock {
    /// The piece.
    pub piece: u32,
    /// Bytes of the piece before it.
    pub offset: u64,
    /// The bytes; zeros where padding is.
    pub bytes: Bytes,
}

/// Why a web seed gave nothing, or no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSeedError {
    /// Not an address of the web that may be asked.
    #[error("not an address that a web seed can have")]
    Address,
    /// The connection failed, or the answer broke off.
    #[error("{0}")]
    Http(String),
    /// Nothing came for too long, or too little.
    #[error("the server stalls")]
    Stalled,
    /// Too many redirects, or one that leads where nobody may be sent.
    #[error("the server sends us somewhere else, and that is not followed")]
    Redirect,
    /// It has too much to do.
    #[error("the server is busy, and wants {} s of rest", .pause.as_secs())]
    Busy {
        /// How long it is to be left alone.
        pause: Duration,
    },
    /// It says no.
    #[error("the server answered {0}")]
    Status(u16),
    /// It gives files from their start only.
    #[error("the server can't give parts of files")]
    NoRanges,
    /// Its file has another size, or is not sent as it is.
    #[error("the server has another file")]
    OtherFile,
    /// What it gives is not what it was asked for.
    #[error("the server gives other bytes than it was asked for")]
    OtherRange,
}

impl WebSeedError {
    /// Whether there is no point in asking for this file again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Http(_) | Self::Stalled | Self::Busy { .. } => false,
            Self::Status(status) => *status < 500 && *status != 408,
            Self::Address
            | Self::Redirect
            | Self::NoRanges
            | Self::OtherFile
            | Self::OtherRange => true,
        }
    }

    /// How long the server asked to be left alone.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Self::Busy { pause } => Some(*pause),
            _ => None,
        }
    }
}

/// A web seed of a torrent.
#[derive(Clone, Debug)]
pub struct WebSeed {
    base: Arc<str>,
    files: Arc<WebLayout>,
    times: WebSeedTimes,
}

impl WebSeed {
    /// The seed at an address, which may come from a stranger.
    ///
    /// # Errors
    /// Refuses what is neither `http` nor `https`, and addresses on this machine or the local network
    /// with a query, which may make something there act. Both as libtorrent does.
    pub fn new(
        base: &str,
        files: Arc<WebLayout>,
        times: WebSeedTimes,
    ) -> Result<Self, WebSeedError> {
        let url = Url::parse(base).map_err(|_| WebSeedError::Address)?;
        if !is_web(&url) || is_local(&url) && url.query().is_some() {
            return Err(WebSeedError::Address);
        }
        Ok(Self {
            base: base.into(),
            files,
            times,
        })
    }

    /// Fetches pieces that follow each other, with one request for each file that they are part of.
    /// Blocks come in order; after an error there are no more. To drop the receiver ends it.
    #[must_use]
    pub fn fetch(&self, pieces: Range<u32>) -> mpsc::Receiver<Result<WebBlock, WebSeedError>> {
        let (blocks, receiver) = mpsc::channel(QUEUE);
        let seed = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = blocks.closed() => {}
                () = seed.work(pieces, &blocks) => {}
            }
        });
        receiver
    }

    async fn work(&self, pieces: Range<u32>, blocks: &Blocks) {
        for run in self.files.runs(pieces) {
            let mut writer = Writer {
                piece: run.piece,
                offset: run.piece_offset,
                piece_bytes: self.files.piece_bytes(),
                blocks,
            };
            let done = match run.file {
                Some(file) => self.get(file, run, &mut writer).await,
                None => zeros(run.bytes, &mut writer).await,
            };
            if let Err(end) = done {
                if let End::Failed(error) = end {
                    // Nobody may want to know any more.
                    let _ = blocks.send(Err(error)).await;
                }
                return;
            }
        }
    }

    /// Fetches bytes of a file.
    async fn get(&self, file: usize, run: WebRun, writer: &mut Writer<'_>) -> Result<(), End> {
        let url = self.files.url(&self.base, file);
        let url = url.and_then(|url| Url::parse(&url).ok());
        let url = url.ok_or(WebSeedError::Address)?;
        let size = self.files.size(file).unwrap_or(0);
        let asked = timeout(
            self.times.stall,
            http::ask(url, run.offset, run.bytes, size),
        );
        let mut body: Body = asked.await.map_err(|_| WebSeedError::Stalled)??;
        let mut left = run.bytes;
        let mut waited = Duration::ZERO;
        while left > 0 {
            let start = Instant::now();
            let chunk = timeout(self.times.stall, body.chunk()).await;
            let chunk = chunk.map_err(|_| WebSeedError::Stalled)??;
            waited += start.elapsed();
            let got = run.bytes - left;
            if waited > self.times.stall + Duration::from_secs(got / MIN_SPEED) {
                return Err(WebSeedError::Stalled.into());
            }
            let chunk = body.bounded(chunk, left)?;
            left -= chunk.len() as u64;
            writer.write(chunk).await?;
        }
        body.finish(self.times.stall).await?;
        Ok(())
    }
}

type Blocks = mpsc::Sender<Result<WebBlock, WebSeedError>>;

/// Why a fetch ended early.
enum End {
    Failed(WebSeedError),
    /// Nobody reads any more.
    Unwanted,
}

impl From<WebSeedError> for End {
    fn from(error: WebSeedError) -> Self {
        Self::Failed(error)
    }
}

/// Cuts bytes where pieces end.
struct Writer<'a> {
    piece: u32,
    offset: u64,
    piece_bytes: u64,
    blocks: &'a Blocks,
}

impl Writer<'_> {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), End> {
        while !bytes.is_empty() {
            if self.offset >= self.piece_bytes {
                self.piece += 1;
                self.offset = 0;
            }
            let room = usize::try_from(self.piece_bytes - self.offset).unwrap_or(usize::MAX);
            let part = bytes.split_to(room.min(bytes.len()));
            let length = part.len() as u64;
            let block = WebBlock {
                piece: self.piece,
                offset: self.offset,
                bytes: part,
            };
            let sent = self.blocks.send(Ok(block)).await;
            sent.map_err(|_| End::Unwanted)?;
            self.offset += length;
        }
        Ok(())
    }
}

async fn zeros(count: u64, writer: &mut Writer<'_>) -> Result<(), End> {
    let mut left = count;
    while left > 0 {
        let length = left.min(ZEROS.len() as u64);
        left -= length;
        let length = usize::try_from(length).unwrap_or(ZEROS.len());
        let zeros = ZEROS.get(..length).unwrap_or(ZEROS);
        writer.write(Bytes::from_static(zeros)).await?;
    }
    Ok(())
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether an address says by itself that it is on this machine or the local network.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            let is_mapped = mapped.is_some_and(|ip| ip.is_loopback() || ip.is_private());
            let is_here = ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local();
            is_mapped || is_here || ip.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

/// Whether a redirect may be followed: to the web, but from outside to nothing that is inside.
fn may_follow(from: &Url, to: &Url) -> bool {
    is_web(to) && (is_local(from) || !is_local(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn redirects_from_outside_lead_to_nothing_inside() {
        let outside = url("http://example.org/");
        for inside in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://192.168.1.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://localhost./",
            "https://a.localhost/",
            "http://169.254.169.254/",
            "http://0.0.0.0/",
        ] {
            let inside = url(inside);
            assert!(!may_follow(&outside, &inside), "{inside}");
            assert!(may_follow(&inside, &outside), "{inside}");
            assert!(may_follow(&inside, &url("http://10.0.0.1/")), "{inside}");
        }
        assert!(may_follow(&outside, &url("https://93.184.216.34/")));
        assert!(!may_follow(&outside, &url("ftp://example.org/")));
        assert!(!may_follow(&outside, &url("file:///etc/passwd")));
    }
}
