//! Datagrams, against those that BEP 15 and 41 show.

use super::super::udp::*;
use super::super::{AnnounceEvent, AnnounceRequest, MAX_SCRAPE, ReplyError, ScrapeStats};
use super::{refused, request, strings};
use crate::InfoHashV1;
use proptest::prelude::*;
use std::time::Duration;

const CONNECTION: u64 = 0x0102_0304_0506_0708;
const TRANSACTION: u32 = 0x0a0b_0c0d;

fn answer(action: u32, body: &[u8]) -> Vec<u8> {
    [&action.to_be_bytes(), &TRANSACTION.to_be_bytes(), body].concat()
}

#[test]
fn connecting() {
    let question = connect(TRANSACTION);
    let expected = b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x0a\x0b\x0c\x0d";
    assert_eq!(&question, expected);
    let reply = answer(0, &CONNECTION.to_be_bytes());
    assert_eq!(read_connect(&reply, TRANSACTION), Ok(CONNECTION));
    let longer = [&reply[..], b"more"].concat();
    assert_eq!(read_connect(&longer, TRANSACTION), Ok(CONNECTION));
    assert_eq!(read_connect(&reply, 1), Err(ReplyError::Stray));
    assert_eq!(
        read_connect(&reply[..7], TRANSACTION),
        Err(ReplyError::Stray)
    );
    assert!(matches!(
        read_connect(&reply[..15], TRANSACTION),
        Err(ReplyError::Senseless(_))
    ));
}

#[test]
fn an_announce() {
    let request = AnnounceRequest {
        event: AnnounceEvent::Started,
        ip: Some([192, 0, 2, 9].into()),
        num_want: Some(50),
        ..request()
    };
    let question = announce(CONNECTION, TRANSACTION, &request, "");
    let mut expected = b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x01\x0a\x0b\x0c\x0d".to_vec();
    expected.extend_from_slice(request.infohash.as_bytes());
    expected.extend_from_slice(request.peer_id.as_bytes());
    expected.extend_from_slice(b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x01");
    expected.extend_from_slice(b"\0\0\0\x02\xc0\0\x02\x09\0\0\x0a\xbc\0\0\0\x32\x1a\xe1");
    assert_eq!(expected.len(), 98);
    assert_eq!(question, expected);
    let default = announce(CONNECTION, TRANSACTION, &super::request(), "/");
    assert_eq!(default.len(), 98, "an empty path says nothing");
    assert_eq!(&default[80..88], [0; 8], "no event, no address");
    assert_eq!(
        &default[92..96],
        [0xff; 4],
        "as many peers as the tracker likes"
    );
}

#[test]
fn the_path_follows_in_parts() {
    let rest = |path: &str| announce(CONNECTION, TRANSACTION, &request(), path).split_off(98);
    assert_eq!(rest("/dir?a=b&c=d"), b"\x02\x0c/dir?a=b&c=d");
    let long = "x".repeat(300);
    let parts = [b"\x02\xff", &[b'x'; 255][..], b"\x02\x2d", &[b'x'; 45]].concat();
    assert_eq!(rest(&long), parts);
    assert!(rest(&"x".repeat(MAX_URL_DATA + 1)).is_empty());
    assert_eq!(rest(&"x".repeat(MAX_URL_DATA)).len(), MAX_URL_DATA + 8);
}

#[test]
fn answers_to_an_announce() {
    let mut body = b"\0\0\x03\x84\0\0\0\x07\0\0\0\x05".to_vec();
    body.extend_from_slice(&[127, 0, 0, 1, 0x1a, 0xe1, 192, 0, 2, 1, 0, 80, 1, 2]);
    let reply = read_announce(&answer(1, &body), TRANSACTION, false).unwrap();
    assert_eq!(reply.interval, Duration::from_secs(900));
    assert_eq!((reply.seeds, reply.leeches), (Some(5), Some(7)));
    assert_eq!(strings(&reply.peers), ["127.0.0.1:6881", "192.0.2.1:80"]);
    let mut body = vec![0; 12];
    body.extend_from_slice(&[
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80,
    ]);
    let reply = read_announce(&answer(1, &body), TRANSACTION, true).unwrap();
    assert_eq!(strings(&reply.peers), ["[2001:db8::1]:80"]);
    assert_eq!(reply.interval, Duration::from_secs(60));
    let no = answer(3, b"not yours\0");
    assert_eq!(
        read_announce(&no, TRANSACTION, false),
        Err(refused("not yours", None))
    );
    assert!(matches!(
        read_announce(&answer(0, &body), TRANSACTION, false),
        Err(ReplyError::Senseless(_))
    ));
    assert!(read_announce(&answer(1, &body[..11]), TRANSACTION, false).is_err());
}

#[test]
fn a_scrape() {
    let torrents = [[1; 20], [2; 20]].map(InfoHashV1::from_bytes);
    let question = scrape(CONNECTION, TRANSACTION, &torrents);
    assert_eq!(&question[8..12], [0, 0, 0, 2]);
    assert_eq!(&question[16..], [[1; 20], [2; 20]].concat());
    let many = vec![torrents[0]; 1000];
    let question = scrape(CONNECTION, TRANSACTION, &many);
    assert_eq!(question.len(), 16 + 20 * MAX_SCRAPE);
    let body = [
        0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6,
    ];
    let stats = |seeds, downloads, leeches| ScrapeStats {
        seeds,
        downloads,
        leeches,
    };
    let reply = answer(2, &body);
    let found = read_scrape(&reply, TRANSACTION, 2).unwrap();
    assert_eq!(found, [stats(1, 2, 3), stats(4, 5, 6)]);
    assert!(read_scrape(&reply, TRANSACTION, 3).is_err());
    assert_eq!(read_scrape(&reply, 5, 2), Err(ReplyError::Stray));
}

proptest! {
    #[test]
    fn nothing_makes_a_reader_panic(
        action in 0_u32..5,
        body in proptest::collection::vec(any::<u8>(), 0..100),
        is_ipv6: bool,
        count in 0_usize..10,
    ) {
        let datagram = answer(action, &body);
        let _ = read_connect(&datagram, TRANSACTION);
        let _ = read_announce(&datagram, TRANSACTION, is_ipv6);
        let _ = read_scrape(&datagram, TRANSACTION, count);
        let _ = read_connect(&body, TRANSACTION);
    }
}
