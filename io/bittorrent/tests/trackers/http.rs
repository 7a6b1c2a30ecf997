//! Over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::{AnnounceReply, MAX_SCRAPE, ReplyError, ScrapeStats};
use potluck_bittorrent_net::tracker::{TrackerError, TrackerTimes};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{BRIEF, client, client_with, peers, request, words};

/// What a web server says to each path, and what it was asked.
type Say = fn(&str) -> Vec<u8>;

struct Web {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// Bytes that clients took.
    taken: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    /// A server that answers in one go and closes; without an end if there is nothing to say.
    async fn start(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::new(AtomicUsize::new(0));
        let (log, count) = (asked.clone(), taken.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, say, log.clone(), count.clone()));
            }
        });
        Self {
            base,
            asked,
            taken,
            task,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn announce(&self, path: &str) -> Result<AnnounceReply, TrackerError> {
        let url = format!("{}{path}", self.base);
        client().announce(&url, &request()).await
    }
}

async fn serve(
    stream: TcpStream,
    say: Say,
    log: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let bytes = stream.read_line(&mut head).await.ok()?;
        (bytes > 0).then_some(())?;
    }
    let path = head.split(' ').nth(1)?.to_owned();
    log.lock().unwrap().push(head);
    let answer = say(&path);
    if answer.is_empty() {
        // Until the client goes.
        stream.read_line(&mut String::new()).await.ok()?;
        return Some(());
    }
    for chunk in answer.chunks(64 * 1024) {
        stream.get_mut().write_all(chunk).await.ok()?;
        count.fetch_add(chunk.len(), Ordering::Relaxed);
    }
    stream.get_mut().shutdown().await.ok()
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn moved(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

const PEERS: &[u8] = b"d8:completei5e8:intervali900e5:peers6:\x7f\0\0\x01\x1a\xe1e";

#[tokio::test]
async fn announcing_over_http() {
    let web = Web::start(|_| http("200 OK", PEERS)).await;
    let reply = web.announce("/announce?pass=x").await.unwrap();
    assert_eq!(peers(&reply), ["127.0.0.1:6881"]);
    assert_eq!((reply.seeds, reply.interval.as_secs()), (Some(5), 900));
    let head = web.asked().remove(0);
    let hash = "%FE".repeat(20);
    let start =
        format!("GET /announce?pass=x&info_hash={hash}&peer_id=-PL0001-abcdefghijkl&port=6881&");
    assert!(head.starts_with(&start), "{head}");
    let agent = concat!("user-agent: potluck/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(head.to_lowercase().contains(agent), "{head}");
    assert!(!head.to_lowercase().contains("cookie"), "{head}");
}

#[tokio::test]
async fn scraping_over_http() {
    let web = Web::start(|path| {
        assert!(path.starts_with("/x/scrape?"));
        let known =
            b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee";
        http("200 OK", known)
    })
    .await;
    let torrents = [[b'b'; 20], [b'a'; 20]].map(InfoHashV1::from_bytes);
    let url = format!("{}/x/announce", web.base);
    let found = client().scrape(&url, &torrents).await.unwrap();
    let stats = ScrapeStats {
        seeds: 1,
        downloads: 2,
        leeches: 3,
    };
    assert_eq!(found, [None, Some(stats)]);
    let many = vec![torrents[0]; MAX_SCRAPE + 1];
    assert_eq!(
        client().scrape(&url, &many).await.unwrap().len(),
        MAX_SCRAPE + 1
    );
    assert_eq!(web.asked().len(), 3, "the many in two goes");
    let nowhere = client().scrape(&format!("{}/x", web.base), &torrents).await;
    assert!(matches!(nowhere, Err(TrackerError::NoScrape)));
    assert!(client().scrape(&url, &[]).await.unwrap().is_empty());
    assert_eq!(web.asked().len(), 3, "nothing is not asked for");
}

#[tokio::test]
async fn refusals_and_garbage_over_http() {
    let web = Web::start(|path| {
        let no = b"d14:failure reason9:not yours8:retry ini5ee";
        match path.split('?').next().unwrap() {
            "/no" => http("200 OK", no),
            "/no-404" => http("404 Not Found", no),
            "/500" => http("500 Internal Server Error", b"<html>"),
            "/html" => http("200 OK", b"<html>\nlogin"),
            "/empty" => http("200 OK", b""),
            "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nd8:inter".to_vec(),
            _ => b"\xff\xfe\n\n".to_vec(),
        }
    })
    .await;
    for path in ["/no", "/no-404"] {
        let error = web.announce(path).await.unwrap_err();
        assert_eq!(words(&error), "the tracker refuses: not yours");
        assert_eq!(error.retry(), Some(Duration::from_secs(300)));
    }
    let error = web.announce("/500").await.unwrap_err();
    assert_eq!(words(&error), "the tracker's server answered 500");
    for path in ["/html", "/empty"] {
        let error = web.announce(path).await.unwrap_err();
        assert!(
            matches!(&error, TrackerError::Reply(ReplyError::Bencode(_))),
            "{error:?}"
        );
        words(&error);
    }
    for path in ["/short", "/not-http"] {
        let error = web.announce(path).await.unwrap_err();
        assert!(matches!(&error, TrackerError::Http(_)), "{error:?}");
        words(&error);
    }
}

/// Endless for what is read of it: a hundred megabytes.
fn huge(is_announced: bool) -> Vec<u8> {
    const SIZE: usize = 100 * 1024 * 1024;
    let head = if is_announced {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")
    } else {
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned()
    };
    let mut answer = head.into_bytes();
    answer.resize(SIZE, b'1');
    answer
}

#[tokio::test]
async fn a_huge_answer_is_cut() {
    let web = Web::start(|path| huge(path.starts_with("/announced"))).await;
    for path in ["/announced", "/not-announced"] {
        let before = web.taken.load(Ordering::Relaxed);
        let error = web.announce(path).await.unwrap_err();
        assert!(
            matches!(error, TrackerError::Reply(ReplyError::TooLong)),
            "{error:?}"
        );
        // What it did not read, nobody holds but the buffers of the system.
        let taken = web.taken.load(Ordering::Relaxed) - before;
        assert!(taken < 20 * 1024 * 1024, "{taken} bytes of {path}");
    }
}

#[tokio::test]
async fn redirects() {
    let web = Web::start(|path| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/3" => moved(&format!("/2?{query}")),
            "/4" => moved(&format!("/3?{query}")),
            "/2" => moved(&format!("/1?{query}")),
            "/1" => moved(&format!("/0?{query}")),
            "/ftp" => moved("ftp://127.0.0.1/x"),
            "/file" => moved("file:///etc/passwd"),
            "/udp" => moved("udp://127.0.0.1:80/x"),
            _ => http("200 OK", PEERS),
        }
    })
    .await;
    assert!(web.announce("/3").await.is_ok());
    let before = web.asked().len();
    for path in ["/4", "/ftp", "/file", "/udp"] {
        let error = web.announce(path).await.unwrap_err();
        assert!(matches!(error, TrackerError::Redirect), "{path}: {error:?}");
    }
    assert_eq!(
        web.asked().len() - before,
        4 + 3,
        "the fourth is not followed"
    );
}

#[tokio::test]
async fn a_silent_web_server() {
    let web = Web::start(|_| Vec::new()).await;
    let client = client_with(TrackerTimes {
        http: BRIEF,
        ..TrackerTimes::default()
    });
    let url = format!("{}/announce", web.base);
    let error = client.announce(&url, &request()).await.unwrap_err();
    assert!(matches!(error, TrackerError::Silent), "{error:?}");
    assert_eq!(words(&error), "the tracker does not answer");
    // Nor does it speak TLS; that there is TLS shows in that it is tried.
    let url = url.replace("http:", "https:");
    let error = client.announce(&url, &request()).await.unwrap_err();
    assert!(
        matches!(error, TrackerError::Silent | TrackerError::Http(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn tls_is_tried() {
    let web = Web::start(|_| http("200 OK", PEERS)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/announce", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 3];
        stream.read_exact(&mut first).await.unwrap();
        first
    });
    let error = client().announce(&url, &request()).await.unwrap_err();
    assert!(matches!(&error, TrackerError::Http(_)), "{error:?}");
    words(&error);
    let first = server.await.unwrap();
    assert_eq!(&first[..2], [22, 3], "a handshake of TLS");
    assert!(web.asked().is_empty());
}
