//! Trackers over UDP (BEP 15).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::udp;
use potluck_bittorrent::tracker::{AnnounceReply, AnnounceRequest, ReplyError, ScrapeStats};
use reqwest::Url;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::connections::Connections;
use super::{TrackerError, TrackerTimes};

/// No datagram is longer.
const MAX_DATAGRAM: usize = 64 * 1024;

/// What a tracker is asked once there is a connection.
pub(super) trait Question {
    type Answer;

    fn write(&self, connection: u64, transaction: u32) -> Vec<u8>;

    fn read(
        &self,
        datagram: &[u8],
        transaction: u32,
        is_ipv6: bool,
    ) -> Result<Self::Answer, ReplyError>;
}

pub(super) struct Announce<'a> {
    pub(super) request: &'a AnnounceRequest,
    /// Of the tracker's address, with the query.
    pub(super) path: &'a str,
}

impl Question for Announce<'_> {
    type Answer = AnnounceReply;

    fn write(&self, connection: u64, transaction: u32) -> Vec<u8> {
        udp::announce(connection, transaction, self.request, self.path)
    }

    fn read(
        &self,
        datagram: &[u8],
        transaction: u32,
        is_ipv6: bool,
    ) -> Result<AnnounceReply, ReplyError> {
        udp::read_announce(datagram, transaction, is_ipv6)
    }
}

pub(super) struct Scrape<'a> {
    pub(super) torrents: &'a [InfoHashV1],
}

impl Question for Scrape<'_> {
    type Answer = Vec<ScrapeStats>;

    fn write(&self, connection: u64, transaction: u32) -> Vec<u8> {
        udp::scrape(connection, transaction, self.torrents)
    }

    fn read(
        &self,
        datagram: &[u8],
        transaction: u32,
        _is_ipv6: bool,
    ) -> Result<Vec<ScrapeStats>, ReplyError> {
        udp::read_scrape(datagram, transaction, self.torrents.len())
    }
}

#[derive(Debug)]
pub(super) struct Udp {
    times: TrackerTimes,
    connections: Connections,
}

impl Udp {
    pub(super) fn new(times: TrackerTimes) -> Self {
        let connections = Connections::new(times.udp_connection);
        Self { times, connections }
    }

    /// Asks a tracker at its addresses: an answer of each family that gave one, and one at least.
    pub(super) async fn ask<Q: Question>(
        &self,
        url: &Url,
        question: &Q,
    ) -> Result<Vec<Q::Answer>, TrackerError> {
        let addresses = self.addresses(url).await?;
        let asked = addresses.into_iter().map(|at| self.ask_at(at, question));
        let mut asked: FuturesUnordered<_> = asked.collect();
        let (mut answers, mut error) = (Vec::new(), TrackerError::Lookup);
        loop {
            let ended = if answers.is_empty() {
                asked.next().await
            } else {
                let ended = timeout(self.times.other_family, asked.next());
                ended.await.ok().flatten()
            };
            match ended {
                Some(Ok(answer)) => answers.push(answer),
                // What the tracker says tells more than what the network says.
                Some(Err(_)) if matches!(error, TrackerError::Reply(_)) => {}
                Some(Err(other)) => error = other,
                None if answers.is_empty() => return Err(error),
                None => return Ok(answers),
            }
        }
    }

    /// One address of each family.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, TrackerError> {
        let host = url.host_str().filter(|host| !host.is_empty());
        let port = url.port().filter(|port| *port > 0);
        let (Some(host), Some(port)) = (host, port) else {
            return Err(TrackerError::Address);
        };
        // In an address, one of IPv6 stands in brackets.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = timeout(self.times.lookup, lookup_host((host, port))).await;
        let Ok(Ok(found)) = found else {
            return Err(TrackerError::Lookup);
        };
        let (v4, v6): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv4);
        let firsts = v4.into_iter().take(1).chain(v6.into_iter().take(1));
        Ok(firsts.collect())
    }

    async fn ask_at<Q: Question>(
        &self,
        tracker: SocketAddr,
        question: &Q,
    ) -> Result<Q::Answer, TrackerError> {
        let own: SocketAddr = match tracker {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(own).await?;
        // From here on the system lets nobody else's datagrams through.
        socket.connect(tracker).await?;
        let mut buffer = vec![0; MAX_DATAGRAM];
        // The same for every try, so that a late answer to an earlier one is as good.
        let (hello, transaction): (u32, u32) = (rand::random(), rand::random());
        let mut failure = TrackerError::Silent;
        for patience in &self.times.udp_tries {
            let known = self.connections.get(tracker);
            let connection = if let Some(connection) = known {
                connection
            } else {
                let sent = udp::connect(hello);
                let read = |datagram: &[u8]| udp::read_connect(datagram, hello);
                let given = exchange(&socket, &mut buffer, &sent, *patience, read).await?;
                let Some(connection) = given else { continue };
                self.connections.insert(tracker, connection);
                connection
            };
            let sent = question.write(connection, transaction);
            let read = |datagram: &[u8]| question.read(datagram, transaction, tracker.is_ipv6());
            match exchange(&socket, &mut buffer, &sent, *patience, read).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                // It may have forgotten the connection: once more, with another.
                Err(error @ TrackerError::Reply(ReplyError::Refused { .. })) if known.is_some() => {
                    failure = error;
                }
                Err(error) => return Err(error),
            }
            self.connections.remove(tracker, connection);
        }
        Err(failure)
    }
}

/// Sends a datagram and waits for its answer. None when there is none in time.
async fn exchange<T>(
    socket: &UdpSocket,
    buffer: &mut [u8],
    sent: &[u8],
    patience: Duration,
    read: impl Fn(&[u8]) -> Result<T, ReplyError>,
) -> Result<Option<T>, TrackerError> {
    socket.send(sent).await?;
    let answer = timeout(patience, async {
        loop {
            let bytes = socket.recv(buffer).await?;
            match read(buffer.get(..bytes).unwrap_or_default()) {
                Err(ReplyError::Stray) => {}
                Err(error) => return Err(error.into()),
                Ok(answer) => return Ok(answer),
            }
        }
    });
    answer.await.ok().transpose()
}

/// The path and query of an address, which are sent along (BEP 41).
pub(super) fn path(url: &Url) -> Cow<'_, str> {
    match url.query() {
        Some(query) => Cow::Owned(format!("{}?{query}", url.path())),
        None => Cow::Borrowed(url.path()),
    }
}
