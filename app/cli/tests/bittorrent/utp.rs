//! Over uTP alone.

use crate::support::{Scratch, assert_same_tree};
use crate::{seed, settle};

const UTP_ALONE: (&str, &str) = ("bittorrent.tcp", "false");
const TCP_ALONE: (&str, &str) = ("bittorrent.utp", "false");

/// Fetches from a seed, both with uTP alone.
fn fetch(encryption: &str) {
    let scratch = Scratch::new("torrent_utp");
    let settings = [UTP_ALONE, ("bittorrent.encryption", encryption)];
    let seed = seed(&scratch, "hybrid", &settings);
    settle(&scratch, "taker", &settings);
    let out = scratch.path("out");
    let run = scratch.run("taker", ["get", &seed.link(), "--timeout", "20", "-o"]);
    let done = run.arg(&out).json().ok().last("done");
    assert_same_tree(&seed.folder, &out);
    assert_eq!(done["wasted_bytes"], 0, "{encryption}: {done}");
}

#[test]
fn plain() {
    fetch("off");
}

#[test]
fn encrypted() {
    fetch("require");
}

/// That nothing goes by another way is what makes the others a proof.
#[test]
fn who_has_utp_alone_is_not_there_for_who_has_tcp_alone() {
    let scratch = Scratch::new("torrent_utp_alone");
    let seed = seed(&scratch, "v1", &[UTP_ALONE]);
    settle(&scratch, "other", &[TCP_ALONE]);
    let run = scratch.run("other", ["get", &seed.link(), "--timeout", "2", "-o"]);
    run.arg(scratch.path("none")).json().fails(3);
}

/// With both allowed, uTP stands in where TCP gets no answer.
#[test]
fn where_tcp_does_not_get_through() {
    let scratch = Scratch::new("torrent_utp_after");
    let seed = seed(&scratch, "v1", &[UTP_ALONE]);
    settle(&scratch, "taker", &[]);
    let out = scratch.path("out");
    let run = scratch.run("taker", ["get", &seed.link(), "--timeout", "20", "-o"]);
    run.arg(&out).json().ok();
    assert_same_tree(&seed.folder, &out);
}

#[test]
fn without_either_there_are_no_torrents() {
    let scratch = Scratch::new("torrent_utp_none");
    settle(&scratch, "none", &[UTP_ALONE, TCP_ALONE]);
    let link = "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    let finished = scratch.run("none", ["get", link, "-o"]);
    let finished = finished.arg(scratch.path("out")).fails(1);
    assert!(
        finished.stderr.contains("neither TCP nor uTP"),
        "{finished}"
    );
}
