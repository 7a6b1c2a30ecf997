//! Trackers, over HTTP and UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use potluck_bittorrent::announce::{
    Announce, Announced, AnswerError, MAX_ANSWER_BYTES, UdpError, announce_url, read_announce,
    udp_announce, udp_connect, udp_read_announce, udp_read_connect,
};
use reqwest::Url;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::web::{self, WebError};

/// Bytes of the longest datagram that is read.
const MAX_DATAGRAM: usize = 16 * 1024;

/// How long a tracker over UDP has for each try.
#[derive(Clone, Debug)]
pub struct UdpTimes {
    /// One for each time that a question is sent. BEP 15 waits far longer; people don't.
    pub tries: Vec<Duration>,
}

impl Default for UdpTimes {
    fn default() -> Self {
        Self {
            tries: [3, 6, 12].map(Duration::from_secs).to_vec(),
        }
    }
}

/// Why a tracker told nothing.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// Neither HTTP nor UDP.
    #[error("its address is not http, https or udp")]
    Address,
    /// The web says no.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The answer is of no use.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The datagram is of no use.
    #[error(transparent)]
    Udp(#[from] UdpError),
    /// The network says no.
    #[error("cannot reach it: {0}")]
    Io(#[from] io::Error),
    /// Nobody answered.
    #[error("it does not answer")]
    Silent,
}

/// Announces to a tracker.
///
/// # Errors
/// When it can't be reached, says no, or answers nonsense.
pub async fn announce(
    tracker: &str,
    what: &Announce,
    times: &UdpTimes,
) -> Result<Announced, TrackerError> {
    let url = Url::parse(tracker).map_err(|_| TrackerError::Address)?;
    match url.scheme() {
        "http" | "https" => {
            let answer = web::fetch(&announce_url(tracker, what), MAX_ANSWER_BYTES).await?;
            Ok(read_announce(&answer)?)
        }
        "udp" => over_udp(&url, what, times).await,
        _ => Err(TrackerError::Address),
    }
}

async fn over_udp(url: &Url, what: &Announce, times: &UdpTimes) -> Result<Announced, TrackerError> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err(TrackerError::Address);
    };
    // As addresses have it, an IPv6 one stands in brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = lookup_host((host, port)).await?;
    let address = found.next().ok_or(TrackerError::Address)?;
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    // From here on the system lets nobody else's datagrams through.
    socket.connect(address).await?;
    let transaction: u32 = rand::random();
    let question = udp_connect(transaction);
    let connection = ask(&socket, &question, times, |datagram| {
        udp_read_connect(datagram, transaction)
    })
    .await?;
    let transaction: u32 = rand::random();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let question = udp_announce(connection, transaction, what, &path);
    ask(&socket, &question, times, |datagram| {
        udp_read_announce(datagram, transaction, address.is_ipv6())
    })
    .await
}

/// Sends a question until it is answered.
async fn ask<T>(
    socket: &UdpSocket,
    question: &[u8],
    times: &UdpTimes,
    read: impl Fn(&[u8]) -> Result<T, UdpError>,
) -> Result<T, TrackerError> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    for patience in &times.tries {
        socket.send(question).await?;
        let answer = timeout(*patience, async {
            loop {
                let bytes = socket.recv(&mut buffer).await?;
                match read(buffer.get(..bytes).unwrap_or_default()) {
                    Err(UdpError::Other) => {}
                    other => return Ok::<_, io::Error>(other),
                }
            }
        });
        if let Ok(answer) = answer.await {
            return Ok(answer??);
        }
    }
    Err(TrackerError::Silent)
}
