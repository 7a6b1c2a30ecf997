use proptest::prelude::*;

use super::*;
use crate::{InfoHashV1, InfoHashV2};

const V1: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn parse(text: &str) -> Result<Magnet, MagnetError> {
    text.parse()
}

#[test]
fn reads_all_fields() {
    let magnet = parse(&format!(
        "magnet:?xt=urn:btih:{V1}&xt.1=urn:btmh:1220{V2}&dn=Some%20name+here&xl=10826029\
         &tr=udp%3A%2F%2Ftracker.example%3A6969%2Fannounce&tr.1=http://b.example/a%3Fx=1&ws=http://c.example/f\
         &x.pe=192.0.2.7:6881&x.pe=%5B2001:db8::1%5D:6882&x.pe=Peer.example:1&so=0,2,4,6-8&as=ignored&x=&y"
    ))
    .unwrap();
    assert_eq!(magnet.hashes.v1, Some(V1.parse().unwrap()));
    assert_eq!(magnet.hashes.v2, Some(V2.parse().unwrap()));
    assert_eq!(magnet.name.as_deref(), Some("Some name here"));
    assert_eq!(magnet.size, Some(10_826_029));
    assert_eq!(
        magnet.trackers,
        [
            "udp://tracker.example:6969/announce",
            "http://b.example/a?x=1"
        ]
    );
    assert_eq!(magnet.web_seeds, ["http://c.example/f"]);
    let peers: Vec<String> = magnet.peers.iter().map(ToString::to_string).collect();
    assert_eq!(
        peers,
        ["192.0.2.7:6881", "[2001:db8::1]:6882", "peer.example:1"]
    );
    assert_eq!(
        (magnet.peers[1].host(), magnet.peers[1].port()),
        ("2001:db8::1", 6882)
    );
    assert_eq!(magnet.select, [0..=0, 2..=2, 4..=4, 6..=8]);
    assert!(magnet.wants(7) && !magnet.wants(5));
    assert_eq!(parse(&magnet.to_string()), Ok(magnet));
}

/// The same infohash as written by libtorrent in base 32.
#[test]
fn reads_both_encodings() {
    let magnet = parse(&format!("magnet:?xt=urn:btih:{V1}")).unwrap();
    for text in [
        "magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK",
        "magnet:?xt=urn:btih:yex6dqdlxisuvhoj6um3gnnkpqjwpkek",
        "MAGNET:?dn=&xt=URN%3Abtih%3AC12FE1C06BBA254A9DC9F519B335AA7C1367A88A",
    ] {
        assert_eq!(parse(text).unwrap(), magnet, "{text}");
    }
    assert!(magnet.wants(0));
}

#[test]
fn refuses_what_leads_nowhere() {
    let other = V1.replace('c', "d");
    for (text, error) in [
        (String::new(), MagnetError::Syntax),
        ("magnet:".to_owned(), MagnetError::Syntax),
        ("http://x/?xt=urn:btih:".to_owned(), MagnetError::Syntax),
        ("magnet:?".to_owned(), MagnetError::NoInfoHash),
        (
            "magnet:?dn=a&xt=urn:sha1:ABC".to_owned(),
            MagnetError::NoInfoHash,
        ),
        (
            format!("magnet:?xt=urn:btih:{}", &V1[1..]),
            MagnetError::InfoHash(InfoHashError::Length(39)),
        ),
        (
            "magnet:?xt=urn:btih:ääääääääääääääääääää".to_owned(),
            MagnetError::InfoHash(InfoHashError::Digit),
        ),
        (
            format!("magnet:?xt=urn:btih:{}", V1.replace('c', "g")),
            MagnetError::InfoHash(InfoHashError::Digit),
        ),
        (
            "magnet:?xt=urn:btih:0EX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK".to_owned(),
            MagnetError::InfoHash(InfoHashError::Digit),
        ),
        (
            format!("magnet:?xt=urn:btmh:1114{V1}"),
            MagnetError::Multihash,
        ),
        (
            format!("magnet:?xt=urn:btmh:1220{V1}"),
            MagnetError::InfoHash(InfoHashError::Length(40)),
        ),
        (
            format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{other}"),
            MagnetError::Twice,
        ),
        ("magnet:?xt=%ff".to_owned(), MagnetError::Syntax),
    ] {
        assert_eq!(parse(&text), Err(error), "{text}");
    }
    let bytes = MAX_MAGNET_BYTES + 1;
    assert_eq!(
        parse(&"m".repeat(bytes)),
        Err(MagnetError::TooLong { bytes })
    );
}

#[test]
fn leaves_out_broken_hints() {
    let magnet = parse(&format!(
        "magnet:?xt=urn:btih:{V1}&xt=urn:btih:{V1}&xl=-1&xl=99999999999999999999&xl=5&xl=6&dn=%ff&dn=x&dn=y&tr=&tr=%20\
         &tr=a&tr=a&x.pe=a&x.pe=:1&x.pe=a:0&x.pe=a:65536&x.pe=a:+1&x.pe=[::1:1&x.pe=[a]:1&x.pe=a/b:1&x.pe=::1:1\
         &so=-1,2-,-,3-2,x,99999999999,1-x,,7&so=+1"
    ))
    .unwrap();
    assert_eq!((magnet.name.as_deref(), magnet.size), (Some("x"), Some(5)));
    assert_eq!(magnet.trackers, ["a"]);
    assert_eq!(magnet.peers, []);
    assert_eq!(magnet.select, [7..=7]);
    let long = "b".repeat(MAX_URL_BYTES + 1);
    let magnet = parse(&format!("magnet:?xt=urn:btih:{V1}&tr={long}")).unwrap();
    assert!(magnet.trackers.is_empty());
    let many: String = (0..5_000).map(|at| format!("&so={at}")).collect();
    let magnet = parse(&format!("magnet:?xt=urn:btih:{V1}{many}")).unwrap();
    assert_eq!(magnet.select.len(), MAX_MAGNET_LIST);
}

use crate::MAX_URL_BYTES;

proptest! {
    #[test]
    fn what_is_printed_is_read(
        v1 in any::<Option<[u8; 20]>>(),
        v2 in any::<[u8; 32]>(),
        name in "\\PC{1,20}",
        size in any::<Option<u64>>(),
        url in "[!-~é]{1,40}",
        port in 1..u16::MAX,
        select in proptest::collection::vec((any::<u32>(), 0..9_u32), 0..4),
    ) {
        let mut magnet = Magnet::new(InfoHashes {
            v1: v1.map(InfoHashV1::from_bytes),
            v2: Some(InfoHashV2::from_bytes(v2)),
        });
        magnet.name = Some(name);
        magnet.size = size;
        magnet.trackers = vec![url.clone()];
        magnet.web_seeds = vec![url];
        magnet.peers = vec![format!("[::1]:{port}").parse().unwrap()];
        for (first, more) in select {
            let range = first..=first.saturating_add(more);
            if !magnet.select.contains(&range) {
                magnet.select.push(range);
            }
        }
        prop_assert_eq!(parse(&magnet.to_string()), Ok(magnet));
    }

    #[test]
    fn any_text_is_judged(text in "(magnet:\\?)?((xt|tr|x.pe|so|dn|xl)(.1)?=\\PC{0,10}&?){0,5}(xt=urn:bt[im]h:[0-9a-f]{40})?") {
        if let Ok(magnet) = parse(&text) {
            prop_assert_eq!(parse(&magnet.to_string()), Ok(magnet));
        }
    }
}
