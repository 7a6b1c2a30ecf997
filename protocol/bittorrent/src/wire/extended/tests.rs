//! Payloads byte by byte as the specifications have them, and whatever else may come.

mod fetch;
mod pex;
mod random;

use super::*;
use crate::MAX_INFO_BYTES;

fn handshake(payload: &[u8]) -> ExtendedHandshake {
    ExtendedHandshake::decode(payload).unwrap()
}

/// The example of BEP 10.
#[test]
fn handshake_as_specified() {
    let mut payload = b"d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e".to_vec();
    payload.extend("1:v13:µTorrent 1.2e".as_bytes());
    let found = handshake(&payload);
    assert_eq!(found.port, Some(6881));
    assert_eq!(found.client.as_deref(), Some("µTorrent 1.2"));
    assert!(found.messages.is_empty());
    let payload = b"d1:md11:ut_metadatai3ee13:metadata_sizei31235ee";
    let found = handshake(payload);
    assert_eq!(found.metadata_bytes, Some(31_235));
    assert_eq!(found.messages, [(Extension::Metadata, 3)].into());
    assert_eq!(found.encode(), payload);
}

#[test]
fn handshake_with_all_fields() {
    let ours = ExtendedHandshake {
        client: Some("Potluck 0.1".to_owned()),
        port: Some(6881),
        max_requests: Some(250),
        metadata_bytes: Some(1),
        your_ip: Some([192, 0, 2, 1].into()),
        ipv4: Some([192, 0, 2, 2].into()),
        ipv6: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        upload_only: Some(true),
        prefers_encryption: Some(false),
        ..ExtendedHandshake::taking(Extension::ALL)
    };
    let mut payload = b"d1:ei0e4:ipv44:\xc0\0\x02\x024:ipv616:".to_vec();
    payload.extend(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
    payload.extend(b"1:md11:lt_donthavei3e12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee");
    payload.extend(b"13:metadata_sizei1e1:pi6881e4:reqqi250e11:upload_onlyi1e");
    payload.extend(b"1:v11:Potluck 0.16:yourip4:\xc0\0\x02\x01e");
    assert_eq!(ours.encode(), payload);
    assert_eq!(handshake(&payload), ours);
    let decoded = Extended::decode(0, &payload, None);
    assert_eq!(decoded, Ok(Extended::Handshake(Box::new(ours))));
}

#[test]
fn broken_fields_are_left_out() {
    let found = handshake(
        b"d1:ei2e4:ipv416:aaaaaaaaaaaaaaaa4:ipv64:aaaa1:md6:ut_pexi256e11:ut_metadata1:2\
          12:ut_holepunchi-1ee13:metadata_sizei67108865e1:pi65536e4:reqqi-1e11:upload_only1:1\
          1:v5:a\x1b\x07\xffb6:yourip5:aaaaee and more",
    );
    let expected = ExtendedHandshake {
        client: Some("a\u{fffd}b".to_owned()),
        prefers_encryption: Some(true),
        ..ExtendedHandshake::default()
    };
    assert_eq!(found, expected);
    let found = handshake(b"d1:mi1e13:metadata_sizei0e1:pi0e1:v2:\n\ne");
    assert_eq!(found, ExtendedHandshake::default());
    let long = format!("d1:v5000:{}e", "é".repeat(2500));
    let client = handshake(long.as_bytes()).client.unwrap();
    assert_eq!(client, "é".repeat(MAX_CLIENT_CHARS));
}

#[test]
fn what_is_no_dictionary_is_refused() {
    let decode = ExtendedHandshake::decode;
    assert_eq!(decode(b"le"), Err(ExtendedError::NotDictionary));
    let end = Err(ExtendedError::Bencode(BencodeError::End));
    assert_eq!(decode(b""), end);
    let deep = ["d1:a", &"l".repeat(1000)].concat();
    assert!(decode(deep.as_bytes()).is_err());
    let many = format!("d1:al{}ee", "0:".repeat(1000));
    assert!(decode(many.as_bytes()).is_err());
    for id in [1, 2] {
        assert!(Extended::decode(id, b"i1e", None).is_err());
    }
}

#[test]
fn later_handshakes_change_what_they_name() {
    let mut peer = PeerExtensions::default();
    peer.apply(&handshake(
        b"d1:md11:ut_metadatai3e6:ut_pexi1e6:ut_pexi2eee",
    ));
    assert_eq!(peer.id_of(Extension::Metadata), Some(3));
    assert_eq!(peer.id_of(Extension::Pex), Some(1));
    peer.apply(&handshake(b"d1:md11:ut_metadatai0e11:lt_donthavei7eee"));
    assert_eq!(peer.id_of(Extension::Metadata), None);
    assert_eq!(peer.id_of(Extension::Pex), Some(1));
    assert_eq!(peer.id_of(Extension::DontHave), Some(7));
    assert_eq!(peer.id_of(Extension::Holepunch), None);
}

/// The examples of BEP 9, with the data that they leave out.
#[test]
fn metadata_as_specified() {
    let request = b"d8:msg_typei0e5:piecei0ee";
    let mut data = b"d8:msg_typei1e5:piecei0e10:total_sizei3425ee".to_vec();
    data.extend([b'x'; 3425]);
    let reject = b"d8:msg_typei2e5:piecei0ee";
    let sent = MetadataMessage::Data {
        piece: 0,
        total_bytes: 3425,
        data: &[b'x'; 3425],
    };
    for (payload, message) in [
        (&request[..], MetadataMessage::Request { piece: 0 }),
        (&data, sent),
        (reject, MetadataMessage::Reject { piece: 0 }),
    ] {
        assert_eq!(MetadataMessage::decode(payload), Ok(message));
        assert_eq!(message.encode().as_deref(), Some(payload));
        let extended = Extended::decode(Extension::Metadata.id(), payload, None).unwrap();
        assert_eq!(extended, Extended::Metadata(message));
        let encoded = (Some(Extension::Metadata), payload.to_vec());
        assert_eq!(extended.encode(), Some(encoded));
    }
    let later = MetadataMessage::decode(b"d8:msg_typei3e1:xi0ee");
    assert_eq!(later, Ok(MetadataMessage::Unknown));
    assert_eq!(MetadataMessage::Unknown.encode(), None);
}

#[test]
fn metadata_is_bounded() {
    let judge = |text: &str, data: usize| {
        let payload = [text.as_bytes(), &vec![0; data]].concat();
        MetadataMessage::decode(&payload).is_ok()
    };
    let data =
        |piece: u64, total: i64| format!("d8:msg_typei1e5:piecei{piece}e10:total_sizei{total}ee");
    let full = METADATA_PIECE_BYTES as usize;
    let largest = i64::try_from(MAX_INFO_BYTES).unwrap();
    assert!(judge(&data(0, 16_384), full) && judge(&data(1, 16_385), 1));
    assert!(judge(&data(4095, largest), full));
    for (text, bytes) in [
        (data(0, 16_385), full - 1),
        (data(0, 16_385), full + 1),
        (data(1, 16_384), 0),
        (data(0, 0), 0),
        (data(0, -1), full),
        (data(4096, largest), full),
        (data(0, largest + 1), full),
        (data(u64::MAX, 1), 1),
        ("d8:msg_typei1e5:piecei0ee".to_owned(), full),
        ("d8:msg_typei0ee".to_owned(), 0),
        ("d5:piecei0ee".to_owned(), 0),
        ("d8:msg_typei0e5:piecei4096ee".to_owned(), 0),
        ("d8:msg_typei-1e5:piecei0ee".to_owned(), 0),
    ] {
        assert!(!judge(&text, bytes), "{text} and {bytes} bytes");
    }
}

#[test]
fn metadata_is_answered_in_pieces() {
    let info = vec![7; 16_385];
    let answer = |piece| MetadataMessage::answer(&info, piece);
    let total_bytes = 16_385;
    let data = |piece, data| MetadataMessage::Data {
        piece,
        total_bytes,
        data,
    };
    assert_eq!(answer(0), data(0, &info[..16_384]));
    assert_eq!(answer(1), data(1, &[7]));
    assert_eq!(answer(2), MetadataMessage::Reject { piece: 2 });
    assert_eq!(
        answer(u32::MAX),
        MetadataMessage::Reject { piece: u32::MAX }
    );
}

/// BEP 54: nothing but the piece, in a frame as long as a message with one piece and one byte.
#[test]
fn lost_pieces() {
    let id = Extension::DontHave.id();
    let known = Geometry::new(3, 1).unwrap();
    let zeros = [0; 8];
    let decode = |payload| Extended::decode(id, payload, Some(&known));
    assert_eq!(decode(&[0, 0, 0, 2]), Ok(Extended::DontHave(2)));
    assert!(matches!(
        decode(&[0, 0, 0, 3]),
        Err(ExtendedError::Piece(_))
    ));
    for bytes in [0, 3, 5, 8] {
        assert_eq!(
            decode(&zeros[..bytes]),
            Err(ExtendedError::Length { bytes })
        );
    }
    let encoded = Extended::DontHave(258).encode();
    assert_eq!(encoded, Some((Some(Extension::DontHave), vec![0, 0, 1, 2])));
}

/// The layout of BEP 55.
#[test]
fn holepunch_as_specified() {
    let v4 = ([192, 0, 2, 7], 0x1ae1).into();
    let v6 = ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9], 0x1ae1).into();
    let v4_bytes = b"\xc0\0\x02\x07\x1a\xe1";
    let v6_bytes = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\x1a\xe1";
    for (kind, addr, bytes) in [
        (
            HolepunchKind::Rendezvous,
            v4,
            [&b"\0\0"[..], v4_bytes, b"\0\0\0\0"].concat(),
        ),
        (
            HolepunchKind::Connect,
            v6,
            [&b"\x01\x01"[..], v6_bytes, b"\0\0\0\0"].concat(),
        ),
        (
            HolepunchKind::Failed(HolepunchFailure::NoSelf),
            v4,
            [&b"\x02\0"[..], v4_bytes, b"\0\0\0\x04"].concat(),
        ),
        (
            HolepunchKind::Failed(HolepunchFailure::Other(9)),
            v6,
            [&b"\x02\x01"[..], v6_bytes, b"\0\0\0\x09"].concat(),
        ),
    ] {
        let message = Holepunch { kind, addr };
        assert_eq!(message.encode(), bytes);
        assert_eq!(Holepunch::decode(&bytes), Ok(message));
        // libtorrent sends a code only where something failed.
        let short = Holepunch::decode(&bytes[..bytes.len() - 4]);
        let needs_code = matches!(kind, HolepunchKind::Failed(_));
        assert_eq!(short.is_err(), needs_code);
        for bytes in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
            assert!(Holepunch::decode(bytes).is_err());
        }
    }
    assert!(Holepunch::decode(&[0, 2, 1, 1, 1, 1, 1, 1]).is_err());
    assert!(Holepunch::decode(&[3, 0, 1, 1, 1, 1, 1, 1]).is_err());
    for (code, failure) in [
        (1, HolepunchFailure::NoSuchPeer),
        (2, HolepunchFailure::NotConnected),
        (3, HolepunchFailure::NoSupport),
    ] {
        let found = Holepunch::decode(&[2, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, code]).unwrap();
        assert_eq!(found.kind, HolepunchKind::Failed(failure));
    }
}
