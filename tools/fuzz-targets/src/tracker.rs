//! What trackers answer, and what an announcer makes of it.

use std::time::Duration;

use potluck_bittorrent::tracker::{
    AnnounceReply, Announcer, Ask, MAX_INTERVAL, MAX_REPLY_PEERS, MAX_TEXT_CHARS,
    MAX_TRACKER_ID_BYTES, MIN_INTERVAL, ReplyError, http, udp,
};
use potluck_bittorrent::{InfoHashV1, InfoHashV2, InfoHashes};

use crate::seeds::seed;
use crate::take::Take;

const HASH: [u8; 20] = [b'a'; 20];

/// The bytes are a reply over HTTP, and a datagram over UDP; what is taken of them is within bounds.
/// They are also the doings of some trackers: however those answer, none is asked while it is being
/// asked, and a stop comes to an end.
pub fn tracker(data: &[u8]) {
    let torrents = [HASH, [0; 20]].map(InfoHashV1::from_bytes);
    check(&http::read_announce(data));
    if let Ok(stats) = http::read_scrape(data, &torrents) {
        assert_eq!(stats.len(), torrents.len());
    }
    // The answer has the transaction that it has.
    let transaction = data.get(4..8).and_then(|bytes| bytes.try_into().ok());
    let transaction = u32::from_be_bytes(transaction.unwrap_or_default());
    check(&udp::read_announce(data, transaction, false));
    check(&udp::read_announce(data, transaction, true));
    check(&udp::read_connect(data, transaction));
    let count = data.len() % 80;
    if let Ok(stats) = udp::read_scrape(data, transaction, count) {
        assert_eq!(stats.len(), count);
    }
    announcer(data);
}

/// Things that a reader gives.
trait Bounded {
    fn is_bounded(&self) -> bool;
}

impl Bounded for u64 {
    fn is_bounded(&self) -> bool {
        true
    }
}

impl Bounded for AnnounceReply {
    fn is_bounded(&self) -> bool {
        let id = self.tracker_id.as_ref().map_or(0, Vec::len);
        self.peers.len() <= MAX_REPLY_PEERS
            && self.peers.iter().all(|peer| peer.port() > 0)
            && (MIN_INTERVAL..=MAX_INTERVAL).contains(&self.interval)
            && (MIN_INTERVAL..=self.interval).contains(&self.min_interval)
            && id <= MAX_TRACKER_ID_BYTES
            && self.warning.as_deref().is_none_or(is_shown)
    }
}

fn is_shown(text: &str) -> bool {
    text.chars().count() <= MAX_TEXT_CHARS && !text.contains(char::is_control)
}

fn check(read: &Result<impl Bounded, ReplyError>) {
    match read {
        Ok(read) => assert!(read.is_bounded()),
        Err(ReplyError::Refused { reason, retry }) => {
            assert!(is_shown(reason) && retry.is_none_or(|retry| retry <= MAX_INTERVAL));
        }
        Err(_) => {}
    }
}

fn announcer(data: &[u8]) {
    let mut take = Take(data);
    let hashes = InfoHashes {
        v1: Some(InfoHashV1::from_bytes(HASH)),
        v2: (take.u8() % 2 == 1).then_some(InfoHashV2::from_bytes([1; 32])),
    };
    let mut trackers = Announcer::new(&hashes);
    let tier = |names: &[&str]| names.iter().map(|name| format!("udp://{name}:1")).collect();
    let tiers: [Vec<String>; 3] = [tier(&["a", "b"]), tier(&["c"]), tier(&["d", "e", "f"])];
    trackers.add_tiers(Duration::ZERO, &tiers, take.u64());
    let mut now = Duration::ZERO;
    let mut open: Vec<Ask> = Vec::new();
    while !take.is_empty() {
        let (action, number) = (take.u8(), take.u16());
        let chosen = usize::from(number).checked_rem(open.len());
        match (action % 8, chosen) {
            (0, _) => trackers.set_wanting(number % 2 == 0),
            (1, _) => trackers.completed(),
            (2, _) => trackers.stop(),
            (3, _) => trackers.restart(now),
            (4, Some(at)) => {
                let id = open.swap_remove(at).id;
                trackers.handle_failure(now, id, "no", Some(Duration::from_secs(number.into())));
            }
            (5, Some(at)) => {
                trackers.handle_reply(now, open.swap_remove(at).id, &reply(number));
            }
            _ => now += Duration::from_secs(number.into()),
        }
        poll(&mut trackers, now, &mut open);
        assert!(trackers.poll_timeout().is_none_or(|next| next > now));
    }
    trackers.stop();
    for _ in 0..3 {
        for ask in std::mem::take(&mut open) {
            trackers.handle_reply(now, ask.id, &reply(0));
        }
        poll(&mut trackers, now, &mut open);
    }
    assert!(open.is_empty() && trackers.is_over());
}

fn poll(trackers: &mut Announcer, now: Duration, open: &mut Vec<Ask>) {
    while let Some(ask) = trackers.poll(now) {
        assert!(open.iter().all(|other| other.id != ask.id));
        open.push(ask);
    }
    assert_eq!(trackers.status().len(), 6);
}

/// One that a machine may be given, though no reader gives it.
fn reply(number: u16) -> AnnounceReply {
    let (high, low) = (number >> 8, number & 0xff);
    AnnounceReply {
        interval: Duration::from_secs(60 * u64::from(high) + 1),
        min_interval: Duration::from_secs(60 * u64::from(low) + 1),
        peers: Vec::new(),
        seeds: None,
        leeches: Some(1),
        warning: None,
        tracker_id: Some(vec![1]),
    }
}

/// An answer of each kind, and trackers that fail, answer and are left.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let datagram = |action: u8, body: &[u8]| [&[0, 0, 0, action, 1, 2, 3, 4], body].concat();
    let compact = b"d8:completei5e10:incompletei7e8:intervali900e12:min intervali300e\
                    5:peers6:\x7f\0\0\x01\x1a\xe16:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
                    10:tracker id2:ab15:warning message3:olde";
    let long = "d8:intervali60e5:peersld2:ip9:127.0.0.14:porti1eed2:ip3:::14:porti2eeee";
    let refusal = "d14:failure reason9:not yours8:retry in5:nevere";
    let scrape =
        "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee";
    let announced = [
        &[0, 0, 3, 132, 0, 0, 0, 2, 0, 0, 0, 5][..],
        &[127, 0, 0, 1, 1, 2],
    ]
    .concat();
    vec![
        seed("compact", *compact),
        seed("long", long),
        seed("refusal", refusal),
        seed("scrape", scrape),
        seed("udp-connect", datagram(0, &[7; 8])),
        seed("udp-announce", datagram(1, &announced)),
        seed("udp-scrape", datagram(2, &[0; 24])),
        seed("udp-error", datagram(3, b"not yours")),
        seed(
            "announcer",
            [
                1, 9, 9, 9, 9, 9, 9, 9, 9, 4, 0, 0, 5, 0, 9, 1, 0, 0, 6, 200, 0, 4, 0, 0, 5, 1, 1,
                0, 0, 0, 7, 0, 9, 2, 0, 0, 5, 0, 0, 3, 0, 0,
            ],
        ),
    ]
}
