//! Links, content addresses and names that lead nowhere.

use super::refused;
use crate::support::Scratch;
use potluck_content::{Address, Hash};

/// A CID of these bytes, in base32.
fn cid(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::from("b");
    for chunk in bytes.chunks(5) {
        let mut word = [0_u8; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let word = u64::from_be_bytes(word);
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            let letter = usize::try_from(word >> (35 - 5 * digit) & 31).unwrap();
            text.push(char::from(LETTERS[letter]));
        }
    }
    text
}

/// Version 1, a codec, a hash function, a length of the digest.
fn cid_of(codec: u8, function: u8, length: u8) -> String {
    let mut bytes = vec![1, codec, function, length];
    bytes.extend((0..length).map(|index| index ^ 0x5a));
    cid(&bytes)
}

/// A link, a part of the message. All are malformed: exit code 2.
fn malformed(good: &str) -> Vec<(String, &'static str)> {
    let plain = |text: &str, part| (text.to_owned(), part);
    let with = |query: &str, part| (format!("potluck:{good}?{query}"), part);
    vec![
        plain("", "the link is empty"),
        plain("  ", "the link is empty"),
        plain("hello", "not a link or content address"),
        plain("potluck:", "not a link or content address"),
        plain("potluck://", "not a link or content address"),
        plain("potluck:hello", "not a link or content address"),
        plain("potluck:?name=x", "not a link or content address"),
        plain("/etc/passwd", "is not a torrent"),
        plain("../..", "not a link or content address"),
        plain("bafk\u{0}", "not a link or content address"),
        plain("ба\u{444}к", "not a link or content address"),
        (
            good[..good.len() - 1].to_owned(),
            "not a link or content address",
        ),
        (format!("{good}a"), "not a link or content address"),
        (
            format!("{good}a").replace("bafk", "bafq"),
            "not a link or content address",
        ),
        (cid_of(0x55, 0x1e, 31), "not a link or content address"),
        (cid_of(0x55, 0x1e, 64), "not a link or content address"),
        (cid_of(0x55, 0x12, 32), "only BLAKE3 content addresses"),
        plain(
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
            "only BLAKE3 content addresses",
        ),
        (cid_of(0x70, 0x1e, 32), "unsupported content (codec 0x70)"),
        plain("magnet:?xt=urn:btih:c12fe1c0", "infohash is refused"),
        plain("magnet:?dn=name", "no BitTorrent infohash"),
        plain("ipns://example.com", "an IPNS name"),
        plain("file:///etc/passwd", "is not a torrent"),
        (
            format!("potluck:{good}/inner/file"),
            "a path within an address",
        ),
        (format!("ipfs://{good}/inner"), "a path within an address"),
        with("name=a%2Fb", "name is refused"),
        with("name=..", "name is refused"),
        with("name=", "name is refused"),
        with("name=CON", "name is refused"),
        with("name=a%0Ab", "name is refused"),
        with("name=%ff", "broken escape"),
        with("name=a&name=b", "'name' twice"),
        with("size=-1", "size is not a number"),
        with("size=1e9", "size is not a number"),
        with("size=99999999999999999999", "size is not a number"),
        with("size=", "size is not a number"),
        with("addr=nonsense", "is not a multiaddress"),
        with("addr=", "is not a multiaddress"),
        with("addr=/ip4/1.2.3.4/tcp/99999", "is not a multiaddress"),
        with(
            &"addr=/ip4/1.2.3.4/tcp/1&".repeat(33),
            "more than 32 of the field 'addr'",
        ),
        with(&"xt=urn:x:y&".repeat(33), "more than 32 of the field 'xt'"),
        with(&"a=b&".repeat(5000), "more than the limit of 16384"),
        (format!("potluck:{good}#not a key"), "key is refused"),
        (format!("potluck:{good}#c2VjcmV0"), "cannot decrypt"),
    ]
}

#[test]
fn malformed_links() {
    let scratch = Scratch::new("links");
    let node = scratch.node("node").start();
    let good = Address::blob(Hash::of(b"good")).to_string();
    let out = scratch.path("out");
    for (link, message) in malformed(&good) {
        let shown: String = link.chars().take(100).collect();
        if link.contains('\0') {
            continue;
        }
        refused(
            &shown,
            || node.run(["get", "-o"]).arg(&out).arg("--").arg(&link),
            2,
            message,
            "",
        );
    }
    assert!(!out.exists());
    // A node inside the command finds the same fault.
    let run = || scratch.run("alone", ["get", "hello", "-o"]).arg(&out);
    refused("without a daemon", run, 2, "not a link", "potluck:");
}

/// Things that are well said and not there: exit code 3.
#[test]
fn unknown_names() {
    let scratch = Scratch::new("unknown");
    let node = scratch.node("node").start();
    let cid = Address::blob(Hash::of(b"elsewhere")).to_string();
    let long = "x".repeat(5000);
    for command in ["rm", "pin", "unpin", "verify"] {
        for target in [
            "nothing",
            "",
            "\u{1b}[31mred",
            &cid,
            &long,
            &format!("potluck:{cid}"),
        ] {
            let case = format!("{command} {target:.20}");
            refused(
                &case,
                || node.run([command, target]),
                3,
                "holds nothing called",
                "potluck ls",
            );
        }
    }
}

/// Patterns and destinations: exit code 2.
#[test]
fn malformed_patterns() {
    let scratch = Scratch::new("patterns");
    let node = scratch.node("node").start();
    let cid = Address::folder(Hash::of(b"folder")).to_string();
    for pattern in ["[", "a{b", "[z-a]", "***["] {
        let run = || {
            node.run(["get", &cid, "--files", pattern, "-o"])
                .arg(scratch.path("out"))
        };
        refused(pattern, run, 2, "is not a pattern", "--files");
    }
}
