//! Links and addresses, as pasted by people.

use potluck_content::{Address, Link, MAX_LINK_BYTES};

use crate::seeds::{blob, folder, seed};

/// A link that reads is printed to a link that reads the same; so is an address.
pub fn link(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(link) = text.parse::<Link>() {
        let printed = link.to_string();
        // Escapes make a link longer, sometimes past the limit.
        if printed.len() <= MAX_LINK_BYTES {
            assert_eq!(printed.parse(), Ok(link), "printed as {printed}");
        }
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!(Address::from_cid(&address.cid()), Ok(address));
    }
}

/// Links of each kind that is told apart, whether it can be followed or not.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let file = blob("hello");
    let tree = folder().map_or(file, |folder| folder.address());
    let peer = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5";
    let addrs = [
        format!("/ip4/192.0.2.7/tcp/4771/p2p/{peer}"),
        format!("/ip6/2001:db8::1/udp/4771/quic-v1/p2p/{peer}"),
        format!("/dns/example.org/tcp/4771/p2p/{peer}/p2p-circuit"),
    ];
    let full = Link::new(file)
        .with_name("día 🎉 & more?.mp4")
        .with_size(1 << 40)
        .with_addrs(addrs.iter().filter_map(|addr| addr.parse().ok()));
    let mut keyed = Link::new(tree);
    keyed.key = "aGVsbG8-_0".parse().ok();
    keyed.xt = vec!["urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a".to_owned()];
    vec![
        seed("bare-file", file.to_string()),
        seed("bare-folder", tree.to_string()),
        seed("ipfs", format!("ipfs://{tree}")),
        seed("plain", Link::new(file).to_string()),
        seed("full", full.to_string()),
        seed("keyed", keyed.to_string()),
        seed(
            "loose",
            format!("  POTLUCK:{file}?name=a+b&unknown=%41&size=0007&size=\n"),
        ),
        seed(
            "magnet",
            "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=x",
        ),
        seed(
            "sha2",
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        ),
        seed("cid-v0", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"),
        seed("subpath", format!("ipfs://{tree}/images/2024")),
    ]
}
