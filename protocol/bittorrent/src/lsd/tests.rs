//! Searches as they are sent and read, and when they are due.

use super::*;

const GROUP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(LSD_V4), LSD_PORT);

fn torrent(number: u8) -> InfoHashV1 {
    InfoHashV1::from_bytes([number; 20])
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A search of these header lines.
fn lines(lines: &[&str]) -> Result<Search, SearchError> {
    let text = format!("{FIRST_LINE}\r\n{}\r\n\r\n\r\n", lines.join("\r\n"));
    Search::parse(text.as_bytes())
}

#[test]
fn text_of_a_search() {
    let search = Search {
        port: 6881,
        torrents: vec![torrent(0xaa), torrent(1)],
        cookie: Some("c0ffee".to_owned()),
    };
    let expected = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
        Infohash: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\
        Infohash: 0101010101010101010101010101010101010101\r\n\
        cookie: c0ffee\r\n\r\n\r\n";
    let sent = search.encode(GROUP);
    assert_eq!(String::from_utf8(sent.clone()).unwrap(), expected);
    assert_eq!(Search::parse(&sent), Ok(search));
    let group = SocketAddr::from((LSD_V6, LSD_PORT));
    assert_eq!(group.to_string(), "[ff15::efc0:988f]:6771");
}

#[test]
fn the_longest_search_fits() {
    let search = Search {
        port: u16::MAX,
        torrents: (0..=255).map(torrent).collect(),
        cookie: Some("x".repeat(MAX_COOKIE)),
    };
    let sent = search.encode(SocketAddr::from((LSD_V6, LSD_PORT)));
    assert!(sent.len() <= MAX_SEARCH_BYTES, "{}", sent.len());
    let read = Search::parse(&sent).unwrap();
    assert_eq!(read.torrents, search.torrents[..MAX_SEARCH_TORRENTS]);
}

#[test]
fn headers_in_any_case_and_order() {
    let hash = "ABCDEF0123456789ABCDEF0123456789ABCDEF01";
    let found = lines(&["PORT:1", "x-other: 7", &format!("infoHash:{hash}")]).unwrap();
    assert_eq!((found.port, found.torrents.len()), (1, 1));
    assert_eq!(found.torrents[0].to_string(), hash.to_lowercase());
    assert_eq!(found.cookie, None);
}

#[test]
fn what_is_no_search() {
    let hash = format!("Infohash: {}", torrent(1));
    assert_eq!(lines(&["Port: 1"]), Err(SearchError::Torrents));
    assert_eq!(
        lines(&["Port: 1", "Infohash: 12"]),
        Err(SearchError::Torrents)
    );
    for port in ["Port: 0", "Port: 65536", "Port: -1", "Port:", "Other: 1"] {
        assert_eq!(lines(&[port, &hash]), Err(SearchError::Port), "{port}");
    }
    assert_eq!(
        lines(&["Port: 1", &hash, "no colon"]),
        Err(SearchError::NotSearch)
    );
    let other = b"M-SEARCH * HTTP/1.1\r\n\r\n";
    assert_eq!(Search::parse(other), Err(SearchError::NotSearch));
    let cut = format!("{FIRST_LINE}\r\nPort: 1\r\n{hash}\r\n");
    let cut = &cut.as_bytes()[..cut.len() - 2];
    assert_eq!(Search::parse(cut), Err(SearchError::NotSearch));
    assert_eq!(Search::parse(b"\xff"), Err(SearchError::NotSearch));
    let long = vec![b'x'; MAX_RECEIVED_BYTES + 1];
    assert_eq!(Search::parse(&long), Err(SearchError::TooLong));
}

#[test]
fn cookies_that_are_no_words_are_ignored() {
    let hash = format!("Infohash: {}", torrent(1));
    let long = format!("cookie: {}", "x".repeat(MAX_COOKIE + 1));
    for cookie in ["cookie:", "cookie: a b", "cookie: é", &long] {
        let found = lines(&["Port: 1", &hash, cookie]).unwrap();
        assert_eq!(found.cookie, None, "{cookie}");
    }
    let search = Search {
        port: 1,
        torrents: vec![torrent(1)],
        cookie: Some("a\r\nPort: 2".to_owned()),
    };
    let sent = search.encode(GROUP);
    assert_eq!(Search::parse(&sent).unwrap().port, 1);
}

#[test]
fn a_torrent_is_due_every_five_minutes() {
    let mut schedule = Schedule::default();
    assert_eq!(schedule.next(), None);
    assert!(schedule.add(torrent(1), secs(10)));
    assert_eq!(schedule.next(), Some(secs(10)));
    assert_eq!(schedule.take(secs(10)), [torrent(1)]);
    assert_eq!(schedule.next(), Some(secs(310)));
    assert_eq!(schedule.take(secs(309)), []);
    assert_eq!(schedule.take(secs(310)), [torrent(1)]);
}

#[test]
fn taking_a_torrent_out_does_not_make_it_due() {
    let mut schedule = Schedule::default();
    schedule.add(torrent(1), secs(0));
    schedule.take(secs(0));
    schedule.remove(&torrent(1));
    assert!(!schedule.contains(&torrent(1)));
    assert_eq!(schedule.next(), None);
    schedule.add(torrent(1), secs(5));
    assert_eq!(schedule.next(), Some(secs(300)));
    schedule.remove(&torrent(1));
    assert_eq!(schedule.take(secs(400)), []);
    schedule.add(torrent(1), secs(400));
    assert_eq!(schedule.take(secs(400)), [torrent(1)]);
}

#[test]
fn one_search_a_second_with_room_for_some() {
    let mut schedule = Schedule::default();
    for number in 0..30 {
        schedule.add(torrent(number), secs(0));
    }
    let first = schedule.take(secs(0));
    assert_eq!(first.len(), MAX_SEARCH_TORRENTS);
    assert_eq!(schedule.take(Duration::from_millis(999)), []);
    assert_eq!(schedule.next(), Some(secs(1)));
    let second = schedule.take(secs(1));
    assert_eq!(second.len(), 10);
    assert!(second.iter().all(|torrent| !first.contains(torrent)));
}
