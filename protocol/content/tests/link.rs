//! Links: what is written can be read, and what is read is bounded and safe.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use multiaddr::Multiaddr;
use potluck_content::{
    Address, Hash, Link, LinkError, LinkKey, LinkKeyError, MAX_LINK_BYTES, NameError,
};
use proptest::prelude::*;

const CID: &str = "bafkr4ifpcne3t5pzugtkaqcn5i3nzskjtpfslsnnyejlpte2spfoihzsmi";

fn parse(text: &str) -> Result<Link, LinkError> {
    text.parse()
}

fn address() -> Address {
    CID.parse().unwrap()
}

#[test]
fn full_link() {
    let addr: Multiaddr = "/ip4/192.0.2.7/udp/4001/quic-v1".parse().unwrap();
    let mut link = Link::new(address())
        .with_name("Lecture & notes.mp4")
        .with_size(1_234_567)
        .with_addrs([addr.clone(), addr]);
    link.xt.push("urn:btih:aa#bb".to_owned());
    link.key = Some("s3cret_-".parse::<LinkKey>().unwrap());
    let text = link.to_string();
    let expected = format!(
        "potluck:{CID}?name=Lecture%20%26%20notes.mp4&size=1234567\
         &addr=/ip4/192.0.2.7/udp/4001/quic-v1&addr=/ip4/192.0.2.7/udp/4001/quic-v1\
         &xt=urn:btih:aa%23bb#s3cret_-"
    );
    assert_eq!(text, expected);
    assert_eq!(parse(&text), Ok(link));
}

#[test]
fn bare_addresses() {
    let bare = Link::new(address());
    let texts = [
        CID.to_owned(),
        format!("  {CID}\n"),
        format!("potluck:{CID}"),
        format!("POTLUCK:{CID}"),
        format!("potluck://{CID}/"),
        format!("potluck:{CID}?#"),
        format!("potluck:{CID}?later=field&&x"),
        format!("ipfs://{CID}"),
        format!("ipfs://{CID}/"),
        format!("ipfs://{CID}?filename=x"),
        format!("/ipfs/{CID}"),
    ];
    for text in texts {
        assert_eq!(parse(&text), Ok(bare.clone()), "{text}");
    }
    assert_eq!(bare.to_string(), format!("potluck:{CID}"));
}

#[test]
fn says_what_it_can_not_follow() {
    let kind = |text: &str| match parse(text) {
        Err(LinkError::Unsupported { kind }) => kind,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(kind("magnet:?xt=urn:btih:0123"), "a magnet link");
    assert_eq!(kind("ipns://example.org"), "an IPNS name");
    assert_eq!(kind("https://example.org/x.torrent"), "a web address");
    assert_eq!(
        kind(&"0123456789abcdefABCD".repeat(2)),
        "a BitTorrent infohash"
    );
    let sha2 = LinkError::NotBlake3 { code: 0x12 };
    assert_eq!(
        parse("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"),
        Err(sha2.clone())
    );
    let v1 = "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    assert_eq!(parse(v1), Err(sha2));
    assert_eq!(parse(&format!("ipfs://{CID}/a/b")), Err(LinkError::Subpath));
    assert_eq!(parse(&format!("potluck:{CID}/a")), Err(LinkError::Subpath));
    let dag_pb = cid::Cid::new_v1(0x70, *address().cid().hash());
    assert_eq!(
        parse(&dag_pb.to_string()),
        Err(LinkError::UnsupportedCodec { codec: 0x70 })
    );
    for text in [
        "lecture.mp4",
        "potluck:",
        "potluck:?name=x",
        "a b c",
        "héllo",
        "ipfs://",
    ] {
        assert_eq!(parse(text), Err(LinkError::Syntax), "{text}");
    }
    assert_eq!(parse("  "), Err(LinkError::Empty));
}

#[test]
fn refuses_broken_and_hostile_fields() {
    let field = |field: &str| parse(&format!("potluck:{CID}?{field}")).unwrap_err();
    assert_eq!(
        field("name=..%2f..%2fetc"),
        LinkError::Name(NameError::Character { character: '/' })
    );
    assert_eq!(field("name=%2e%2e"), LinkError::Name(NameError::Dots));
    assert_eq!(field("name"), LinkError::Name(NameError::Empty));
    assert_eq!(
        field("name=%1b[2J"),
        LinkError::Name(NameError::Control {
            character: '\u{1b}'
        })
    );
    assert_eq!(field("name=%ff"), LinkError::Escape);
    assert_eq!(field("name=a&name=b"), LinkError::Twice { field: "name" });
    assert_eq!(field("size=1&size=1"), LinkError::Twice { field: "size" });
    for size in [
        "size=",
        "size=-1",
        "size=%2b1",
        "size=+1",
        "size=x",
        "size=18446744073709551616",
    ] {
        assert_eq!(field(size), LinkError::Size, "{size}");
    }
    assert!(matches!(field("addr=nonsense"), LinkError::Addr { .. }));
    assert!(matches!(field("addr="), LinkError::Addr { .. }));
    let many = |field: &str| vec![field; 33].join("&");
    assert_eq!(
        field(&many("addr=/ip4/1.2.3.4")),
        LinkError::TooMany {
            field: "addr",
            limit: 32
        }
    );
    assert_eq!(
        field(&many("xt=a")),
        LinkError::TooMany {
            field: "xt",
            limit: 32
        }
    );
    let key = |key: &str| parse(&format!("potluck:{CID}#{key}")).unwrap_err();
    assert_eq!(key("a b"), LinkError::Key(LinkKeyError::Character));
    assert_eq!(key(&"a".repeat(257)), LinkError::Key(LinkKeyError::Length));
    let bytes = MAX_LINK_BYTES + 1;
    assert_eq!(parse(&"a".repeat(bytes)), Err(LinkError::TooLong { bytes }));
}

#[test]
fn keys_are_not_shown() {
    let link = parse(&format!("potluck:{CID}#hidden")).unwrap();
    assert!(!format!("{link:?}").contains("hidden"));
    assert_eq!(link.key.unwrap().reveal(), "hidden");
}

#[test]
fn names_are_made_safe() {
    let link = Link::new(address()).with_name("../12:30.log\u{202e}");
    assert_eq!(link.name.as_deref(), Some(".._12_30.log_"));
    assert_eq!(parse(&link.to_string()), Ok(link));
}

fn any_addr() -> impl Strategy<Value = Multiaddr> {
    let ip = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| format!("/ip4/{ip}")),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("/ip6/{ip}")),
        "[a-z]{1,9}\\.example".prop_map(|name| format!("/dns/{name}")),
    ];
    let transport = prop_oneof![Just("/tcp/"), Just("/udp/")];
    (ip, transport, any::<u16>()).prop_map(|(ip, transport, port)| {
        let quic = if transport == "/udp/" { "/quic-v1" } else { "" };
        let peer = "/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
        format!("{ip}{transport}{port}{quic}{peer}")
            .parse()
            .unwrap()
    })
}

proptest! {
    #[test]
    fn round_trip(
        hash in any::<[u8; 32]>(), folder in any::<bool>(), name in proptest::option::of(any::<String>()),
        size in proptest::option::of(any::<u64>()), addrs in proptest::collection::vec(any_addr(), 0..5),
        xt in proptest::collection::vec(any::<String>(), 0..3), key in proptest::option::of("[A-Za-z0-9_-]{1,40}"),
    ) {
        let hash = Hash::from_bytes(hash);
        let address = if folder { Address::folder(hash) } else { Address::blob(hash) };
        let mut link = Link::new(address).with_addrs(addrs);
        if let Some(name) = name {
            link = link.with_name(&name);
        }
        link.size = size;
        link.xt = xt;
        link.key = key.map(|key| key.parse().unwrap());
        let text = link.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(parse(&text), Ok(link));
    }

    #[test]
    fn any_text_is_judged(text in any::<String>(), query in "[a-z=&%#?/0-9\\PC]{0,80}") {
        let _ = parse(&text);
        let _ = text.parse::<Address>();
        let _ = parse(&format!("potluck:{text}"));
        for start in ["potluck", "ipfs"] {
            if let Ok(link) = parse(&format!("{start}:{CID}?{query}")) {
                prop_assert_eq!(parse(&link.to_string()), Ok(link));
            }
        }
        for field in ["name", "addr", "xt", "size"] {
            let _ = parse(&format!("potluck:{CID}?{field}={query}"));
        }
    }
}
