//! Connections that we make.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use potluck_bittorrent::InfoHashV1;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::handshake::{HandshakeError, initiate};
use super::{Carrier, Encryption, PeerStream, Times};

/// Why there is no connection to a peer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network says no.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// Nobody answered in time.
    #[error("nobody answered")]
    Timeout,
    /// Only encrypted connections are allowed, and the peer would not have one.
    #[error("cannot encrypt the connection: {0}")]
    NotEncrypted(#[from] HandshakeError),
}

/// Connects over TCP to a peer of a torrent, named by its infohash (of version 2: truncated). The
/// `BitTorrent` handshake is up to the caller.
///
/// # Errors
///
/// When nobody answers, or not as `encryption` demands.
pub async fn connect(
    address: SocketAddr,
    torrent: InfoHashV1,
    encryption: Encryption,
    times: Times,
) -> Result<PeerStream, ConnectError> {
    let dial: Dial<'_> =
        &|| Box::pin(async move { Carrier::tcp(TcpStream::connect(address).await?) });
    connect_with(dial, torrent, encryption, times).await
}

/// Makes connections, one at each call.
pub(crate) type Dial<'a> = &'a (dyn Fn() -> Dialing<'a> + Send + Sync);
/// A connection that is being made.
pub(crate) type Dialing<'a> = Pin<Box<dyn Future<Output = io::Result<Carrier>> + Send + 'a>>;

/// As [`connect`], on connections that `dial` makes: a second one when the peer can't encrypt.
pub(crate) async fn connect_with(
    dial: Dial<'_>,
    torrent: InfoHashV1,
    encryption: Encryption,
    times: Times,
) -> Result<PeerStream, ConnectError> {
    let mut carrier = dial_in_time(dial, times).await?;
    let Some(methods) = encryption.methods() else {
        return Ok(PeerStream::plain(carrier, Vec::new()));
    };
    let agreeing = initiate(&mut carrier, torrent, methods);
    let agreed = timeout(times.handshake, agreeing)
        .await
        .unwrap_or(Err(HandshakeError::Timeout));
    match agreed {
        Ok(agreed) => Ok(PeerStream::agreed(carrier, agreed)),
        Err(error) if encryption == Encryption::Require => Err(error.into()),
        Err(error) => {
            tracing::debug!(?carrier, %error, "not encrypted");
            drop(carrier);
            Ok(PeerStream::plain(
                dial_in_time(dial, times).await?,
                Vec::new(),
            ))
        }
    }
}

async fn dial_in_time(dial: Dial<'_>, times: Times) -> Result<Carrier, ConnectError> {
    let dialed = timeout(times.connect, dial()).await;
    Ok(dialed.map_err(|_| ConnectError::Timeout)??)
}
