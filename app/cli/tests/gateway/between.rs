//! Content that only another node has: just what is asked for comes, and it comes again after a crash.

use crate::http::Door;
use crate::programs::{is_there, program, same};
use crate::support::{Node, Scratch, cid, wait_for, write_file};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

fn received(node: &Node) -> u64 {
    node.status().rates.down_bytes
}

fn at(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]
}

#[test]
fn only_what_is_asked_for_comes() {
    let scratch = Scratch::new("middle");
    let file = scratch.path("large.bin");
    write_file(&file, 96 * MIB + 7, 31);
    let bytes = fs::read(&file).unwrap();
    let giver = scratch.node("giver").start();
    let cid = cid(&giver.share(&file));
    let reader = scratch.node("reader").peer(giver.address()).start();
    let door = Door::of(&reader);
    let path = format!("/c/{cid}");
    let head = door.ask("HEAD", "127.0.0.1", &path).send();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), bytes.len().to_string());
    let (from, to) = (70 * MIB + 5, 71 * MIB + 9);
    let range = format!("bytes={from}-{}", to - 1);
    let middle = door.content(&path).with("Range", &range).send();
    assert_eq!(middle.status, 206);
    assert!(middle.body == at(&bytes, from, to), "other bytes");
    let several = format!("bytes={MIB}-{}, -10, 50000000-50000009", MIB + 9);
    let several = door.content(&path).with("Range", &several).send();
    assert_eq!(several.status, 206);
    let text = several.body;
    let holds = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    assert!(holds(at(&bytes, MIB, MIB + 10)));
    assert!(holds(at(&bytes, 50_000_000, 50_000_010)));
    assert!(holds(&bytes[bytes.len() - 10..]));
    // What is read ahead has bounds: most of the file stayed where it is.
    let came = received(&reader);
    assert!(came > MIB && came < 64 * MIB, "{came} bytes came");
    let whole = door.content(&path).send();
    assert_eq!(whole.status, 200);
    assert!(whole.body == bytes, "other bytes");
    let came = received(&reader);
    assert!(came < 100 * MIB, "{came} bytes came for {}", bytes.len());
    // It is here now.
    giver.kill();
    let again = door.content(&path).with("Range", &range).send();
    assert!(again.body == at(&bytes, from, to), "other bytes");
}

#[test]
fn the_reading_node_is_killed() {
    if !is_there("curl") {
        return;
    }
    let scratch = Scratch::new("killed-reader");
    let file = scratch.path("film.bin");
    write_file(&file, 24 * MIB + 3, 32);
    let giver = scratch.node("giver").args(["--up-limit", "8MB/s"]).start();
    let cid = cid(&giver.share(&file));
    let part = scratch.path("part.bin");
    let start = || scratch.node("reader").peer(giver.address()).start();
    let curl = |node: &Node| {
        let mut curl = program("curl");
        curl.args(["-sSf", "-C", "-", "-o"]).arg(&part);
        curl.arg(format!("http://127.0.0.1:{}/c/{cid}", Door::of(node).port));
        curl
    };
    let reader = start();
    let mut fetching = curl(&reader).stderr(Stdio::null()).spawn().unwrap();
    let size = |path: &Path| path.metadata().map_or(0, |found| found.len());
    wait_for("a part of it", SOON, || {
        (size(&part) > 4 * MIB).then_some(())
    });
    reader.kill();
    let ended = fetching.wait().unwrap();
    assert!(!ended.success(), "it has to notice that this is not all");
    let had = size(&part);
    assert!(had < 24 * MIB, "{had}");
    let reader = start();
    let done = curl(&reader).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    same(&file, &part);
}

/// Its index is at the end, so that a player reads the start, the end, and then here and there.
fn film(path: &Path) -> bool {
    if !is_there("ffmpeg") || !is_there("ffprobe") {
        return false;
    }
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=320x240:rate=25:duration=20")
        .args(["-c:v", "mpeg4", "-b:v", "2M", "-pix_fmt", "yuv420p"])
        .arg(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    true
}

#[test]
fn players_understand_it() {
    let scratch = Scratch::new("ffprobe");
    let file = scratch.path("film.mp4");
    if !film(&file) {
        return;
    }
    let giver = scratch.node("giver").start();
    let cid = cid(&giver.share(&file));
    let reader = scratch.node("reader").peer(giver.address()).start();
    for (node, what) in [(&reader, "elsewhere"), (&giver, "here")] {
        let url = format!("http://127.0.0.1:{}/c/{cid}", Door::of(node).port);
        let probe = program("ffprobe")
            .args([
                "-v",
                "error",
                "-of",
                "json",
                "-show_format",
                "-show_streams",
            ])
            .arg(&url)
            .output()
            .unwrap();
        assert!(probe.status.success(), "{what}: {probe:?}");
        let told: serde_json::Value = serde_json::from_slice(&probe.stdout).unwrap();
        assert_eq!(told["streams"][0]["codec_name"], "mpeg4", "{what}");
        assert_eq!(told["streams"][0]["width"], 320, "{what}");
        let seconds: f64 = told["format"]["duration"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((19.0..21.0).contains(&seconds), "{what}: {seconds}");
        // Seeking decodes a picture from the last quarter.
        let seek = program("ffmpeg")
            .args(["-v", "error", "-ss", "15", "-i", &url])
            .args(["-frames:v", "1", "-f", "null", "-"])
            .output()
            .unwrap();
        assert!(
            seek.status.success() && seek.stderr.is_empty(),
            "{what}: {seek:?}"
        );
    }
}
