//! Pieces from web servers that do as they should, and from others.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use potluck_bittorrent::Info;
use potluck_bittorrent::web_seed::WebLayout;
use potluck_bittorrent_net::web_seed::{WebBlock, WebSeed, WebSeedError, WebSeedTimes};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PIECE: usize = 16 * 1024;
/// `a b.bin`, padding to the end of its third piece, `d/c.bin`, and `e`.
const SIZES: [usize; 4] = [40_000, 9_152, 30_000, 10];

/// How a server does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As it should.
    Right,
    /// The whole file, whatever is asked for.
    IgnoresRanges,
    /// A whole file that is another one.
    OtherWhole,
    /// Another range than asked for.
    OtherRange,
    /// Says that the file has another size.
    OtherSize,
    /// More bytes than asked for, which it does not say before.
    TooMuch,
    /// Closes before the end.
    TooLittle,
    /// Some bytes, and then nothing for ever.
    Stalls,
    /// Never answers.
    Silent,
    /// Compressed, it says.
    Gzip,
    /// An answer without a body.
    Says(&'static str),
    /// Sends to itself, so many times.
    Redirects(usize),
}

struct Server {
    base: String,
    /// What was asked for: path and range.
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn content(file: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((at * 31 + (at >> 8) * 17 + file * 7) % 251).unwrap();
    match file {
        1 => vec![0; SIZES[1]],
        _ => (0..SIZES[file]).map(byte).collect(),
    }
}

fn files(path: &str) -> Option<Vec<u8>> {
    let file = match path {
        "/t/a%20b.bin" => 0,
        "/t/d/c.bin" => 2,
        "/t/e" => 3,
        _ => return None,
    };
    Some(content(file))
}

fn layout() -> Arc<WebLayout> {
    let total: usize = SIZES.iter().sum();
    let pieces = total.div_ceil(PIECE);
    let mut info = "d5:filesl".to_owned();
    for (file, path) in ["7:a b.bin", "1:p", "1:d5:c.bin", "1:e"].iter().enumerate() {
        let attr = if file == 1 { "4:attr1:p" } else { "" };
        let _ = write!(info, "d{attr}6:lengthi{}e4:pathl{path}ee", SIZES[file]);
    }
    let hashes = "x".repeat(20 * pieces);
    let rest = format!("4:name1:t12:piece lengthi{PIECE}e6:pieces{}:", 20 * pieces);
    let info = [&info, "e", &rest, &hashes, "e"].concat();
    Arc::new(WebLayout::new(&Info::parse(info.as_bytes()).unwrap()))
}

async fn server(manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, manner, log.clone()));
        }
    });
    Server { base, asked, task }
}

async fn serve(stream: TcpStream, manner: Manner, log: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut path, mut range) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            if let Some(rest) = line.strip_prefix("GET ") {
                path = rest.split(' ').next().unwrap().to_owned();
            } else if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
                range = value.to_owned();
            } else if line.is_empty() {
                break;
            }
        }
        log.lock().unwrap().push(format!("{path} {range}"));
        if answer(stream.get_mut(), manner, &path, &range)
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Answers a request. None ends the connection.
async fn answer(stream: &mut TcpStream, manner: Manner, path: &str, range: &str) -> Option<()> {
    if manner == Manner::Silent {
        std::future::pending::<()>().await;
    }
    if let Manner::Says(head) = manner {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
        return stream.write_all(head.as_bytes()).await.ok();
    }
    let mut path = path;
    if let Manner::Redirects(times) = manner {
        let (count, rest) = path
            .trim_start_matches('/')
            .split_once('-')
            .unwrap_or(("0", path));
        let count: usize = count.parse().unwrap();
        path = rest;
        if count < times {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: /{}-{path}\r\nContent-Length: 0\r\n\r\n",
                count + 1
            );
            return stream.write_all(head.as_bytes()).await.ok();
        }
    }
    let Some(file) = files(path) else {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(head.as_bytes()).await.ok();
    };
    let (start, last) = range.split_once('-').unwrap();
    let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
    let (part, size) = (&file[start..=last], file.len());
    let partial = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ";
    let right = format!("{partial}{start}-{last}/{size}");
    let length = format!("Content-Length: {}\r\n\r\n", part.len());
    let (head, body) = match manner {
        Manner::IgnoresRanges => (
            format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"),
            &file[..],
        ),
        Manner::OtherWhole => (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned(),
            &file[..5],
        ),
        Manner::OtherRange => {
            let range = format!("{}-{}/{size}", start + 1, last + 1);
            (format!("{partial}{range}\r\n{length}"), part)
        }
        Manner::OtherSize => {
            let range = format!("{start}-{last}/{}", size + 1);
            (format!("{partial}{range}\r\n{length}"), part)
        }
        Manner::TooMuch => (format!("{right}\r\nConnection: close\r\n\r\n"), &file[..]),
        Manner::TooLittle | Manner::Stalls => {
            (format!("{right}\r\n{length}"), &part[..part.len() / 2])
        }
        Manner::Gzip => (
            format!("{right}\r\nContent-Encoding: gzip\r\n{length}"),
            part,
        ),
        _ => (format!("{right}\r\n{length}"), part),
    };
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    match manner {
        Manner::Stalls => std::future::pending().await,
        Manner::TooMuch | Manner::TooLittle => None,
        _ => Some(()),
    }
}

/// What came of pieces before the end, and how it ended.
async fn fetch(seed: &WebSeed, pieces: Range<u32>) -> (Vec<WebBlock>, Option<WebSeedError>) {
    let mut blocks = Vec::new();
    let mut fetch = seed.fetch(pieces);
    loop {
        let next = timeout(Duration::from_secs(30), fetch.recv()).await;
        match next.unwrap() {
            Some(Ok(block)) => blocks.push(block),
            Some(Err(error)) => {
                assert_eq!(fetch.recv().await, None);
                return (blocks, Some(error));
            }
            None => return (blocks, None),
        }
    }
}

fn seed(base: &str) -> WebSeed {
    let stall = Duration::from_millis(400);
    WebSeed::new(base, layout(), WebSeedTimes { stall }).unwrap()
}

/// Bytes of blocks, which follow each other and stay within their pieces.
fn joined(blocks: &[WebBlock], first: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        let at = first as usize * PIECE + bytes.len();
        let (piece, offset) = (block.piece as usize, usize::try_from(block.offset).unwrap());
        assert!(offset + block.bytes.len() <= PIECE);
        assert_eq!(piece * PIECE + offset, at);
        bytes.extend_from_slice(&block.bytes);
    }
    bytes
}

async fn failure(manner: Manner, pieces: Range<u32>) -> (usize, WebSeedError) {
    let server = server(manner).await;
    let (blocks, error) = fetch(&seed(&server.base), pieces).await;
    let bytes = blocks.iter().map(|block| block.bytes.len()).sum();
    (bytes, error.unwrap())
}

#[tokio::test]
async fn all_pieces_with_one_request_for_each_file() {
    let server = server(Manner::Right).await;
    let (blocks, error) = fetch(&seed(&server.base), 0..6).await;
    assert_eq!(error, None);
    let all: Vec<u8> = (0..4).flat_map(content).collect();
    assert!(joined(&blocks, 0) == all);
    let asked = server.asked.lock().unwrap().clone();
    let expected = ["/t/a%20b.bin 0-39999", "/t/d/c.bin 0-29999", "/t/e 0-9"];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn some_pieces() {
    let server = server(Manner::Right).await;
    let seed = seed(&server.base);
    let (blocks, error) = fetch(&seed, 1..3).await;
    assert_eq!(error, None);
    let all: Vec<u8> = (0..4).flat_map(content).collect();
    assert!(joined(&blocks, 1) == all[PIECE..3 * PIECE]);
    let (blocks, error) = fetch(&seed, 4..5).await;
    assert_eq!(
        (joined(&blocks, 4), error),
        (all[4 * PIECE..].to_vec(), None)
    );
    assert_eq!(fetch(&seed, 9..12).await, (Vec::new(), None));
    let asked = server.asked.lock().unwrap().clone();
    let expected = [
        "/t/a%20b.bin 16384-39999",
        "/t/d/c.bin 16384-29999",
        "/t/e 0-9",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_server_without_ranges_gives_the_start_only() {
    let server = server(Manner::IgnoresRanges).await;
    let seed = seed(&server.base);
    let (blocks, error) = fetch(&seed, 0..1).await;
    assert_eq!(error, None);
    assert!(joined(&blocks, 0) == content(0)[..PIECE]);
    let (blocks, error) = fetch(&seed, 1..2).await;
    assert_eq!((blocks, error), (Vec::new(), Some(WebSeedError::NoRanges)));
}

#[tokio::test]
async fn servers_that_lie() {
    let cases = [
        (Manner::OtherWhole, 0, WebSeedError::OtherFile),
        (Manner::OtherRange, 0, WebSeedError::OtherRange),
        (Manner::OtherSize, 0, WebSeedError::OtherFile),
        (Manner::Gzip, 0, WebSeedError::OtherFile),
    ];
    for (manner, bytes, error) in cases {
        assert_eq!(
            failure(manner, 0..1).await,
            (bytes, error.clone()),
            "{manner:?}"
        );
        assert!(error.is_permanent());
    }
    let (bytes, error) = failure(Manner::TooMuch, 0..1).await;
    assert!(bytes <= PIECE, "{bytes}");
    assert_eq!(error, WebSeedError::OtherRange);
    let (bytes, error) = failure(Manner::TooLittle, 0..1).await;
    assert!(bytes <= PIECE / 2, "{bytes}");
    assert!(matches!(error, WebSeedError::Http(_)), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn servers_that_stall() {
    assert_eq!(
        failure(Manner::Silent, 0..1).await,
        (0, WebSeedError::Stalled)
    );
    let stalled = failure(Manner::Stalls, 0..1).await;
    assert_eq!(stalled, (PIECE / 2, WebSeedError::Stalled));
    assert!(!stalled.1.is_permanent());
}

#[tokio::test]
async fn what_servers_say() {
    let says = |head| failure(Manner::Says(head), 0..1);
    let (_, busy) = says("503 Busy\r\nRetry-After: 7").await;
    assert_eq!(busy.pause(), Some(Duration::from_secs(7)));
    assert!(!busy.is_permanent());
    let (_, busy) = says("429 Too Many Requests").await;
    assert_eq!(busy.pause(), Some(Duration::from_secs(60)));
    for (head, status) in [("404 x", 404), ("410 x", 410), ("416 x", 416)] {
        let (_, error) = says(head).await;
        assert_eq!(error, WebSeedError::Status(status));
        assert!(error.is_permanent() && error.pause().is_none());
    }
    let (_, error) = says("502 x").await;
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn redirects() {
    let right = server(Manner::Redirects(5)).await;
    let (blocks, error) = fetch(&seed(&right.base), 0..1).await;
    assert_eq!(error, None);
    assert!(joined(&blocks, 0) == content(0)[..PIECE]);
    let (bytes, error) = failure(Manner::Redirects(6), 0..1).await;
    assert_eq!((bytes, error), (0, WebSeedError::Redirect));
    let (_, error) = failure(Manner::Says("302 x\r\nLocation: ftp://127.0.0.1/x"), 0..1).await;
    assert!(
        error == WebSeedError::Redirect || error == WebSeedError::Status(302),
        "{error}"
    );
}

#[tokio::test]
async fn addresses_that_are_not_asked() {
    let new = |base| WebSeed::new(base, layout(), WebSeedTimes::default()).map(drop);
    for base in [
        "",
        "x",
        "ftp://example.org/",
        "file:///etc/",
        "http://127.0.0.1/?reboot=1",
    ] {
        assert_eq!(new(base), Err(WebSeedError::Address), "{base}");
    }
    assert_eq!(new("https://example.org/?file="), Ok(()));
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let (_, error) = fetch(&seed(&base), 0..1).await;
    assert!(matches!(error, Some(WebSeedError::Http(_))), "{error:?}");
}

#[tokio::test]
async fn to_stop_reading_ends_it() {
    let server = server(Manner::Right).await;
    let mut fetch = seed(&server.base).fetch(0..6);
    let first = fetch.recv().await;
    assert!(matches!(first, Some(Ok(_))));
    drop(fetch);
    // A second fetch shares nothing with it.
    let (blocks, error) = self::fetch(&seed(&server.base), 4..5).await;
    assert_eq!((blocks.is_empty(), error), (false, None));
}
