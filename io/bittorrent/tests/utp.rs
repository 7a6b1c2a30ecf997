//! What strangers can do to an endpoint of uTP.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent_net::stream::{Carrier, Encryption, Times, accept_on};
use potluck_bittorrent_net::utp::UtpEndpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const TORRENT: InfoHashV1 = InfoHashV1::from_bytes([7; 20]);
const DEADLINE: Duration = Duration::from_secs(30);
/// How long one side waits for the other before it tries another connection.
const PATIENCE: Duration = Duration::from_secs(3);

const ST_DATA: u8 = 0;
const ST_STATE: u8 = 2;
const ST_SYN: u8 = 4;

async fn endpoint(connections: usize) -> UtpEndpoint {
    let most = NonZeroUsize::new(connections).unwrap();
    UtpEndpoint::bind(LOCAL, most).await.unwrap()
}

/// Somebody who knows how the messages look (BEP 29), and keeps to nothing else.
struct Stranger(UdpSocket);

impl Stranger {
    fn new(target: &UtpEndpoint) -> Self {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        socket.connect(target.local_address()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    fn send(&self, kind: u8, connection: u16, (number, confirmed): (u16, u16), data: &[u8]) {
        let mut message = vec![kind << 4 | 1, 0];
        message.extend(connection.to_be_bytes());
        message.extend([0; 8]);
        message.extend((1_u32 << 20).to_be_bytes());
        message.extend(number.to_be_bytes());
        message.extend(confirmed.to_be_bytes());
        message.extend(data);
        self.0.send(&message).unwrap();
    }

    /// Connects; gives the number of the other side's first message.
    fn connect(&self, connection: u16) -> u16 {
        self.send(ST_SYN, connection, (1, 0), &[]);
        let mut answer = [0; 64];
        let bytes = self.0.recv(&mut answer).unwrap();
        assert!(bytes >= 20 && answer[0] >> 4 == ST_STATE);
        u16::from_be_bytes([answer[16], answer[17]])
    }
}

/// An honest peer says hello and is answered. While strangers hold all places, or what it says is lost
/// among theirs, it dials again, as peers do.
async fn say_hello(ours: &UtpEndpoint, theirs: &UtpEndpoint) {
    let to = ours.local_address();
    let times = Times {
        connect: DEADLINE,
        ..Times::default()
    };
    let connecting = async {
        loop {
            let dialed = theirs.connect(to, TORRENT, Encryption::Off, times).await;
            if let Ok(mut stream) = dialed {
                let talk = async {
                    stream.write_all(b"hello").await?;
                    stream.read_u8().await
                };
                if let Ok(Ok(answer)) = timeout(PATIENCE, talk).await {
                    assert_eq!(answer, b'!');
                    return stream;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let accepting = async {
        loop {
            let mut carrier: Carrier = ours.accept().await.unwrap();
            // Those of strangers are dropped.
            if carrier.address() != theirs.local_address() {
                continue;
            }
            let mut said = [0; 5];
            let heard = timeout(PATIENCE, carrier.read_exact(&mut said)).await;
            // One that the peer has given up says nothing more.
            if let Ok(Ok(_)) = heard {
                assert_eq!(&said, b"hello");
                carrier.write_all(b"!").await.unwrap();
                carrier.flush().await.unwrap();
                return carrier;
            }
        }
    };
    let both = async { tokio::join!(connecting, accepting) };
    timeout(DEADLINE, both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_says_no_more_keeps_nobody_out() {
    let (ours, theirs) = (endpoint(8).await, endpoint(8).await);
    let stranger = Stranger::new(&ours);
    for connection in 0..500 {
        stranger.send(ST_SYN, connection * 2, (1, 0), &[]);
    }
    say_hello(&ours, &theirs).await;
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

/// Data that can't be put together yet: each datagram is answered at once, and none is of use.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_more_than_was_allowed_fills_no_memory() {
    const MIB: u64 = 1024 * 1024;
    let (ours, theirs) = (endpoint(8).await, endpoint(8).await);
    let stranger = Stranger::new(&ours);
    let (kept, flooded) = tokio::task::block_in_place(|| {
        let first = stranger.connect(10);
        stranger.send(ST_DATA, 11, (2, first.wrapping_sub(1)), b"hello");
        let before = resident_bytes();
        let data = [7; 1400];
        let mut most = before;
        for count in 0..200_000_u32 {
            // The third message again and again, never the second.
            stranger.send(ST_DATA, 11, (4, first.wrapping_sub(1)), &data);
            if count % 1000 == 0 {
                most = most.max(resident_bytes());
            }
        }
        (most - before, 200_000 * 1400)
    });
    assert!(flooded > 256 * MIB && kept < 48 * MIB, "{kept} bytes more");
    let accepted = ours.accept().await.unwrap();
    let began = accept_on(accepted, &[TORRENT], Encryption::Off, Times::default());
    assert!(began.await.is_err(), "this was no handshake");
    say_hello(&ours, &theirs).await;
}
