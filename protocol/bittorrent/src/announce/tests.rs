use std::time::Duration;

use super::*;

fn announce(event: AnnounceEvent) -> Announce {
    let mut hash = [0x41; 20];
    hash[0] = 0x12;
    hash[1] = b'&';
    Announce {
        infohash: InfoHashV1::from_bytes(hash),
        peer: PeerId::from_bytes(*b"-PL0010-abcdefghijkl"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event,
        key: 0xabc,
        want: 50,
    }
}

#[test]
fn the_query_follows_whatever_the_address_has() {
    let end = "info_hash=%12%26AAAAAAAAAAAAAAAAAA&peer_id=-PL0010-abcdefghijkl&port=6881&uploaded=1\
               &downloaded=2&left=3&compact=1&no_peer_id=1&numwant=50&key=00000abc";
    for (tracker, start) in [
        ("http://t.example/announce", "http://t.example/announce?"),
        ("http://t.example/a?id=7", "http://t.example/a?id=7&"),
        ("http://t.example/a?", "http://t.example/a?"),
        ("http://t.example/a#x", "http://t.example/a?"),
    ] {
        let url = announce_url(tracker, &announce(AnnounceEvent::Regular));
        assert_eq!(url, format!("{start}{end}"));
    }
    let url = announce_url("http://t.example/a", &announce(AnnounceEvent::Completed));
    assert!(url.ends_with("&event=completed"), "{url}");
}

#[test]
fn answers_of_all_forms_are_read() {
    let compact = b"d8:intervali900e5:peers12:\x7f\0\0\x01\x1a\xe1\x0a\0\0\x01\0\x006:peers618:\
                    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1e";
    let answer = read_announce(compact).unwrap();
    assert_eq!(answer.interval, Duration::from_secs(900));
    let peers: Vec<String> = answer.peers.iter().map(ToString::to_string).collect();
    assert_eq!(
        peers,
        ["127.0.0.1:6881", "[::1]:6881"],
        "port 0 is left out"
    );
    let long = b"d5:peersld2:ip9:127.0.0.14:porti80eed2:ip4:host4:porti80eeee";
    let answer = read_announce(long).unwrap();
    assert_eq!(answer.peers.len(), 1);
    assert_eq!(answer.interval, Duration::from_secs(1800));
    let warned = b"d8:intervali1e15:warning message3:old5:peers0:e";
    let answer = read_announce(warned).unwrap();
    assert_eq!(answer.warning.as_deref(), Some("old"));
    assert_eq!(answer.interval, Duration::from_secs(60), "not more often");
}

#[test]
fn refusals_and_nonsense_are_told_apart() {
    let refused = read_announce(b"d14:failure reason8:go\x1b away8:intervali1ee");
    assert_eq!(
        refused,
        Err(AnswerError::Refused("go away".to_owned())),
        "without what controls a terminal"
    );
    for bytes in [&b""[..], b"le", b"<html>", b"d5:peers", b"i7e"] {
        assert_eq!(read_announce(bytes), Err(AnswerError::Broken));
    }
    assert_eq!(
        read_announce(&vec![b'd'; MAX_ANSWER_BYTES + 1]),
        Err(AnswerError::Broken)
    );
    let many = [b"d5:peers60000:".to_vec(), vec![1; 60_000], b"e".to_vec()].concat();
    assert_eq!(
        read_announce(&many).unwrap().peers.len(),
        MAX_ANNOUNCED_PEERS
    );
}

/// The bytes of the examples in BEP 15, put together by hand.
#[test]
fn datagrams_are_those_of_the_specification() {
    let connect = udp_connect(0x0102_0304);
    assert_eq!(
        connect,
        *b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x01\x02\x03\x04"
    );
    let answer = b"\0\0\0\0\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18";
    assert_eq!(
        udp_read_connect(answer, 0x0102_0304),
        Ok(0x1112_1314_1516_1718)
    );
    assert_eq!(udp_read_connect(answer, 1), Err(UdpError::Other));
    assert_eq!(
        udp_read_connect(&answer[..12], 0x0102_0304),
        Err(UdpError::Broken)
    );
    let bytes = udp_announce(7, 8, &announce(AnnounceEvent::Started), "");
    assert_eq!(bytes.len(), 98);
    assert_eq!(bytes[..16], *b"\0\0\0\0\0\0\0\x07\0\0\0\x01\0\0\0\x08");
    assert_eq!(
        bytes[56..84],
        *b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x01\0\0\0\x02"
    );
    assert_eq!(bytes[88..], *b"\0\0\x0a\xbc\0\0\0\x32\x1a\xe1");
    let with_path = udp_announce(7, 8, &announce(AnnounceEvent::Started), "/a?b");
    assert_eq!(with_path[98..], *b"\x02\x04/a?b\0");
    let answer = b"\0\0\0\x01\0\0\0\x08\0\0\x07\x08\0\0\0\x01\0\0\0\x02\x7f\0\0\x01\x1a\xe1\x05";
    let read = udp_read_announce(answer, 8, false).unwrap();
    assert_eq!(read.peers, ["127.0.0.1:6881".parse().unwrap()]);
    assert_eq!(read.interval, Duration::from_secs(1800));
    let refused = udp_read_announce(b"\0\0\0\x03\0\0\0\x08no", 8, false);
    assert_eq!(refused, Err(UdpError::Refused("no".to_owned())));
}

fn tiers(tiers: &[&[&str]]) -> Vec<Vec<String>> {
    let tier = |urls: &&[&str]| urls.iter().map(|url| (*url).to_owned()).collect();
    tiers.iter().map(tier).collect()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn each_tier_is_asked_and_a_failed_tracker_is_followed_by_its_neighbour() {
    let mut all = Announcer::default();
    let given = tiers(&[
        &["http://a", "http://b"],
        &["udp://c"],
        &["ftp://x", "http://a"],
    ]);
    all.add(seconds(0), &given, 1);
    assert_eq!(all.trackers().len(), 3, "no ftp, and nobody twice");
    let first = all.poll(seconds(0)).unwrap();
    let second = all.poll(seconds(0)).unwrap();
    assert_eq!(all.poll(seconds(0)), None);
    assert_eq!(second.url, "udp://c");
    assert_eq!(first.event, AnnounceEvent::Started);
    all.failed(seconds(1), first.tracker, "no".to_owned());
    let next = all.poll(seconds(1)).unwrap();
    assert_ne!(next.url, first.url);
    let answer = Announced {
        interval: seconds(600),
        ..Announced::default()
    };
    all.answered(seconds(2), next.tracker, &answer);
    all.answered(seconds(2), second.tracker, &answer);
    assert_eq!(
        all.poll(seconds(300)),
        None,
        "the tier has one that answers"
    );
    assert_eq!(all.poll_timeout(), Some(seconds(602)));
    let again = all.poll(seconds(602)).unwrap();
    assert_eq!(again.event, AnnounceEvent::Regular);
}

#[test]
fn failures_are_retried_ever_later_and_wants_sooner() {
    let mut all = Announcer::default();
    all.add(seconds(0), &tiers(&[&["http://a"]]), 1);
    let mut now = seconds(0);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let due = all.poll(now).unwrap();
        all.failed(now, due.tracker, "no".to_owned());
        let next = all.poll_timeout().unwrap();
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
    let due = all.poll(now).unwrap();
    let answer = Announced {
        interval: seconds(1800),
        ..Announced::default()
    };
    all.answered(now, due.tracker, &answer);
    assert_eq!(all.poll_timeout(), Some(now + seconds(1800)));
    all.set_wanting(true);
    assert_eq!(all.poll_timeout(), Some(now + WANTED));
}

const WANTED: Duration = Duration::from_secs(90);

#[test]
fn those_who_know_this_node_are_told_of_the_end() {
    let mut all = Announcer::default();
    all.add(seconds(0), &tiers(&[&["http://a"], &["http://b"]]), 1);
    let first = all.poll(seconds(0)).unwrap();
    let answer = Announced {
        interval: seconds(600),
        ..Announced::default()
    };
    all.answered(seconds(0), first.tracker, &answer);
    all.completed();
    all.completed();
    let told = all.poll(seconds(1)).unwrap();
    assert_eq!(
        (told.tracker, told.event),
        (first.tracker, AnnounceEvent::Completed)
    );
    all.answered(seconds(1), told.tracker, &answer);
    let farewells = all.farewells();
    assert_eq!(farewells.len(), 1);
    assert_eq!(farewells[0].event, AnnounceEvent::Stopped);
}
