//! Trackers that are asked over HTTP (BEP 3, 7, 23).

use std::net::{IpAddr, SocketAddr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{
    Announce, AnnounceEvent, Announced, AnswerError, MAX_ANNOUNCED_PEERS, MAX_ANSWER_BYTES,
    interval, shown,
};
use crate::bencode::{Document, Limits, Node};
use crate::wire::compact;

/// What an answer may nest and hold: a list of peers has four items for each.
const LIMITS: Limits = Limits {
    depth: 10,
    items: 100_000,
};

/// Bytes that stand for themselves in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address to ask, from that of the tracker.
#[must_use]
pub fn announce_url(tracker: &str, announce: &Announce) -> String {
    // What follows a # is not for the server.
    let tracker = tracker.split('#').next().unwrap_or_default();
    let mark = match tracker.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let event = match announce.event {
        AnnounceEvent::Regular => "",
        AnnounceEvent::Started => "&event=started",
        AnnounceEvent::Completed => "&event=completed",
        AnnounceEvent::Stopped => "&event=stopped",
    };
    let Announce {
        port,
        uploaded,
        downloaded,
        left,
        key,
        want,
        ..
    } = announce;
    format!(
        "{tracker}{mark}info_hash={}&peer_id={}&port={port}&uploaded={uploaded}\
         &downloaded={downloaded}&left={left}&compact=1&no_peer_id=1&numwant={want}&key={key:08x}{event}",
        percent_encode(announce.infohash.as_bytes(), ESCAPED),
        percent_encode(announce.peer.as_bytes(), ESCAPED),
    )
}

/// Reads what a tracker answers.
///
/// # Errors
/// When it says no, or the answer makes no sense.
pub fn read_announce(bytes: &[u8]) -> Result<Announced, AnswerError> {
    if bytes.len() > MAX_ANSWER_BYTES {
        return Err(AnswerError::Broken);
    }
    let document = Document::read(bytes, LIMITS).map_err(|_| AnswerError::Broken)?;
    let root = document.root();
    if !root.is_dict() {
        return Err(AnswerError::Broken);
    }
    if let Some(reason) = root.get("failure reason").and_then(Node::text) {
        return Err(AnswerError::Refused(shown(reason)));
    }
    let mut peers = Vec::new();
    if let Some(list) = root.get("peers") {
        match list.text() {
            Some(compact) => peers.extend(compact.as_chunks().0.iter().map(compact::v4)),
            None => peers.extend(list.list().into_iter().flatten().filter_map(peer)),
        }
    }
    if let Some(compact) = root.get("peers6").and_then(Node::text) {
        peers.extend(compact.as_chunks().0.iter().map(compact::v6));
    }
    peers.retain(compact::can_be_peer);
    peers.truncate(MAX_ANNOUNCED_PEERS);
    let seconds = |key| root.get(key).and_then(Node::size);
    let warning = root.get("warning message").and_then(Node::text).map(shown);
    Ok(Announced {
        interval: interval(seconds("interval").max(seconds("min interval"))),
        peers,
        warning: warning.filter(|warning| !warning.is_empty()),
    })
}

/// A peer of the long form. Names of hosts are left out: nobody sends them today.
fn peer(node: Node<'_, '_>) -> Option<SocketAddr> {
    let ip: IpAddr = node.get("ip")?.utf8()?.parse().ok()?;
    let port = u16::try_from(node.get("port")?.number()?).ok()?;
    Some(SocketAddr::new(ip, port))
}
