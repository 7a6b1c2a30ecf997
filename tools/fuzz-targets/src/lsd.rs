//! Searches for peers on the local network, and when which torrents are announced there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::lsd::{
    LSD_INTERVAL, LSD_PAUSE, LSD_PORT, LSD_V4, MAX_COOKIE, MAX_RECEIVED_BYTES, MAX_SEARCH_BYTES,
    MAX_SEARCH_TORRENTS, Schedule, Search,
};

use crate::seeds::seed;
use crate::take::Take;

/// The bytes are a datagram: what is read of it is within bounds, and is the same when it is written
/// and read again. They are also the doings of a node: none of its torrents is announced too often.
pub fn lsd(data: &[u8]) {
    if let Ok(search) = Search::parse(data) {
        check(search, data.len());
    }
    schedule(data);
}

fn check(mut search: Search, bytes: usize) {
    assert!(search.port > 0 && !search.torrents.is_empty() && bytes <= MAX_RECEIVED_BYTES);
    let cookie = search.cookie.as_deref().unwrap_or("c");
    assert!(cookie.len() <= MAX_COOKIE && cookie.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let group = SocketAddr::from((LSD_V4, LSD_PORT));
    let written = search.encode(group);
    assert!(written.len() <= MAX_SEARCH_BYTES);
    search.torrents.truncate(MAX_SEARCH_TORRENTS);
    assert_eq!(Search::parse(&written), Ok(search));
}

fn schedule(data: &[u8]) {
    let mut take = Take(data);
    let mut schedule = Schedule::default();
    let mut wanted = BTreeSet::new();
    let mut announced: Vec<(InfoHashV1, Duration)> = Vec::new();
    let mut now = Duration::ZERO;
    let mut last: Option<Duration> = None;
    while !take.is_empty() {
        let (action, number) = (take.u8(), take.u8());
        let torrent = InfoHashV1::from_bytes([number % 40; 20]);
        match action % 4 {
            0 => {
                assert!(schedule.add(torrent, now));
                wanted.insert(torrent);
            }
            1 => {
                schedule.remove(&torrent);
                wanted.remove(&torrent);
            }
            2 => now += Duration::from_millis(u64::from(number) * 50),
            _ => now += Duration::from_secs(u64::from(number) * 4),
        }
        assert_eq!(schedule.contains(&torrent), wanted.contains(&torrent));
        let is_due = schedule.next().is_some_and(|next| next <= now);
        let taken = schedule.take(now);
        assert_eq!(!taken.is_empty(), is_due);
        assert!(taken.len() <= MAX_SEARCH_TORRENTS);
        if taken.is_empty() {
            continue;
        }
        assert!(last.is_none_or(|last| now - last >= LSD_PAUSE));
        last = Some(now);
        announced.retain(|(_, at)| now - *at < LSD_INTERVAL);
        for torrent in taken {
            assert!(wanted.contains(&torrent));
            assert!(announced.iter().all(|(other, _)| *other != torrent));
            announced.push((torrent, now));
        }
    }
}

/// Searches as clients send them, some that are none, and torrents that come and go.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let group = SocketAddr::from((LSD_V4, LSD_PORT));
    let search = |count: u8, cookie: Option<&str>| Search {
        port: 6881,
        torrents: (0..count)
            .map(|byte| InfoHashV1::from_bytes([byte; 20]))
            .collect(),
        cookie: cookie.map(str::to_owned),
    };
    let head = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n";
    let hash = "infohash: 0123456789ABCDEF0123456789abcdef01234567\r\n";
    vec![
        seed("one", search(1, Some("1a2b3c4d")).encode(group)),
        seed("many", search(20, None).encode(group)),
        seed(
            "loose",
            format!("{head}pOrT :  1\r\nX-Other: y\r\n{hash}cookie: no word!\r\n\r\n"),
        ),
        seed("no-port", format!("{head}Port: 0\r\n{hash}\r\n\r\n")),
        seed("cut", format!("{head}Port: 6881\r\n{hash}")),
        seed("none", format!("{head}Port: 6881\r\nInfohash: 01\r\n\r\n")),
        seed(
            "schedule",
            [
                0, 1, 0, 2, 2, 30, 0, 3, 1, 1, 3, 80, 0, 1, 3, 1, 2, 19, 2, 21, 1, 2, 3, 90,
            ],
        ),
    ]
}
