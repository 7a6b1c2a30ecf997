//! Connections that peers make.

use std::io;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::wire::Handshake;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::handshake::{HandshakeError, respond};
use super::{Carrier, Encryption, PeerStream, Times};

/// Bytes that tell a plain handshake: its name.
const NAME_BYTES: usize = 20;

/// Why a connection that a peer made is refused.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// Nothing was said in time, or nothing complete.
    #[error("no handshake in time")]
    Timeout,
    /// The other side went away.
    #[error("the other side closed the connection")]
    Closed,
    /// It is plain, and only encrypted connections are allowed.
    #[error("only encrypted connections are allowed, and this one is not")]
    NotEncrypted,
    /// It is not plain, and only plain connections are allowed.
    #[error("not a BitTorrent handshake, and encryption is off")]
    NotPlain,
    /// It is neither a plain handshake nor a good encrypted one.
    #[error("cannot agree on encryption: {0}")]
    Handshake(#[from] HandshakeError),
}

/// Takes a connection over TCP that a peer made, about one of these torrents: infohashes, of version 2
/// truncated. What is read from the stream begins with the peer's `BitTorrent` handshake, which may
/// name any torrent when the connection is plain.
///
/// # Errors
///
/// When it does not begin as `encryption` demands, or not in the time of a handshake.
pub async fn accept(
    stream: TcpStream,
    torrents: &[InfoHashV1],
    encryption: Encryption,
    times: Times,
) -> Result<PeerStream, AcceptError> {
    accept_on(Carrier::tcp(stream)?, torrents, encryption, times).await
}

/// As [`accept`], on a connection of any kind.
///
/// # Errors
///
/// As [`accept`].
pub async fn accept_on(
    carrier: Carrier,
    torrents: &[InfoHashV1],
    encryption: Encryption,
    times: Times,
) -> Result<PeerStream, AcceptError> {
    let accepting = accept_at_ease(carrier, torrents, encryption);
    let accepted = timeout(times.handshake, accepting).await;
    accepted.unwrap_or(Err(AcceptError::Timeout))
}

async fn accept_at_ease(
    mut carrier: Carrier,
    torrents: &[InfoHashV1],
    encryption: Encryption,
) -> Result<PeerStream, AcceptError> {
    let mut began = [0; NAME_BYTES];
    let mut count = 0;
    // Not a byte more than it takes to know: what is plain is read by who speaks it.
    while count < NAME_BYTES {
        let rest = began.get_mut(count..).unwrap_or_default();
        let read = carrier.read(rest).await?;
        if read == 0 {
            return Err(AcceptError::Closed);
        }
        count += read;
        let began = &began[..count];
        if !Handshake::can_begin_with(began) {
            let methods = encryption.methods().ok_or(AcceptError::NotPlain)?;
            let agreed = respond(&mut carrier, torrents, methods, began).await?;
            return Ok(PeerStream::agreed(carrier, agreed));
        }
    }
    if encryption == Encryption::Require {
        return Err(AcceptError::NotEncrypted);
    }
    Ok(PeerStream::plain(carrier, began.to_vec()))
}
