//! Over UDP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::ReplyError;
use potluck_bittorrent_net::tracker::{TrackerError, TrackerTimes};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::{AMPLE, BRIEF, client, client_with, peers, request, words};

/// A tracker over UDP: `say` gets the number of the datagram, its action and itself, and says what
/// follows the head of the answer, with the action of it; none for silence.
struct Udp {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Answer = Option<(u32, Vec<u8>)>;

impl Udp {
    async fn start(own: &str, say: fn(usize, u32, &[u8]) -> Answer) -> Self {
        let socket = UdpSocket::bind(own).await.unwrap();
        let stranger = UdpSocket::bind(own).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (bytes, from) = socket.recv_from(&mut buffer).await.unwrap();
                let asked = &buffer[..bytes];
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(asked.to_vec());
                let Some((action, body)) = say(number, word(asked, 8), asked) else {
                    continue;
                };
                // From another address, with other peers: who takes it is fooled.
                let wrong = answer(1, word(asked, 12), &reply_body([6, 6, 6, 6]));
                stranger.send_to(&wrong, from).await.unwrap();
                // Of another question.
                let wrong = answer(action, word(asked, 12) ^ 1, &reply_body([7, 7, 7, 7]));
                socket.send_to(&wrong, from).await.unwrap();
                socket.send_to(b"short", from).await.unwrap();
                let right = answer(action, word(asked, 12), &body);
                socket.send_to(&right, from).await.unwrap();
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    fn url(&self) -> String {
        format!("udp://{}/announce?k=1", self.address)
    }

    /// The actions that it was asked for.
    fn actions(&self) -> Vec<u32> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|asked| word(asked, 8))
            .collect()
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn answer(action: u32, transaction: u32, body: &[u8]) -> Vec<u8> {
    [&action.to_be_bytes(), &transaction.to_be_bytes(), body].concat()
}

fn reply_body(ip: [u8; 4]) -> Vec<u8> {
    let numbers = [900_u32, 2, 5].map(u32::to_be_bytes).concat();
    [&numbers[..], &ip, &[0x1a, 0xe1]].concat()
}

const CONNECTION: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// As it should be.
fn right(_number: usize, action: u32, asked: &[u8]) -> Answer {
    match action {
        0 => Some((0, CONNECTION.to_vec())),
        1 if asked[..8] == CONNECTION => Some((1, reply_body([127, 0, 0, 1]))),
        2 if asked[..8] == CONNECTION => {
            let count = u32::try_from((asked.len() - 16) / 20).unwrap();
            let stats = (0..count).flat_map(|at| [at, 2, 3].map(u32::to_be_bytes));
            Some((2, stats.flatten().collect()))
        }
        _ => Some((3, b"connection unknown".to_vec())),
    }
}

#[tokio::test]
async fn announcing_over_udp() {
    let tracker = Udp::start("127.0.0.1:0", right).await;
    let client = client();
    for _ in 0..2 {
        let reply = client
            .clone()
            .announce(&tracker.url(), &request())
            .await
            .unwrap();
        assert_eq!(peers(&reply), ["127.0.0.1:6881"], "none of a stranger");
        assert_eq!((reply.seeds, reply.leeches), (Some(5), Some(2)));
    }
    assert_eq!(tracker.actions(), [0, 1, 1], "one connection for both");
    let asked = tracker.asked.lock().unwrap()[1].clone();
    assert_eq!(&asked[16..36], [0xfe; 20]);
    assert_eq!(&asked[98..], b"\x02\x0d/announce?k=1");
    let torrents = [InfoHashV1::from_bytes([1; 20]); 3];
    let found = client.scrape(&tracker.url(), &torrents).await.unwrap();
    let seeds: Vec<_> = found.iter().map(|stats| stats.unwrap().seeds).collect();
    assert_eq!(seeds, [0, 1, 2]);
    assert_eq!(tracker.actions(), [0, 1, 1, 2]);
}

#[tokio::test]
async fn announcing_over_udp_and_ipv6() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        return; // A machine without it.
    }
    let tracker = Udp::start("[::1]:0", |_, action, _| {
        let mut body = reply_body([0x20, 1, 0xd, 0xb8]);
        body.splice(16..16, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        Some(match action {
            0 => (0, CONNECTION.to_vec()),
            _ => (1, body),
        })
    })
    .await;
    let reply = client().announce(&tracker.url(), &request()).await.unwrap();
    assert_eq!(peers(&reply), ["[2001:db8::1]:6881"]);
}

#[tokio::test]
async fn connections_grow_old() {
    let tracker = Udp::start("127.0.0.1:0", right).await;
    let client = client_with(TrackerTimes {
        udp_connection: Duration::ZERO,
        ..TrackerTimes::default()
    });
    for _ in 0..2 {
        client.announce(&tracker.url(), &request()).await.unwrap();
    }
    assert_eq!(tracker.actions(), [0, 1, 0, 1]);
}

#[tokio::test]
async fn a_forgotten_connection_is_made_anew() {
    // The third datagram is the second announce: the tracker was restarted.
    let tracker = Udp::start("127.0.0.1:0", |number, action, asked| match number {
        2 => Some((3, b"connection unknown".to_vec())),
        _ => right(number, action, asked),
    })
    .await;
    let client = client();
    for _ in 0..2 {
        client.announce(&tracker.url(), &request()).await.unwrap();
    }
    assert_eq!(tracker.actions(), [0, 1, 1, 0, 1]);
}

#[tokio::test]
async fn refusals_and_garbage_over_udp() {
    let no = Udp::start("127.0.0.1:0", |_, action, _| match action {
        0 => Some((0, CONNECTION.to_vec())),
        _ => Some((3, b"not\nyours".to_vec())),
    })
    .await;
    let client = client();
    for _ in 0..2 {
        let error = client.announce(&no.url(), &request()).await.unwrap_err();
        assert_eq!(words(&error), "the tracker refuses: notyours");
    }
    assert_eq!(
        no.actions(),
        [0, 1, 1, 0, 1],
        "it may mean the connection, once"
    );
    let broken = Udp::start("127.0.0.1:0", |_, _, _| Some((0, vec![1]))).await;
    let error = client
        .announce(&broken.url(), &request())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TrackerError::Reply(ReplyError::Senseless(_))),
        "{error:?}"
    );
    let other = Udp::start("127.0.0.1:0", |_, _, _| Some((2, CONNECTION.to_vec()))).await;
    let error = client.announce(&other.url(), &request()).await.unwrap_err();
    assert!(
        matches!(&error, TrackerError::Reply(ReplyError::Senseless(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_tracker_is_asked_again_and_given_up() {
    let tracker = Udp::start("127.0.0.1:0", |_, _, _| None).await;
    let times = TrackerTimes {
        udp_tries: vec![BRIEF, BRIEF * 2],
        ..TrackerTimes::default()
    };
    let client = client_with(times);
    let start = Instant::now();
    let error = client
        .announce(&tracker.url(), &request())
        .await
        .unwrap_err();
    assert!(matches!(error, TrackerError::Silent), "{error:?}");
    assert!((BRIEF * 3..AMPLE).contains(&start.elapsed()));
    assert_eq!(tracker.actions(), [0, 0]);
    let asked = tracker.asked.lock().unwrap().clone();
    assert_eq!(asked[0], asked[1], "the same question");
}

#[tokio::test]
async fn what_is_lost_is_sent_again() {
    // The first of each kind is lost.
    let tracker = Udp::start("127.0.0.1:0", |number, action, asked| match number {
        0 | 2 => None,
        _ => right(number, action, asked),
    })
    .await;
    let client = client_with(TrackerTimes {
        udp_tries: vec![BRIEF, BRIEF, AMPLE],
        ..TrackerTimes::default()
    });
    let reply = client.announce(&tracker.url(), &request()).await.unwrap();
    assert_eq!(peers(&reply), ["127.0.0.1:6881"]);
    assert_eq!(tracker.actions(), [0, 0, 1, 0, 1]);
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}/", socket.local_addr().unwrap());
    drop(socket);
    let start = Instant::now();
    let error = client().announce(&url, &request()).await.unwrap_err();
    // Where the system does not tell, it is as silent as any.
    assert!(
        matches!(error, TrackerError::Io(_) | TrackerError::Silent),
        "{error:?}"
    );
    if matches!(error, TrackerError::Io(_)) {
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    let error = client()
        .announce("udp://no.such.name.invalid:1/", &request())
        .await;
    assert!(matches!(error, Err(TrackerError::Lookup)), "{error:?}");
}
