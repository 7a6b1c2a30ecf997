use super::*;
use crate::wire::extended::{Pex, PexFlags, PexPeer};

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn party(address: &str, listens: Option<&str>, is_utp: bool) -> Party {
    Party {
        address: at(address),
        is_utp,
        listens: listens.map(at),
        takes: true,
    }
}

fn why(wanted: &str, parties: &[(u8, Party)]) -> HolepunchFailure {
    let asker = party("203.0.113.1:5000", Some("203.0.113.1:6000"), true);
    let own = Some(at("203.0.113.9:9000"));
    let failed = meet(at(wanted), &asker, own, parties.iter().copied()).unwrap_err();
    assert_eq!(failed.addr, at(wanted));
    match failed.kind {
        HolepunchKind::Failed(failure) => failure,
        kind => panic!("{kind:?}"),
    }
}

#[test]
fn both_are_told_where_the_other_is_reached() {
    let asker = party("203.0.113.1:5000", Some("203.0.113.1:6000"), true);
    let over_utp = party("203.0.113.2:7001", Some("203.0.113.2:7000"), true);
    let over_tcp = party("203.0.113.3:40000", Some("203.0.113.3:8000"), false);
    let all = [(2, over_utp), (3, over_tcp)];
    let connect = |text| Holepunch {
        kind: HolepunchKind::Connect,
        addr: at(text),
    };
    for (wanted, other, there) in [
        ("203.0.113.2:7000", 2, "203.0.113.2:7001"),
        ("203.0.113.2:7001", 2, "203.0.113.2:7001"),
        ("203.0.113.3:8000", 3, "203.0.113.3:8000"),
        ("203.0.113.3:40000", 3, "203.0.113.3:8000"),
    ] {
        let meeting = meet(at(wanted), &asker, None, all.iter().copied()).unwrap();
        assert_eq!(meeting.other, other);
        assert_eq!(meeting.to_asker, connect(there));
        assert_eq!(meeting.to_other, connect("203.0.113.1:5000"));
    }
}

#[test]
fn who_asks_in_vain_is_told_why() {
    let deaf = Party {
        takes: false,
        ..party("203.0.113.2:7001", None, true)
    };
    let hidden = party("203.0.113.3:40000", None, false);
    let six = party("[2001:db8::1]:7", None, true);
    let all = [(2, deaf), (3, hidden), (4, six)];
    assert_eq!(why("203.0.113.2:7001", &all), HolepunchFailure::NoSupport);
    assert_eq!(why("203.0.113.3:40000", &all), HolepunchFailure::NoSuchPeer);
    assert_eq!(why("[2001:db8::1]:7", &all), HolepunchFailure::NoSuchPeer);
    assert_eq!(why("203.0.113.4:1", &all), HolepunchFailure::NotConnected);
    assert_eq!(why("203.0.113.9:9000", &all), HolepunchFailure::NoSelf);
    assert_eq!(why("203.0.113.1:6000", &all), HolepunchFailure::NoSuchPeer);
    assert_eq!(why("224.0.0.1:6000", &all), HolepunchFailure::NoSuchPeer);
    assert_eq!(why("203.0.113.4:0", &all), HolepunchFailure::NoSuchPeer);
}

#[test]
fn nobody_is_sent_where_no_peer_is() {
    let by = |text: &str| text.parse::<IpAddr>().unwrap();
    for (address, relay, is_worth) in [
        ("203.0.113.2:7000", "198.51.100.1", true),
        ("203.0.113.2:53", "198.51.100.1", false),
        ("192.168.1.1:7000", "198.51.100.1", false),
        ("192.168.1.7:7000", "192.168.1.9", true),
        ("192.168.1.7:7000", "::ffff:192.168.1.9", true),
        ("203.0.113.2:7000", "192.168.1.9", true),
        ("127.0.0.1:7000", "192.168.1.9", false),
        ("127.0.0.1:7000", "127.0.0.1", true),
        ("[fe80::1]:7000", "2001:db8::1", false),
        ("[2001:db8::2]:7000", "2001:db8::1", true),
        ("239.1.1.1:7000", "198.51.100.1", false),
        ("0.0.0.0:7000", "198.51.100.1", false),
    ] {
        assert_eq!(
            is_worth_trying(at(address), by(relay)),
            is_worth,
            "{address} by {relay}"
        );
    }
}

#[test]
fn nobody_asks_all_the_time() {
    let mut gate = PunchGate::default();
    let admitted = |gate: &mut PunchGate, now, tries: u32| {
        (0..tries).filter(|_| gate.admit(seconds(now))).count()
    };
    assert_eq!(admitted(&mut gate, 100, 20), 8);
    assert_eq!(admitted(&mut gate, 105, 20), 0);
    assert_eq!(admitted(&mut gate, 106, 20), 1);
    assert_eq!(admitted(&mut gate, 118, 20), 2);
    assert_eq!(admitted(&mut gate, 100_000, 20), 8);
    // Whoever asks every six seconds is always heard.
    let mut gate = PunchGate::default();
    assert!((0..100).all(|turn| gate.admit(seconds(turn * 6))));
}

fn pex(added: &[&str], dropped: &[&str], flags: PexFlags) -> Pex {
    let added = added.iter().map(|text| PexPeer {
        addr: at(text),
        flags,
    });
    Pex {
        added: added.collect(),
        dropped: dropped.iter().map(|text| at(text)).collect(),
    }
}

#[test]
fn who_told_of_a_peer_is_asked_each_in_turn() {
    let mut all = Introductions::default();
    let hidden = PexFlags {
        holepunch: true,
        ..PexFlags::default()
    };
    let open = PexFlags {
        reachable: true,
        ..hidden
    };
    let (one, two) = ("203.0.113.2:7000", "203.0.113.3:7000");
    all.told(1, &pex(&[one, two], &[], hidden));
    all.told(2, &pex(&[one], &[], hidden));
    assert!(all.needs_help(&at(one)));
    assert!(!all.needs_help(&at("203.0.113.4:1")));
    assert_eq!(all.ask(seconds(0), &at("203.0.113.4:1")), None);
    assert_eq!(all.ask(seconds(0), &at(one)), Some(1));
    assert_eq!(all.ask(seconds(59), &at(one)), None);
    assert_eq!(all.ask(seconds(60), &at(one)), Some(2));
    assert_eq!(all.ask(seconds(120), &at(one)), Some(1));
    all.gone(1);
    assert_eq!(all.ask(seconds(180), &at(one)), Some(2));
    assert_eq!(all.ask(seconds(180), &at(two)), None, "who knew it is gone");
    all.told(2, &pex(&[], &[one], hidden));
    assert_eq!(all.ask(seconds(300), &at(one)), None);
    all.told(2, &pex(&[one], &[], open));
    assert!(!all.needs_help(&at(one)));
}

#[test]
fn what_is_told_is_bounded() {
    let mut all = Introductions::default();
    let flags = PexFlags::default();
    for turn in 0..100_u16 {
        let texts: Vec<String> = (1..=50)
            .map(|port| format!("203.0.113.2:{}", turn * 50 + port))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        all.told(turn % 20, &pex(&texts, &[], flags));
    }
    let asked = (1..=5000).filter(|port| {
        let place = at(&format!("203.0.113.2:{port}"));
        all.ask(seconds(1), &place).is_some()
    });
    assert_eq!(asked.count(), 20);
    let known = (1..=5000_u64).filter(|port| {
        let place = at(&format!("203.0.113.2:{port}"));
        all.ask(seconds(*port * 100), &place).is_some()
    });
    assert_eq!(known.count(), 500);
}
