//! A small tracker with real sockets, over HTTP, HTTPS and UDP.

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No head of a request is longer.
const MAX_HEAD: usize = 8192;
/// Who opens a connection has so long to ask.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the tracker over UDP gives everybody to connect with.
const CONNECTION: [u8; 8] = *b"\x01connect";

/// A tracker that runs until the end of the test.
pub struct Tracker {
    url: String,
    book: Arc<Mutex<Book>>,
}

/// Who announced what.
#[derive(Default)]
struct Book {
    peers: BTreeMap<[u8; 20], BTreeSet<SocketAddr>>,
    events: Vec<String>,
}

struct Announce {
    torrent: [u8; 20],
    peer: SocketAddr,
    event: String,
}

impl Tracker {
    /// On the web, at this address of the machine.
    pub fn http(ip: IpAddr) -> Self {
        Self::web("http", ip, Some)
    }

    /// On the web behind TLS, as `localhost`; its certificate is written to this file.
    pub fn https(certificate: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(certificate, made.cert.pem()).unwrap();
        let chain = vec![made.cert.der().clone()];
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let mut tracker = Self::web("https", [127, 0, 0, 1].into(), move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(StreamOwned::new(connection, stream))
        });
        tracker.url = tracker.url.replace("127.0.0.1", "localhost");
        tracker
    }

    fn web<S: Read + Write>(
        scheme: &str,
        ip: IpAddr,
        open: impl Fn(std::net::TcpStream) -> Option<S> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let url = format!("{scheme}://{}/announce", listener.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book::default()));
        let own = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (book, open) = (Arc::clone(&own), open.clone());
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).ok()?;
                    let from = stream.peer_addr().ok()?;
                    answer_http(open(stream)?, from, &book)
                });
            }
        });
        Self { url, book }
    }

    /// Over UDP, at this address of the machine.
    pub fn udp(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let url = format!("udp://{}/announce", socket.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book::default()));
        let own = Arc::clone(&book);
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer_udp(&buffer[..bytes], from, &own) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { url, book }
    }

    /// Where it is asked.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ports under which peers are known.
    pub fn ports(&self) -> BTreeSet<u16> {
        let book = self.book.lock().unwrap();
        let all = book.peers.values().flatten();
        all.map(SocketAddr::port).collect()
    }

    /// The events of all announces so far; regular ones are empty.
    pub fn events(&self) -> Vec<String> {
        self.book.lock().unwrap().events.clone()
    }
}

impl Book {
    /// Takes an announce; gives the others.
    fn announced(&mut self, announce: Announce) -> Vec<SocketAddr> {
        let Announce {
            torrent,
            peer,
            event,
        } = announce;
        let peers = self.peers.entry(torrent).or_default();
        peers.remove(&peer);
        let others = peers.iter().copied().collect();
        if event != "stopped" {
            peers.insert(peer);
        }
        self.events.push(event);
        others
    }
}

fn compact(peers: &[SocketAddr], is_ipv6: bool) -> Vec<u8> {
    let of_kind = peers.iter().filter(|peer| peer.is_ipv6() == is_ipv6);
    let bytes = of_kind.flat_map(|peer| {
        let mut bytes = match peer.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.extend(peer.port().to_be_bytes());
        bytes
    });
    bytes.collect()
}

/// Reads the head of a request; gives what follows its method.
pub fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        (head.len() < MAX_HEAD).then_some(())?;
    }
    let head = String::from_utf8(head).ok()?;
    head.split(' ').nth(1).map(ToOwned::to_owned)
}

fn answer_http(mut stream: impl Read + Write, from: SocketAddr, book: &Mutex<Book>) -> Option<()> {
    let path = read_request(&mut stream)?;
    let (mut torrent, mut port, mut event) = (None, None, String::new());
    for pair in path.split_once('?')?.1.split('&') {
        let (name, value) = pair.split_once('=')?;
        match name {
            "info_hash" => {
                let bytes: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
                torrent = bytes.try_into().ok();
            }
            "port" => port = value.parse().ok(),
            "event" => value.clone_into(&mut event),
            _ => {}
        }
    }
    let others = book.lock().unwrap().announced(Announce {
        torrent: torrent?,
        peer: SocketAddr::new(from.ip(), port?),
        event,
    });
    let mut body = b"d8:intervali60e".to_vec();
    for (name, is_ipv6) in [("5:peers", false), ("6:peers6", true)] {
        let peers = compact(&others, is_ipv6);
        body.extend(format!("{name}{}:", peers.len()).bytes());
        body.extend(peers);
    }
    body.push(b'e');
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    stream.flush().ok()
}

fn answer_udp(asked: &[u8], from: SocketAddr, book: &Mutex<Book>) -> Option<Vec<u8>> {
    let (action, transaction) = (asked.get(8..12)?, asked.get(12..16)?);
    let body = match action {
        [0, 0, 0, 0] => CONNECTION.to_vec(),
        [0, 0, 0, 1] if asked.starts_with(&CONNECTION) => {
            let events = ["", "completed", "started", "stopped"];
            let port = asked.get(96..98)?.try_into().ok()?;
            let others = book.lock().unwrap().announced(Announce {
                torrent: asked.get(16..36)?.try_into().ok()?,
                peer: SocketAddr::new(from.ip(), u16::from_be_bytes(port)),
                event: (*events.get(usize::from(*asked.get(83)?))?).to_owned(),
            });
            let numbers = [60_u32, 0, 0].map(u32::to_be_bytes).concat();
            [numbers, compact(&others, from.is_ipv6())].concat()
        }
        _ => return None,
    };
    Some([action, transaction, &body].concat())
}
