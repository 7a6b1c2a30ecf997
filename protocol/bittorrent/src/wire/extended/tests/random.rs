//! What is written is read the same; and whatever comes is judged.

use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn peer_addr() -> impl Strategy<Value = SocketAddr> {
    let v4 = (1..200_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| IpAddr::from([a, b, c, d]));
    let v6 = any::<[u16; 7]>()
        .prop_map(|[b, c, d, e, f, g, h]| IpAddr::from([0x2001, b, c, d, e, f, g, h]));
    (prop_oneof![v4, v6], 1..u16::MAX).prop_map(SocketAddr::from)
}

prop_compose! {
    fn any_handshake()(
        ids in vec(any::<u8>(), 0..5),
        client in proptest::option::of("[^\\pC]{1,20}"),
        port in proptest::option::of(1..u16::MAX),
        max_requests in proptest::option::of(0..u32::MAX),
        metadata_bytes in proptest::option::of(1..=1_u32 << 26),
        your_ip in proptest::option::of(any::<IpAddr>()),
        ipv4 in any::<Option<std::net::Ipv4Addr>>(),
        ipv6 in any::<Option<std::net::Ipv6Addr>>(),
        upload_only in any::<Option<bool>>(),
        prefers_encryption in any::<Option<bool>>(),
    ) -> ExtendedHandshake {
        ExtendedHandshake {
            messages: Extension::ALL.into_iter().zip(ids).collect(),
            client, port, max_requests, metadata_bytes, your_ip, ipv4, ipv6, upload_only, prefers_encryption,
        }
    }
}

prop_compose! {
    fn any_pex()(
        added in proptest::collection::btree_map(peer_addr(), any::<[bool; 5]>(), 0..MAX_PEX_PEERS),
        dropped in proptest::collection::btree_set(peer_addr(), 0..MAX_PEX_PEERS),
    ) -> Pex {
        let flags = |[prefers_encryption, upload_only, utp, holepunch, reachable]: [bool; 5]| PexFlags {
            prefers_encryption, upload_only, utp, holepunch, reachable,
        };
        let dropped = dropped.into_iter().filter(|addr| !added.contains_key(addr)).collect();
        let added = added.into_iter().map(|(addr, bits)| PexPeer { addr, flags: flags(bits) }).collect();
        Pex { added, dropped }
    }
}

fn bencode_like() -> impl Strategy<Value = Vec<u8>> {
    let keys = "(d|l|e|i[0-9]{0,8}e|[0-9]:|1:[mvpe]|5:added|7:added.f|6:added6|7:dropped|8:msg_type\
                |5:piece|10:total_size|13:metadata_size|6:yourip|4:ipv[46]|i[012]e|6:abcdef|[a-z]){0,12}";
    prop_oneof![
        keys.prop_map(|text| format!("d{text}").into_bytes()),
        vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #[test]
    fn handshakes_are_read(handshake in any_handshake()) {
        prop_assert_eq!(ExtendedHandshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn pex_is_read(pex in any_pex()) {
        prop_assert_eq!(Pex::decode(&pex.encode()), Ok(pex));
    }

    #[test]
    fn metadata_is_read(piece in 0..5_u32, info in vec(any::<u8>(), 0..40_000)) {
        let message = MetadataMessage::answer(&info, piece);
        let payload = message.encode().unwrap();
        prop_assert_eq!(MetadataMessage::decode(&payload), Ok(message));
    }

    #[test]
    fn holepunches_are_read(addr in peer_addr(), kind in 0..3, code in any::<u32>()) {
        let kind = match kind {
            0 => HolepunchKind::Rendezvous,
            1 => HolepunchKind::Connect,
            _ => HolepunchKind::Failed(if code == 0 { HolepunchFailure::NoSelf } else { HolepunchFailure::Other(code.max(5)) }),
        };
        let message = Holepunch { kind, addr };
        prop_assert_eq!(Holepunch::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_payload_is_judged(id in 0..6_u8, payload in bencode_like()) {
        if let Ok(message) = Extended::decode(id, &payload, None)
            && let Some((extension, payload)) = message.encode()
        {
            prop_assert_eq!(extension.map_or(0, Extension::id), id);
            prop_assert_eq!(Extended::decode(id, &payload, None), Ok(message));
        }
    }
}
