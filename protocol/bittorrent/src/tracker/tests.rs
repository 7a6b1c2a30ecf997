//! Trackers: what is said to them and what they say; when which is asked is below.

mod announcer;
mod udp;

use proptest::prelude::*;

use super::http::{announce_url, read_announce, read_scrape, scrape_base, scrape_url};
use super::*;

fn request() -> AnnounceRequest {
    let mut hash = [0x41; 20];
    hash[..4].copy_from_slice(&[0x00, 0x26, 0xff, 0x7e]);
    AnnounceRequest {
        infohash: InfoHashV1::from_bytes(hash),
        peer_id: PeerId::from_bytes(*b"-PL0001-abc def=&%+\0"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: AnnounceEvent::Regular,
        num_want: None,
        key: 0xabc,
        tracker_id: None,
        ip: None,
        ipv6: None,
    }
}

fn strings(peers: &[SocketAddr]) -> Vec<String> {
    peers.iter().map(ToString::to_string).collect()
}

fn refused(reason: &str, retry: Option<u64>) -> ReplyError {
    ReplyError::Refused {
        reason: reason.to_owned(),
        retry: retry.map(Duration::from_secs),
    }
}

#[test]
fn the_query_follows_whatever_the_address_has() {
    let query = "info_hash=%00%26%FF~AAAAAAAAAAAAAAAA&peer_id=-PL0001-abc%20def%3D%26%25%2B%00&port=6881\
                 &uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1&key=00000ABC";
    for (tracker, start) in [
        ("http://t.example/announce", "http://t.example/announce?"),
        ("http://t.example/announce?", "http://t.example/announce?"),
        ("http://t.example/a?pass=x", "http://t.example/a?pass=x&"),
        ("http://t.example/a?pass=x&", "http://t.example/a?pass=x&"),
        ("https://t.example/a#part", "https://t.example/a?"),
        ("https://t.example/a?b#c?d", "https://t.example/a?b&"),
    ] {
        assert_eq!(announce_url(tracker, &request()), format!("{start}{query}"));
    }
}

#[test]
fn only_what_is_known_is_said() {
    let plain = announce_url("http://t/announce", &request());
    for absent in ["event", "numwant", "trackerid", "&ip", "ipv6"] {
        assert!(!plain.contains(absent), "{absent}");
    }
    let full = AnnounceRequest {
        event: AnnounceEvent::Completed,
        num_want: Some(0),
        tracker_id: Some(b"a b\xff".to_vec()),
        ip: Some([192, 0, 2, 1].into()),
        ipv6: Some("2001:db8::1".parse().unwrap()),
        ..request()
    };
    let rest = "&event=completed&numwant=0&trackerid=a%20b%FF&ip=192.0.2.1&ipv6=2001%3Adb8%3A%3A1";
    assert_eq!(announce_url("http://t/announce", &full), plain + rest);
    for (event, word) in [
        (AnnounceEvent::Started, "&event=started"),
        (AnnounceEvent::Stopped, "&event=stopped"),
    ] {
        let request = AnnounceRequest { event, ..request() };
        assert!(announce_url("http://t/announce", &request).ends_with(word));
    }
}

#[test]
fn scrape_addresses_of_bep_48() {
    for (announce, scrape) in [
        ("http://t.example/announce", Some("http://t.example/scrape")),
        (
            "http://t.example/x/announce",
            Some("http://t.example/x/scrape"),
        ),
        (
            "http://t.example/announce.php",
            Some("http://t.example/scrape.php"),
        ),
        ("http://t.example/a", None),
        (
            "http://t.example/announce?x2%0644",
            Some("http://t.example/scrape?x2%0644"),
        ),
        ("http://t.example/announce?x=2/4", None),
        ("http://t.example/x%064announce", None),
        (
            "http://t.example/announce#x/y",
            Some("http://t.example/scrape"),
        ),
        ("", None),
    ] {
        assert_eq!(scrape_base(announce).as_deref(), scrape, "{announce}");
    }
    let torrents = [[b'a'; 20], [0; 20]].map(InfoHashV1::from_bytes);
    assert_eq!(
        scrape_url("http://t/announce?k=1", &torrents).unwrap(),
        format!(
            "http://t/scrape?k=1&info_hash={}&info_hash={}",
            "a".repeat(20),
            "%00".repeat(20)
        )
    );
    let many = vec![torrents[0]; 1000];
    let url = scrape_url("http://t/announce", &many).unwrap();
    assert_eq!(url.matches("info_hash").count(), MAX_SCRAPE);
}

#[test]
fn a_full_reply() {
    let bytes = b"d8:completei5e10:incompletei7e8:intervali900e12:min intervali300e\
                  5:peers18:\x7f\0\0\x01\x1a\xe1\x0a\0\0\x01\0\0\xc0\0\x02\x01\0\x50\
                  6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
                  10:tracker id3:abc15:warning message8:be\x07 nicee";
    let reply = read_announce(bytes).unwrap();
    assert_eq!(reply.interval, Duration::from_secs(900));
    assert_eq!(reply.min_interval, Duration::from_secs(300));
    let expected = ["127.0.0.1:6881", "[2001:db8::1]:6881", "192.0.2.1:80"];
    assert_eq!(strings(&reply.peers), expected, "none on port 0");
    assert_eq!((reply.seeds, reply.leeches), (Some(5), Some(7)));
    assert_eq!(reply.tracker_id.as_deref(), Some(&b"abc"[..]));
    assert_eq!(reply.warning.as_deref(), Some("be nice"));
}

#[test]
fn a_reply_in_the_long_form() {
    let bytes = b"d8:intervali60e5:peersl\
                  d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1ee\
                  d2:ip11:2001:db8::14:porti2ee\
                  d2:ip12:host.example4:porti3ee\
                  d2:ip9:127.0.0.24:porti65536ee\
                  d2:ip9:127.0.0.24:porti-1ee\
                  d2:ip9:127.0.0.14:porti1ee\
                  i5e0:dee6:peers6ld2:ip3:::14:porti4eeee";
    let reply = read_announce(bytes).unwrap();
    let expected = ["127.0.0.1:1", "[2001:db8::1]:2", "[::1]:4"];
    assert_eq!(strings(&reply.peers), expected);
    assert_eq!((reply.seeds, reply.leeches), (None, None));
}

#[test]
fn intervals_are_kept_within_bounds() {
    let day = 24 * 3600;
    for (text, interval, min) in [
        ("8:intervali0e", 60, 60),
        ("8:intervali-5e", 1800, 300),
        ("8:intervali99999999999999999999e", 1800, 300),
        ("8:intervali9223372036854775807e", day, 300),
        ("8:intervali120e", 120, 120),
        ("8:intervali120e12:min intervali900e", 900, 900),
        ("8:interval3:abc", 1800, 300),
        ("12:min intervali1e", 1800, 60),
        ("12:min intervali999999e", day, day),
    ] {
        let reply = read_announce(format!("d{text}5:peers0:e").as_bytes()).unwrap();
        let found = (reply.interval.as_secs(), reply.min_interval.as_secs());
        assert_eq!(found, (interval, min), "{text}");
    }
}

#[test]
fn refusals() {
    let read = |text: &str| read_announce(text.as_bytes()).unwrap_err();
    let no = "d14:failure reason2:no";
    assert_eq!(read(&format!("{no}e")), refused("no", None));
    assert_eq!(
        read(&format!("{no}8:retry ini5ee")),
        refused("no", Some(300))
    );
    assert_eq!(
        read(&format!("{no}8:retry ini0ee")),
        refused("no", Some(60))
    );
    let never = format!("{no}8:retry in5:nevere");
    assert_eq!(read(&never), refused("no", Some(24 * 3600)));
    let huge = format!("{no}8:retry ini9223372036854775807ee");
    assert_eq!(read(&huge), refused("no", Some(24 * 3600)));
    assert_eq!(read("d14:failure reasoni5ee"), refused("", None));
    let long = "ñ\u{1b}[31m".repeat(1000);
    let ReplyError::Refused { reason, .. } =
        read(&format!("d14:failure reason{}:{long}e", long.len()))
    else {
        panic!("not a refusal");
    };
    assert!(reason.chars().count() <= MAX_TEXT_CHARS && !reason.contains('\u{1b}'));
}

#[test]
fn nonsense_is_refused() {
    for bytes in [
        &b""[..],
        b"<html>",
        b"d8:interval",
        b"le",
        b"i5e",
        b"5:peers",
        b"de",
    ] {
        assert!(read_announce(bytes).is_err(), "{}", bytes.escape_ascii());
        assert!(read_scrape(bytes, &[]).is_err(), "{}", bytes.escape_ascii());
    }
    let long = vec![b'1'; MAX_REPLY_BYTES + 1];
    assert_eq!(read_announce(&long), Err(ReplyError::TooLong));
    let nested = [vec![b'l'; 1000], vec![b'e'; 1000]].concat();
    let deep = [b"d8:intervali5e1:x", &nested[..], b"e"].concat();
    assert!(matches!(read_announce(&deep), Err(ReplyError::Bencode(_))));
    // Odd bytes at the end of a list are left.
    let odd = read_announce(b"d5:peers8:\x7f\0\0\x01\x1a\xe1\x01\x02e").unwrap();
    assert_eq!(strings(&odd.peers), ["127.0.0.1:6881"]);
}

#[test]
fn no_more_peers_than_allowed_are_kept() {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for number in 1..=5000_u16 {
        let [high, low] = number.to_be_bytes();
        v4.extend_from_slice(&[10, 0, high, low, 0, 1]);
        v6.extend_from_slice(&[
            0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 1,
        ]);
    }
    let text = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
    let reply = [b"d5:peers", &text(&v4)[..], b"6:peers6", &text(&v6), b"e"].concat();
    let reply = read_announce(&reply).unwrap();
    assert_eq!(reply.peers.len(), MAX_REPLY_PEERS);
    let of_v6 = reply.peers.iter().filter(|peer| peer.is_ipv6()).count();
    assert_eq!(of_v6, MAX_REPLY_PEERS / 2, "neither crowds out the other");
}

#[test]
fn scrapes_are_read_in_the_order_asked() {
    let known = InfoHashV1::from_bytes([b'a'; 20]);
    let other = InfoHashV1::from_bytes([b'b'; 20]);
    let a = "a".repeat(20);
    let bytes = format!(
        "d5:filesd1:xi1e20:{a}d8:completei1e10:downloadedi2e10:incompletei99999999999ee\
         20:{a}d8:completei9eeee"
    );
    let found = read_scrape(bytes.as_bytes(), &[other, known, known]).unwrap();
    let stats = ScrapeStats {
        seeds: 1,
        downloads: 2,
        leeches: u32::MAX,
    };
    assert_eq!(found, [None, Some(stats), Some(stats)]);
    let refusal = read_scrape(b"d14:failure reason2:noe", &[known]);
    assert_eq!(refusal, Err(refused("no", None)));
    assert!(read_scrape(b"d5:filesi1ee", &[known]).is_err());
}

#[test]
fn addresses_that_are_asked() {
    for url in [
        "http://t/announce",
        "HTTPS://t/a",
        "udp://t:1",
        "Udp://[::1]:1/x",
    ] {
        assert!(is_usable(url), "{url}");
    }
    let long = format!("http://t/{}", "x".repeat(MAX_URL_BYTES));
    for url in [
        "",
        "t/announce",
        "wss://t/announce",
        "file:///x",
        "http:t",
        &long,
    ] {
        assert!(!is_usable(url), "{url}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_announce(&bytes);
        let _ = read_scrape(&bytes, &[InfoHashV1::from_bytes([0; 20])]);
    }

    #[test]
    fn replies_with_anything_in_them(
        seconds: i64,
        min: i64,
        seeds: i64,
        peers in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let head = format!(
            "d8:completei{seeds}e8:intervali{seconds}e12:min intervali{min}e5:peers{}:",
            peers.len()
        );
        let reply = read_announce(&[head.as_bytes(), &peers[..], b"e"].concat()).unwrap();
        prop_assert!(reply.min_interval >= MIN_INTERVAL && reply.interval <= MAX_INTERVAL);
        prop_assert!(reply.min_interval <= reply.interval);
        prop_assert_eq!(reply.seeds.is_some(), seeds >= 0);
    }
}
