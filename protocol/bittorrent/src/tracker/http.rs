//! Trackers on the web (BEP 3, 7, 23, 48).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{
    AnnounceEvent, AnnounceReply, AnnounceRequest, MAX_INTERVAL, MAX_REPLY_BYTES, MAX_SCRAPE,
    MAX_TRACKER_ID_BYTES, MIN_INTERVAL, ReplyError, ScrapeStats, intervals, kept_peers, shown,
};
use crate::InfoHashV1;
use crate::bencode::{Document, Limits, Node};
use crate::wire::compact;

/// What a reply may hold. A peer of the long form takes seven items, and no reply needs to hold more
/// peers than are kept; unknown keys have room left.
const LIMITS: Limits = Limits {
    depth: 16,
    items: 100_000,
};

/// Bytes that stand for themselves in a query (RFC 3986, section 2.3). Some trackers compare what was
/// sent byte for byte, so nothing else does.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address that makes an announce, from that of the tracker, which may have a query already.
#[must_use]
pub fn announce_url(tracker: &str, request: &AnnounceRequest) -> String {
    let AnnounceRequest {
        port,
        uploaded,
        downloaded,
        left,
        key,
        ..
    } = request;
    let mut url = with_query(tracker);
    // Writing to a text can't fail.
    let _ = write!(
        url,
        "info_hash={}&peer_id={}&port={port}&uploaded={uploaded}&downloaded={downloaded}&left={left}\
         &compact=1&no_peer_id=1&key={key:08X}",
        percent_encode(request.infohash.as_bytes(), ESCAPED),
        percent_encode(request.peer_id.as_bytes(), ESCAPED),
    );
    let event = match request.event {
        AnnounceEvent::Regular => None,
        AnnounceEvent::Started => Some("started"),
        AnnounceEvent::Completed => Some("completed"),
        AnnounceEvent::Stopped => Some("stopped"),
    };
    if let Some(event) = event {
        let _ = write!(url, "&event={event}");
    }
    if let Some(count) = request.num_want {
        let _ = write!(url, "&numwant={count}");
    }
    if let Some(id) = &request.tracker_id {
        let _ = write!(url, "&trackerid={}", percent_encode(id, ESCAPED));
    }
    if let Some(ip) = request.ip {
        let ip = ip.to_string();
        let _ = write!(url, "&ip={}", percent_encode(ip.as_bytes(), ESCAPED));
    }
    if let Some(ip) = request.ipv6 {
        let ip = ip.to_string();
        let _ = write!(url, "&ipv6={}", percent_encode(ip.as_bytes(), ESCAPED));
    }
    url
}

/// The address to scrape, from that to announce to (BEP 48): what follows its last slash has to begin
/// with `announce`. None if there is no such address.
#[must_use]
pub fn scrape_base(tracker: &str) -> Option<String> {
    let tracker = without_fragment(tracker);
    let (front, last) = tracker.rsplit_once('/')?;
    let rest = last.strip_prefix("announce")?;
    Some(format!("{front}/scrape{rest}"))
}

/// The address that scrapes some torrents, of which [`MAX_SCRAPE`] are asked for. None if the tracker
/// can't be scraped.
#[must_use]
pub fn scrape_url(tracker: &str, torrents: &[InfoHashV1]) -> Option<String> {
    let mut url = with_query(&scrape_base(tracker)?);
    for (at, torrent) in torrents.iter().take(MAX_SCRAPE).enumerate() {
        let and = if at == 0 { "" } else { "&" };
        let torrent = percent_encode(torrent.as_bytes(), ESCAPED);
        let _ = write!(url, "{and}info_hash={torrent}");
    }
    Some(url)
}

/// What follows a `#` is for no server.
fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(front, _)| front)
}

/// The address, ready for parameters to be appended.
fn with_query(url: &str) -> String {
    let url = without_fragment(url);
    let mark = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{mark}")
}

/// Reads the reply to an announce.
///
/// # Errors
/// When the tracker refuses, or it is no reply to an announce.
pub fn read_announce(bytes: &[u8]) -> Result<AnnounceReply, ReplyError> {
    let document = document(bytes)?;
    let root = document.root();
    refusal(root)?;
    let number = |key| root.get(key).and_then(Node::size);
    let seconds = number("interval");
    let (v4, v6) = (root.get("peers"), root.get("peers6"));
    if seconds.is_none() && v4.is_none() && v6.is_none() {
        return Err(ReplyError::Senseless(
            "it has neither peers nor an interval",
        ));
    }
    // Both lists come in either form; the first is not always of IPv4 in the long form.
    let long = [v4, v6].into_iter().flatten();
    let long = long.filter_map(Node::list).flatten().filter_map(peer);
    let v4 = v4.and_then(Node::text).unwrap_or_default();
    let v6 = v6.and_then(Node::text).unwrap_or_default();
    let v4 = v4.as_chunks().0.iter().map(compact::v4);
    let v6 = v6.as_chunks().0.iter().map(compact::v6);
    let (interval, min_interval) = intervals(seconds, number("min interval"));
    let text = |key| root.get(key).and_then(Node::text);
    let warning = text("warning message").map(shown);
    let id = text("tracker id").filter(|id| (1..=MAX_TRACKER_ID_BYTES).contains(&id.len()));
    Ok(AnnounceReply {
        interval,
        min_interval,
        peers: kept_peers(interleaved(v4, v6).chain(long)),
        seeds: number("complete").map(count),
        leeches: number("incomplete").map(count),
        warning: warning.filter(|warning| !warning.is_empty()),
        tracker_id: id.map(<[u8]>::to_vec),
    })
}

/// Reads the reply to a scrape: of each torrent that was asked for what the tracker knows of it.
///
/// # Errors
/// When the tracker refuses, or it is no reply to a scrape.
pub fn read_scrape(
    bytes: &[u8],
    torrents: &[InfoHashV1],
) -> Result<Vec<Option<ScrapeStats>>, ReplyError> {
    let document = document(bytes)?;
    let root = document.root();
    refusal(root)?;
    let files = root.get("files").and_then(Node::dict);
    let files = files.ok_or(ReplyError::Senseless("it has no torrents"))?;
    let mut known: BTreeMap<&[u8], Option<ScrapeStats>> = BTreeMap::new();
    for torrent in torrents {
        known.insert(torrent.as_bytes(), None);
    }
    for (name, entry) in files {
        if let Some(known) = known.get_mut(name)
            && known.is_none()
            && entry.is_dict()
        {
            let number = |key| entry.get(key).and_then(Node::size).map_or(0, count);
            *known = Some(ScrapeStats {
                seeds: number("complete"),
                downloads: number("downloaded"),
                leeches: number("incomplete"),
            });
        }
    }
    let found = |torrent: &InfoHashV1| known.get(&torrent.as_bytes()[..]).copied().flatten();
    Ok(torrents.iter().map(found).collect())
}

fn document(bytes: &[u8]) -> Result<Document<'_>, ReplyError> {
    if bytes.len() > MAX_REPLY_BYTES {
        return Err(ReplyError::TooLong);
    }
    let document = Document::read(bytes, LIMITS)?;
    if !document.root().is_dict() {
        return Err(ReplyError::Senseless("it is no dictionary"));
    }
    Ok(document)
}

/// A refusal, if the reply is one.
fn refusal(root: Node<'_, '_>) -> Result<(), ReplyError> {
    let Some(reason) = root.get("failure reason") else {
        return Ok(());
    };
    let retry = root.get("retry in");
    let never = retry.and_then(Node::text) == Some(b"never");
    let minutes = retry.and_then(Node::size);
    let minutes = minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let retry = if never { Some(MAX_INTERVAL) } else { minutes };
    Err(ReplyError::Refused {
        reason: shown(reason.text().unwrap_or_default()),
        retry: retry.map(|retry| retry.clamp(MIN_INTERVAL, MAX_INTERVAL)),
    })
}

/// A peer of the long form. Names of hosts are left out: to look them up would tell a stranger's
/// server of this node.
fn peer(node: Node<'_, '_>) -> Option<SocketAddr> {
    let ip: IpAddr = node.get("ip")?.utf8()?.parse().ok()?;
    let port = u16::try_from(node.get("port")?.number()?).ok()?;
    Some(SocketAddr::new(ip, port))
}

/// In turns, so that neither family crowds out the other where the list is cut.
fn interleaved(
    mut a: impl Iterator<Item = SocketAddr>,
    mut b: impl Iterator<Item = SocketAddr>,
) -> impl Iterator<Item = SocketAddr> {
    let mut is_second = false;
    std::iter::from_fn(move || {
        is_second = !is_second;
        if is_second {
            a.next().or_else(|| b.next())
        } else {
            b.next().or_else(|| a.next())
        }
    })
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
