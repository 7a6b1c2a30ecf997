//! How this node connects to a peer: over TCP, over uTP, or over what answers first.

use super::hello::{self, Hello};
use crate::context::Context;
use potluck_bittorrent::wire::PeerId;
use potluck_bittorrent::{InfoHashV1, InfoHashes};
use potluck_bittorrent_net::stream::{ConnectError, Encryption, PeerStream, Times, connect};
use potluck_bittorrent_net::utp::UtpEndpoint;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The handshake takes no longer.
const HELLO_TIME: Duration = Duration::from_secs(10);
/// How long TCP is tried alone. Who can be reached at all over TCP has answered by then.
const HEAD_START: Duration = Duration::from_secs(2);
/// To connect over uTP to somebody whom TCP does not reach. There is no refusal: who is not there is silent.
const UTP_CONNECT: Duration = Duration::from_secs(5);

/// All that it takes to connect to a peer of a torrent.
pub(super) struct Reach {
    hashes: InfoHashes,
    me: PeerId,
    encryption: Encryption,
    tcp: bool,
    utp: Option<Arc<UtpEndpoint>>,
}

impl Reach {
    /// As the owner allows.
    pub(super) fn new(ctx: &Context, hashes: InfoHashes) -> Self {
        let torrents = &ctx.torrents;
        Self {
            hashes,
            me: torrents.id(),
            encryption: torrents.encryption(),
            tcp: torrents.settings().tcp,
            utp: torrents.utp(),
        }
    }

    /// Connects and shakes hands.
    pub(super) async fn peer(&self, address: SocketAddr) -> Result<(PeerStream, Hello), String> {
        let name = hello::name(&self.hashes).ok_or("the torrent has no name")?;
        let stream = self.connect(address, name).await?;
        self.greet(stream).await
    }

    /// As [`Self::peer`], over uTP alone and at once: the peer connects to this node now, and what both send
    /// opens the way for the other.
    pub(super) async fn punch(&self, address: SocketAddr) -> Result<(PeerStream, Hello), String> {
        let name = hello::name(&self.hashes).ok_or("the torrent has no name")?;
        let utp = self.utp.as_ref().ok_or("uTP is not there")?;
        let times = Times {
            connect: UTP_CONNECT,
            ..Times::default()
        };
        let connected = utp.connect(address, name, self.encryption, times).await;
        self.greet(connected.map_err(|error| error.to_string())?)
            .await
    }

    async fn greet(&self, mut stream: PeerStream) -> Result<(PeerStream, Hello), String> {
        let initiating = hello::initiate(&mut stream, &self.hashes, self.me);
        let hello = timeout(HELLO_TIME, initiating)
            .await
            .map_err(|_| "no handshake in time".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok((stream, hello))
    }

    async fn connect(&self, address: SocketAddr, name: InfoHashV1) -> Result<PeerStream, String> {
        let times = Times::default();
        let over_tcp = || connect(address, name, self.encryption, times);
        let connected = match (self.tcp, &self.utp) {
            (true, None) => over_tcp().await,
            (true, Some(utp)) => {
                let times = Times {
                    connect: UTP_CONNECT,
                    ..times
                };
                let over_utp = || utp.connect(address, name, self.encryption, times);
                first(over_tcp(), over_utp, HEAD_START).await
            }
            (false, Some(utp)) => utp.connect(address, name, self.encryption, times).await,
            (false, None) => return Err("neither TCP nor uTP is there".to_owned()),
        };
        connected.map_err(|error| error.to_string())
    }
}

/// TCP if it answers soon, else whichever comes first. When neither does, it is told why TCP did not.
async fn first<T, U>(
    over_tcp: impl Future<Output = Result<T, ConnectError>>,
    over_utp: impl FnOnce() -> U,
    head_start: Duration,
) -> Result<T, ConnectError>
where
    U: Future<Output = Result<T, ConnectError>>,
{
    let mut over_tcp = pin!(over_tcp);
    tokio::select! {
        biased;
        connected = &mut over_tcp => return match connected {
            // Somebody is there, and not as he should be.
            Err(ConnectError::NotEncrypted(_)) | Ok(_) => connected,
            Err(error) => over_utp().await.map_err(|_| error),
        },
        () = sleep(head_start) => {}
    }
    let mut over_utp = pin!(over_utp());
    tokio::select! {
        biased;
        connected = &mut over_tcp => match connected {
            Ok(_) => connected,
            Err(error) => over_utp.await.map_err(|_| error),
        },
        connected = &mut over_utp => match connected {
            Ok(_) => connected,
            Err(_) => over_tcp.await,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::future::{Ready, pending, ready};
    use std::io::ErrorKind;

    const SOON: Duration = Duration::from_millis(10);

    fn failed() -> ConnectError {
        ConnectError::Io(ErrorKind::ConnectionRefused.into())
    }

    async fn late(
        result: Result<&'static str, ConnectError>,
    ) -> Result<&'static str, ConnectError> {
        sleep(SOON * 2).await;
        result
    }

    #[tokio::test]
    async fn tcp_goes_first_and_utp_stands_in_for_it() {
        let asked = || -> Ready<Result<&str, ConnectError>> { unreachable!("TCP was there") };
        let tcp = ready(Ok("tcp"));
        assert_eq!(first(tcp, asked, SOON).await.unwrap(), "tcp");
        let utp = || ready(Ok("utp"));
        let refused = ready(Err(failed()));
        assert_eq!(first(refused, utp, SOON).await.unwrap(), "utp");
        assert_eq!(first(pending(), utp, SOON).await.unwrap(), "utp");
        let tcp = late(Ok("tcp"));
        assert_eq!(first(tcp, pending, SOON).await.unwrap(), "tcp");
    }

    #[tokio::test]
    async fn when_nothing_answers_it_is_told_why_tcp_did_not() {
        let nobody = || ready(Err(ConnectError::Timeout));
        let refused = first(ready(Err(failed())), nobody, SOON).await;
        assert!(matches!(refused, Err(ConnectError::Io(_))));
        let refused = first(late(Err(failed())), nobody, SOON).await;
        assert!(matches!(refused, Err(ConnectError::Io(_))));
    }
}
