//! Films that browsers do not play: what the API says of them, what it gives, and what hostile ones get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::cast_precision_loss)]

mod support;

use potluck_api::ApiFile;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::{Node, Scratch, cid, wait_for};

/// An answer, as far as it was read.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Asks the API, and reads up to `most` bytes of the answer.
fn ask(node: &Node, path: &str, most: usize) -> (Answer, TcpStream) {
    let api: ApiFile =
        serde_json::from_slice(&std::fs::read(node.data().join("api.json")).unwrap()).unwrap();
    let address = api.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let head = format!(
        "GET /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        api.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut part = [0; 16 * 1024];
    while bytes.len() < most {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{path}: {error}"),
        }
    }
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let answer = Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: bytes.split_off(end + 4),
    };
    (answer, stream)
}

fn json(node: &Node, path: &str) -> (u16, Value) {
    let (answer, _) = ask(node, path, usize::MAX);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn has_ffmpeg() -> bool {
    let there = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !there {
        eprintln!("LEFT OUT: there is no ffmpeg");
    }
    there
}

/// Makes a film of half a minute.
fn film(path: &Path, codecs: &[&str]) {
    film_of("testsrc2=size=320x180:rate=24:duration=30", path, codecs);
}

fn film_of(pictures: &str, path: &Path, codecs: &[&str]) {
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
        .arg(pictures)
        .args(["-f", "lavfi", "-i", "sine=frequency=330:duration=30"])
        .args(codecs)
        .arg("-y")
        .arg(path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Running programs of this name that the node started.
fn children(node: &Node, name: &str) -> usize {
    let listed = Command::new("ps")
        .args([
            "-o",
            "stat=",
            "-o",
            "comm=",
            "--ppid",
            &node.pid().to_string(),
        ])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let lines = listed.lines().filter(|line| line.trim().ends_with(name));
    lines.filter(|line| !line.trim().starts_with('Z')).count()
}

/// The time of the first fragment of the first track, in its units, and these a second.
fn first_time(bytes: &[u8]) -> (u64, u32) {
    let after = |kind: &[u8], skip: usize| {
        let at = bytes.windows(4).position(|it| it == kind).unwrap();
        &bytes[at + 4 + skip..]
    };
    // ISO 14496-12: 'mdhd' has version, flags, two times and then the units; 'tfdt' the time.
    let units = u32::from_be_bytes(after(b"mdhd", 12)[..4].try_into().unwrap());
    let time = after(b"tfdt", 0);
    let time = match time[0] {
        0 => u64::from(u32::from_be_bytes(time[4..8].try_into().unwrap())),
        _ => u64::from_be_bytes(time[4..12].try_into().unwrap()),
    };
    (time, units)
}

const AVI: &[&str] = &["-c:v", "mpeg4", "-b:v", "3M", "-c:a", "libmp3lame"];
const MKV: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-g",
    "24",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "aac",
];

/// A node that shares a folder with two films and what is none.
fn sharer(scratch: &Scratch) -> (Node, String) {
    let folder = scratch.path("Films");
    std::fs::create_dir(&folder).unwrap();
    film(&folder.join("an evening.mkv"), MKV);
    film(&folder.join("old.avi"), AVI);
    std::fs::write(folder.join("words.mkv"), "no film at all").unwrap();
    let node = scratch.node("node").start();
    let link = node.share(&folder);
    (node, cid(&link))
}

#[test]
fn a_film_is_told_of() {
    if !has_ffmpeg() {
        return;
    }
    let scratch = Scratch::new("films-about");
    let (node, cid) = sharer(&scratch);
    let about = |file: &str| json(&node, &format!("content/{cid}/video?path={file}"));
    let (status, told) = about("an%20evening.mkv");
    assert_eq!(
        (status, told["way"].as_str()),
        (200, Some("remux")),
        "{told}"
    );
    assert_eq!(told["what"], "H.264 and AAC in Matroska");
    assert!(
        (told["seconds"].as_f64().unwrap() - 30.0).abs() < 0.2,
        "{told}"
    );
    let (_, told) = about("old.avi");
    assert_eq!(told["way"], "transcode");
    assert_eq!(told["what"], "MPEG-4 Visual and MP3 in AVI");
    let (status, told) = about("words.mkv");
    assert_eq!((status, told["way"].as_str()), (200, Some("none")));
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("ffprobe cannot read it"), "{told}");
    for (path, wanted) in [
        ("nothing.mkv", 404),
        ("../x", 400),
        ("a//b", 400),
        ("", 400),
    ] {
        assert_eq!(about(path).0, wanted, "{path}");
    }
}

#[test]
fn a_film_is_given_from_any_second_on_and_let_go() {
    if !has_ffmpeg() {
        return;
    }
    let scratch = Scratch::new("films-stream");
    let (node, cid) = sharer(&scratch);
    for (file, start) in [
        ("an%20evening.mkv", 20.0),
        ("old.avi", 20.0),
        ("old.avi", 0.0),
    ] {
        let path = format!("content/{cid}/video/stream?path={file}&start={start}");
        let (answer, stream) = ask(&node, &path, 60_000);
        assert_eq!(answer.status, 200, "{}", answer.head);
        let is_mp4 = answer.head.contains("content-type: video/mp4");
        assert!(is_mp4, "{}", answer.head);
        assert!(answer.body.windows(4).any(|it| it == b"ftyp"), "{file}");
        let (time, units) = first_time(&answer.body);
        let seconds = time as f64 / f64::from(units);
        eprintln!("{file} from {start} s begins at {seconds:.2} s");
        // What is copied begins at a picture that stands for itself.
        assert!(
            (start - 1.1..start + 0.2).contains(&seconds),
            "{file}: {seconds} s"
        );
        drop(stream);
        wait_for("the end of ffmpeg", Duration::from_secs(10), || {
            (children(&node, "ffmpeg") == 0).then_some(())
        });
    }
    for (file, wanted) in [
        ("words.mkv", 422),
        ("old.avi&start=-1", 400),
        ("old.avi&start=x", 400),
    ] {
        let path = format!("content/{cid}/video/stream?path={file}");
        let (answer, _) = ask(&node, &path, usize::MAX);
        assert_eq!(answer.status, wanted, "{file}: {}", answer.head);
    }
}

#[test]
fn as_many_are_converted_as_the_owner_says() {
    if !has_ffmpeg() {
        return;
    }
    let scratch = Scratch::new("films-at-a-time");
    let file = scratch.path("large.avi");
    // Noise is more than the buffers on the way take, so that who does not read holds it up.
    let noise = "color=gray:size=640x360:rate=24:duration=40,noise=alls=90:allf=t";
    film_of(
        noise,
        &file,
        &["-c:v", "mpeg4", "-q:v", "2", "-c:a", "libmp3lame"],
    );
    let node = scratch.node("node").start();
    let cid = cid(&node.share(&file));
    let path = format!("content/{cid}/video/stream?convert=true");
    node.run(["config", "set", "gateway.films", "1"]).ok();
    let (first, held) = ask(&node, &path, 1000);
    assert_eq!(first.status, 200, "{}", first.head);
    let (second, _) = ask(&node, &path, usize::MAX);
    assert_eq!(second.status, 503, "{}", second.head);
    assert_eq!(children(&node, "ffmpeg"), 1);
    drop(held);
    let (again, _) = ask(&node, &path, 1000);
    assert_eq!(again.status, 200, "{}", again.head);
    node.run(["config", "set", "gateway.films", "0"]).ok();
    let (_, told) = json(&node, &format!("content/{cid}/video"));
    assert_eq!(told["way"], "none");
    assert!(
        told["reason"].as_str().unwrap().contains("gateway.films"),
        "{told}"
    );
}

#[test]
fn a_hostile_film_reaches_nothing_but_itself() {
    if !has_ffmpeg() {
        return;
    }
    let scratch = Scratch::new("hostile-films");
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/secret.ts", trap.local_addr().unwrap());
    let folder = scratch.path("Traps");
    std::fs::create_dir(&folder).unwrap();
    let secret = scratch.path("secret.txt");
    std::fs::write(&secret, "the owner's").unwrap();
    let here = secret.display();
    // Kinds of files that lead programs to others: all named as films.
    for (name, text) in [
        ("hls.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{elsewhere}\n#EXTINF:9,\nfile://{here}\n#EXT-X-ENDLIST\n")),
        ("concat.mkv", format!("ffconcat version 1.0\nfile '{elsewhere}'\nfile '{here}'\n")),
        ("dash.avi", format!("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT9S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{elsewhere}</BaseURL></Representation></AdaptationSet></Period></MPD>")),
        ("sdp.mov", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n".to_owned()),
        ("subtitles.mkv", format!("1\n00:00:00,000 --> 00:00:09,000\n{here}\n")),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let node = scratch.node("node").start();
    let cid = cid(&node.share(&folder));
    for name in [
        "hls.mp4",
        "concat.mkv",
        "dash.avi",
        "sdp.mov",
        "subtitles.mkv",
    ] {
        let (status, told) = json(&node, &format!("content/{cid}/video?path={name}"));
        assert_eq!(
            (status, told["way"].as_str()),
            (200, Some("none")),
            "{name}: {told}"
        );
        let (answer, _) = ask(
            &node,
            &format!("content/{cid}/video/stream?path={name}&convert=true"),
            usize::MAX,
        );
        assert_eq!(answer.status, 422, "{name}");
    }
    assert_eq!(
        trap.accept().err().map(|error| error.kind()),
        Some(ErrorKind::WouldBlock)
    );
    assert_eq!(children(&node, "ffprobe") + children(&node, "ffmpeg"), 0);
}

#[test]
fn without_ffmpeg_the_answer_says_so() {
    let scratch = Scratch::new("no-ffmpeg");
    let file = scratch.path("old.avi");
    std::fs::write(&file, "RIFF").unwrap();
    let node = scratch.node("node").env("PATH", "/nowhere").start();
    let cid = cid(&node.share(&file));
    let (status, told) = json(&node, &format!("content/{cid}/video"));
    assert_eq!((status, told["way"].as_str()), (200, Some("none")));
    assert!(
        told["reason"]
            .as_str()
            .unwrap()
            .contains("ffmpeg is not installed"),
        "{told}"
    );
}
