//! Trackers over UDP (BEP 15), with the path of their address (BEP 41).
//!
//! A *connection* is a number that the tracker gives to an address, so that it answers nobody whose
//! address is forged. It is asked for first, and may be used for [`CONNECTION_TIME`]. Each question
//! has a *transaction*, a random number that its answer repeats.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, MAX_SCRAPE, ReplyError, ScrapeStats, intervals,
    kept_peers, shown,
};
use crate::InfoHashV1;
use crate::wire::compact;

/// Bytes of a question for a connection.
pub const CONNECT_BYTES: usize = 16;
/// How long a connection may be used by who asked for it.
pub const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Most bytes of a path and query that are sent. With longer ones the question could not pass
/// networks whole.
pub const MAX_URL_DATA: usize = 1020;

const PROTOCOL: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;
/// The option that has a part of the path (BEP 41).
const URL_DATA: u8 = 2;

/// Asks for a connection.
#[must_use]
pub fn connect(transaction: u32) -> [u8; CONNECT_BYTES] {
    let mut bytes = [0; CONNECT_BYTES];
    bytes[..8].copy_from_slice(&PROTOCOL.to_be_bytes());
    bytes[8..12].copy_from_slice(&CONNECT.to_be_bytes());
    bytes[12..].copy_from_slice(&transaction.to_be_bytes());
    bytes
}

/// Reads the number of a connection.
///
/// # Errors
/// When the tracker refuses, it is no such answer, or it is one to another question
/// ([`ReplyError::Stray`]).
pub fn read_connect(datagram: &[u8], transaction: u32) -> Result<u64, ReplyError> {
    let body = body(datagram, CONNECT, transaction)?;
    let number = body.first_chunk().ok_or(TOO_SHORT)?;
    Ok(u64::from_be_bytes(*number))
}

/// Announces. `path` is the path and query of the tracker's address; one longer than
/// [`MAX_URL_DATA`] is not sent, as the start of one would name something else.
#[must_use]
pub fn announce(
    connection: u64,
    transaction: u32,
    request: &AnnounceRequest,
    path: &str,
) -> Vec<u8> {
    let event: u32 = match request.event {
        AnnounceEvent::Regular => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    };
    let ip = match request.ip {
        Some(IpAddr::V4(ip)) => ip.octets(),
        // The address that the tracker sees.
        Some(IpAddr::V6(_)) | None => [0; 4],
    };
    let mut bytes = head(connection, ANNOUNCE, transaction);
    bytes.extend_from_slice(request.infohash.as_bytes());
    bytes.extend_from_slice(request.peer_id.as_bytes());
    for number in [request.downloaded, request.left, request.uploaded] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&event.to_be_bytes());
    bytes.extend_from_slice(&ip);
    bytes.extend_from_slice(&request.key.to_be_bytes());
    // All bits set, which reads as -1, leaves the number to the tracker.
    bytes.extend_from_slice(&request.num_want.unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&request.port.to_be_bytes());
    if path.len() <= MAX_URL_DATA && path != "/" {
        for part in path.as_bytes().chunks(u8::MAX.into()) {
            bytes.push(URL_DATA);
            bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// Reads the answer to an announce. `is_ipv6` says over what the tracker was asked, and so what its
/// peers are.
///
/// # Errors
/// As for [`read_connect`].
pub fn read_announce(
    datagram: &[u8],
    transaction: u32,
    is_ipv6: bool,
) -> Result<AnnounceReply, ReplyError> {
    let body = body(datagram, ANNOUNCE, transaction)?;
    let (numbers, list) = body.split_first_chunk::<12>().ok_or(TOO_SHORT)?;
    let [seconds, leeches, seeds] = numbers_of(numbers);
    let peers: Vec<SocketAddr> = if is_ipv6 {
        kept_peers(list.as_chunks().0.iter().map(compact::v6))
    } else {
        kept_peers(list.as_chunks().0.iter().map(compact::v4))
    };
    let (interval, min_interval) = intervals(Some(seconds.into()), None);
    Ok(AnnounceReply {
        interval,
        min_interval,
        peers,
        seeds: Some(seeds),
        leeches: Some(leeches),
        warning: None,
        tracker_id: None,
    })
}

/// Scrapes some torrents, of which [`MAX_SCRAPE`] are asked for.
#[must_use]
pub fn scrape(connection: u64, transaction: u32, torrents: &[InfoHashV1]) -> Vec<u8> {
    let mut bytes = head(connection, SCRAPE, transaction);
    for torrent in torrents.iter().take(MAX_SCRAPE) {
        bytes.extend_from_slice(torrent.as_bytes());
    }
    bytes
}

/// Reads the answer to a scrape of `count` torrents: what the tracker knows of each, in the order in
/// which they were asked for.
///
/// # Errors
/// As for [`read_connect`]; also when there are fewer than were asked for.
pub fn read_scrape(
    datagram: &[u8],
    transaction: u32,
    count: usize,
) -> Result<Vec<ScrapeStats>, ReplyError> {
    let body = body(datagram, SCRAPE, transaction)?;
    let entries = body.as_chunks::<12>().0;
    let entries = entries.get(..count).ok_or(TOO_SHORT)?;
    let stats = entries.iter().map(|entry| {
        let [seeds, downloads, leeches] = numbers_of(entry);
        ScrapeStats {
            seeds,
            downloads,
            leeches,
        }
    });
    Ok(stats.collect())
}

const TOO_SHORT: ReplyError = ReplyError::Senseless("it is too short");

fn head(connection: u64, action: u32, transaction: u32) -> Vec<u8> {
    let mut bytes = connection.to_be_bytes().to_vec();
    bytes.extend_from_slice(&action.to_be_bytes());
    bytes.extend_from_slice(&transaction.to_be_bytes());
    bytes
}

/// What follows the head of an answer.
fn body(datagram: &[u8], action: u32, transaction: u32) -> Result<&[u8], ReplyError> {
    let head = datagram.split_first_chunk::<4>();
    let (found, rest) = head.ok_or(ReplyError::Stray)?;
    let (repeated, rest) = rest.split_first_chunk::<4>().ok_or(ReplyError::Stray)?;
    if u32::from_be_bytes(*repeated) != transaction {
        return Err(ReplyError::Stray);
    }
    match u32::from_be_bytes(*found) {
        found if found == action => Ok(rest),
        ERROR => Err(ReplyError::Refused {
            reason: shown(rest),
            retry: None,
        }),
        _ => Err(ReplyError::Senseless("it answers something else")),
    }
}

fn numbers_of(bytes: &[u8; 12]) -> [u32; 3] {
    let (chunks, _) = bytes.as_chunks::<4>();
    let number = |at: usize| chunks.get(at).copied().map_or(0, u32::from_be_bytes);
    [number(0), number(1), number(2)]
}
