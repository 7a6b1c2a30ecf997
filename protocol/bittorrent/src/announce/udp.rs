//! Trackers that are asked over UDP (BEP 15).

use super::{Announce, AnnounceEvent, Announced, MAX_ANNOUNCED_PEERS, interval, shown};
use crate::wire::compact;

/// Bytes of a question for a connection.
pub const UDP_CONNECT_BYTES: usize = 16;

const PROTOCOL: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const ERROR: u32 = 3;

/// Why a datagram is no answer to what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UdpError {
    /// Of another question, or of nobody: to be ignored.
    #[error("an answer to another question")]
    Other,
    /// The tracker says no.
    #[error("it refuses: {0}")]
    Refused(String),
    /// Too short, or of another kind.
    #[error("its answer makes no sense")]
    Broken,
}

/// Asks for a connection. `transaction` is a random number that the answer repeats.
#[must_use]
pub fn udp_connect(transaction: u32) -> [u8; UDP_CONNECT_BYTES] {
    let mut bytes = [0; UDP_CONNECT_BYTES];
    bytes[..8].copy_from_slice(&PROTOCOL.to_be_bytes());
    bytes[8..12].copy_from_slice(&CONNECT.to_be_bytes());
    bytes[12..].copy_from_slice(&transaction.to_be_bytes());
    bytes
}

/// Reads the number of a connection, which is good for a minute.
///
/// # Errors
/// When it is not the answer, or the tracker says no.
pub fn udp_read_connect(datagram: &[u8], transaction: u32) -> Result<u64, UdpError> {
    let rest = body(datagram, CONNECT, transaction)?;
    let number = rest.first_chunk::<8>().ok_or(UdpError::Broken)?;
    Ok(u64::from_be_bytes(*number))
}

/// The announce on a connection. The path and query of the tracker's address follow it, if it has any
/// (BEP 41).
#[must_use]
pub fn udp_announce(connection: u64, transaction: u32, announce: &Announce, path: &str) -> Vec<u8> {
    let event: u32 = match announce.event {
        AnnounceEvent::Regular => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    };
    let mut bytes = Vec::with_capacity(98 + path.len());
    bytes.extend_from_slice(&connection.to_be_bytes());
    bytes.extend_from_slice(&ANNOUNCE.to_be_bytes());
    bytes.extend_from_slice(&transaction.to_be_bytes());
    bytes.extend_from_slice(announce.infohash.as_bytes());
    bytes.extend_from_slice(announce.peer.as_bytes());
    for number in [announce.downloaded, announce.left, announce.uploaded] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&event.to_be_bytes());
    // No address of ours: the tracker sees it.
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&announce.key.to_be_bytes());
    bytes.extend_from_slice(&announce.want.to_be_bytes());
    bytes.extend_from_slice(&announce.port.to_be_bytes());
    if !path.is_empty() && path != "/" {
        for part in path.as_bytes().chunks(255) {
            bytes.push(2);
            bytes.extend(u8::try_from(part.len()));
            bytes.extend_from_slice(part);
        }
        bytes.push(0);
    }
    bytes
}

/// Reads the answer to an announce, from a tracker that was asked over IPv6 or not.
///
/// # Errors
/// When it is not the answer, or the tracker says no.
pub fn udp_read_announce(
    datagram: &[u8],
    transaction: u32,
    is_v6: bool,
) -> Result<Announced, UdpError> {
    let rest = body(datagram, ANNOUNCE, transaction)?;
    let (seconds, rest) = rest.split_first_chunk::<4>().ok_or(UdpError::Broken)?;
    // How many leech and seed.
    let list = rest.get(8..).ok_or(UdpError::Broken)?;
    let mut peers: Vec<_> = if is_v6 {
        list.as_chunks().0.iter().map(compact::v6).collect()
    } else {
        list.as_chunks().0.iter().map(compact::v4).collect()
    };
    peers.retain(compact::can_be_peer);
    peers.truncate(MAX_ANNOUNCED_PEERS);
    Ok(Announced {
        interval: interval(Some(u32::from_be_bytes(*seconds).into())),
        peers,
        warning: None,
    })
}

/// What follows the head of an answer.
fn body(datagram: &[u8], action: u32, transaction: u32) -> Result<&[u8], UdpError> {
    let (found, rest) = datagram.split_first_chunk::<4>().ok_or(UdpError::Other)?;
    let (repeated, rest) = rest.split_first_chunk::<4>().ok_or(UdpError::Other)?;
    if u32::from_be_bytes(*repeated) != transaction {
        return Err(UdpError::Other);
    }
    match u32::from_be_bytes(*found) {
        found if found == action => Ok(rest),
        ERROR => Err(UdpError::Refused(shown(rest))),
        _ => Err(UdpError::Broken),
    }
}
