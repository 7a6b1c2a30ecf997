//! Peers of peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;

fn addr(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 6881).into()
}

fn v6(last: u16) -> SocketAddr {
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 6881).into()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The fields of BEP 11.
#[test]
fn messages_as_specified() {
    let mut payload = b"d5:added12:\xc0\0\x02\x01\x1a\xe1\xc0\0\x02\x02\x1a\xe1".to_vec();
    payload.extend(b"7:added.f2:\x12\x006:added618:");
    payload.extend(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1");
    payload.extend(b"8:added6.f1:\x0d7:dropped6:\xc0\0\x02\x03\x1a\xe18:dropped60:e");
    let seed = PexFlags {
        upload_only: true,
        reachable: true,
        ..PexFlags::default()
    };
    let other = PexFlags {
        prefers_encryption: true,
        utp: true,
        holepunch: true,
        ..PexFlags::default()
    };
    let peer = |addr, flags| PexPeer { addr, flags };
    let pex = Pex {
        added: vec![
            peer(addr(1), seed),
            peer(addr(2), PexFlags::default()),
            peer(v6(1), other),
        ],
        dropped: vec![addr(3)],
    };
    assert_eq!(Pex::decode(&payload), Ok(pex.clone()));
    assert_eq!(pex.encode(), payload);
    let decoded = Extended::decode(Extension::Pex.id(), &payload, None);
    assert_eq!(decoded, Ok(Extended::Pex(pex)));
}

#[test]
fn useless_peers_are_left_out() {
    // No port, no address, everybody, a group, one twice, and a rest.
    let mut payload =
        b"d5:added38:\x01\x01\x01\x01\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\0\x01".to_vec();
    payload.extend(b"\xe0\0\0\x01\0\x01\x05\x05\x05\x05\0\x01\x05\x05\x05\x05\0\x01ab");
    payload.extend(b"7:added.f5:\0\0\0\0\xff7:dropped6:\x05\x05\x05\x05\0\x01e");
    let pex = Pex::decode(&payload).unwrap();
    assert_eq!(pex.added.len(), 1);
    assert_eq!(pex.added[0].addr, ([5, 5, 5, 5], 1).into());
    assert!(pex.added[0].flags.reachable);
    assert_eq!(pex.dropped, []);
    assert_eq!(Pex::decode(b"d5:addedi1e7:added.fi1ee"), Ok(Pex::default()));
}

#[test]
fn messages_are_bounded() {
    let many: Vec<u8> = (1..=200).flat_map(|last| [10, 0, 0, last, 0, 1]).collect();
    let mut payload = b"d5:added1200:".to_vec();
    payload.extend(&many);
    payload.extend(b"6:added618:aaaaaaaaaaaaaaaaaa7:dropped1200:");
    payload.extend(many.iter().map(|byte| if *byte == 10 { 11 } else { *byte }));
    payload.push(b'e');
    let pex = Pex::decode(&payload).unwrap();
    assert_eq!(pex.added.len(), MAX_PEX_PEERS);
    assert_eq!(pex.dropped.len(), MAX_PEX_PEERS);
    let peer = |addr| PexPeer {
        addr,
        flags: PexFlags::default(),
    };
    let pex = Pex {
        added: (0..40)
            .flat_map(|n| [peer(addr(n)), peer(v6(n.into()))])
            .collect(),
        dropped: (0..200).map(addr).collect(),
    };
    let read = Pex::decode(&pex.encode()).unwrap();
    assert_eq!(read.added.len(), MAX_PEX_PEERS);
}

#[test]
fn only_changes_are_told_once_a_minute() {
    let flags = PexFlags::default();
    let mut sender = PexSender::default();
    let mut connected: BTreeMap<SocketAddr, PexFlags> = BTreeMap::new();
    assert_eq!(sender.poll(seconds(0), &connected), None);
    connected.extend((0..60).map(|last| (addr(last), flags)));
    let first = sender.poll(seconds(1), &connected).unwrap();
    assert_eq!((first.added.len(), first.dropped.len()), (50, 0));
    assert_eq!(sender.poll(seconds(60), &connected), None);
    assert_eq!(sender.poll_timeout(), seconds(61));
    // One of whom was told goes; one of whom was not told comes and goes unseen.
    connected.remove(&addr(0));
    connected.remove(&addr(59));
    let second = sender.poll(seconds(61), &connected).unwrap();
    let added: Vec<_> = second.added.iter().map(|peer| peer.addr).collect();
    assert_eq!(added, (50..59).map(addr).collect::<Vec<_>>());
    assert_eq!(second.dropped, [addr(0)]);
    assert_eq!(sender.poll(seconds(200), &connected), None);
}

#[test]
fn peers_that_tell_too_often_are_noticed() {
    let mut gate = PexGate::default();
    assert_eq!(gate.admit(seconds(5)), PexVerdict::Take);
    assert_eq!(gate.admit(seconds(6)), PexVerdict::Ignore);
    assert_eq!(gate.admit(seconds(56)), PexVerdict::Take);
    let flood: Vec<_> = (57..63).map(|now| gate.admit(seconds(now))).collect();
    assert_eq!(flood[..5], [PexVerdict::Ignore; 5]);
    assert_eq!(flood[5], PexVerdict::Abuse);
    assert_eq!(gate.admit(seconds(300)), PexVerdict::Take);
}
