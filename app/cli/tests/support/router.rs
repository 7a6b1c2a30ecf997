//! A small router that maps ports (UPnP IGD), with real sockets. Nothing is forwarded: it keeps a book.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The group to which routers listen.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";
/// Who opens a connection has so long to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it was asked, of mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To map a port: protocol, outside, client, inside, seconds.
    Add(String, u16, String, u16, u32),
    /// To end that: protocol, outside.
    Delete(String, u16),
}

/// What is odd about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trick {
    /// Nothing.
    #[default]
    None,
    /// These ports outside belong to another machine.
    Taken(Vec<u16>),
    /// Leases have to last.
    Permanent,
    /// It says that another device is to be asked.
    SendsTo(SocketAddrV4),
    /// It redirects there.
    Redirects(SocketAddrV4),
    /// Its description has no end.
    Endless,
    /// Its description nests without end.
    Deep,
    /// Its description is of another kind of device.
    Other,
}

/// A router that runs until the end of the test.
pub struct Router {
    search: SocketAddrV4,
    http: SocketAddrV4,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    address: String,
    trick: Trick,
    asked: Vec<Asked>,
    mapped: BTreeMap<(String, u16), u16>,
    sent_bytes: u64,
}

impl Router {
    /// At this address of the machine, found by asking the group or, with another port than 1900, that
    /// port alone. Outside it has the address `outside`.
    pub fn start(here: Ipv4Addr, port: u16, outside: &str, trick: Trick) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        if port == 1900 {
            socket.join_multicast_v4(&GROUP, &here).unwrap();
        }
        let listener = TcpListener::bind((here, 0)).unwrap();
        let http = SocketAddrV4::new(here, listener.local_addr().unwrap().port());
        let book = Arc::new(Mutex::new(Book {
            address: outside.to_owned(),
            trick,
            ..Book::default()
        }));
        let search = SocketAddrV4::new(here, socket.local_addr().unwrap().port());
        let own = Arc::clone(&book);
        std::thread::spawn(move || answer_searches(&socket, http, &own));
        let own = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let book = Arc::clone(&own);
                std::thread::spawn(move || answer(stream, &book));
            }
        });
        Self { search, http, book }
    }

    /// Where it hears searches.
    pub fn search(&self) -> SocketAddrV4 {
        self.search
    }

    /// Where it is asked.
    pub fn http(&self) -> SocketAddrV4 {
        self.http
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.book.lock().unwrap().asked.clone()
    }

    /// What is mapped now: protocol and port outside, and the port inside.
    pub fn mapped(&self) -> BTreeMap<(String, u16), u16> {
        self.book.lock().unwrap().mapped.clone()
    }

    /// Bytes of an endless description that somebody took.
    pub fn sent_bytes(&self) -> u64 {
        self.book.lock().unwrap().sent_bytes
    }

    /// Forgets all mappings, as one does that is switched off and on.
    pub fn forget(&self) {
        self.book.lock().unwrap().mapped.clear();
    }
}

fn answer_searches(socket: &UdpSocket, http: SocketAddrV4, book: &Mutex<Book>) {
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let wanted = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
        let for_us = asked.starts_with("M-SEARCH") && asked.contains(wanted);
        if !for_us || !asked.contains("\"ssdp:discover\"") {
            continue;
        }
        let place = match &book.lock().unwrap().trick {
            Trick::SendsTo(other) => *other,
            _ => http,
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {wanted}\r\nEXT:\r\nSERVER: test\r\n\
             LOCATION: http://{place}/root.xml\r\nUSN: uuid:1::{wanted}\r\n\r\n"
        );
        let _ = socket.send_to(answer.as_bytes(), from);
    }
}

fn answer(mut stream: TcpStream, book: &Mutex<Book>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let header = |name: &str| {
        let mut pairs = head.iter().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let first = head.first()?;
    if first.starts_with("GET /root.xml") {
        return describe(&mut stream, book);
    }
    if !first.starts_with("POST /control") {
        return reply(&mut stream, "404 Not Found", "");
    }
    let length: usize = header("content-length")?.parse().ok()?;
    let mut body = vec![0; length.min(65_536)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let action = header("soapaction")?;
    let action = action
        .trim_matches('"')
        .strip_prefix(SERVICE)?
        .strip_prefix('#')?
        .to_owned();
    let (status, said) = obey(&action, &body, &mut book.lock().unwrap());
    reply(&mut stream, status, &said)
}

fn describe(stream: &mut TcpStream, book: &Mutex<Book>) -> Option<()> {
    let trick = book.lock().unwrap().trick.clone();
    let service = match trick {
        Trick::Other => "urn:schemas-upnp-org:service:ContentDirectory:1",
        _ => SERVICE,
    };
    match trick {
        Trick::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<root>").ok()?;
            let spaces = [b' '; 16_384];
            loop {
                stream.write_all(&spaces).ok()?;
                book.lock().unwrap().sent_bytes += spaces.len() as u64;
            }
        }
        Trick::Redirects(to) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{to}/root.xml\r\nContent-Length: 0\r\n\r\n"
            );
            return stream.write_all(head.as_bytes()).ok();
        }
        Trick::Deep => return reply(stream, "200 OK", &"<a>".repeat(40_000)),
        _ => {}
    }
    let description = format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceType>\
         urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceList><device>\
         <serviceList><service><serviceType>{service}</serviceType><serviceId>x</serviceId><controlURL>/control\
         </controlURL><eventSubURL>/e</eventSubURL><SCPDURL>/s.xml</SCPDURL></service></serviceList></device>\
         </deviceList></device></deviceList></device></root>"
    );
    reply(stream, "200 OK", &description)
}

fn reply(stream: &mut TcpStream, status: &str, body: &str) -> Option<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n");
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .ok()
}

fn obey(action: &str, body: &str, book: &mut Book) -> (&'static str, String) {
    let field = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    let number = |name: &str| field(name).and_then(|text| text.parse::<u32>().ok());
    let port = |name: &str| number(name).and_then(|port| u16::try_from(port).ok());
    let done = |more: &str| {
        let said = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:{action}Response \
             xmlns:u=\"{SERVICE}\">{more}</u:{action}Response></s:Body></s:Envelope>"
        );
        ("200 OK", said)
    };
    let refuse = |code: u16| {
        let said = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Client\
             </faultcode><faultstring>UPnPError</faultstring><detail><UPnPError><errorCode>{code}</errorCode>\
             <errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
        );
        ("500 Internal Server Error", said)
    };
    let mapping = (field("NewProtocol"), port("NewExternalPort"));
    match (action, mapping) {
        ("GetExternalIPAddress", _) => done(&format!(
            "<NewExternalIPAddress>{}</NewExternalIPAddress>",
            book.address
        )),
        ("AddPortMapping", (Some(protocol), Some(outside))) => {
            let inside = (field("NewInternalClient"), port("NewInternalPort"));
            let ((Some(client), Some(inside)), Some(seconds)) =
                (inside, number("NewLeaseDuration"))
            else {
                return refuse(402);
            };
            let asked = Asked::Add(protocol.clone(), outside, client, inside, seconds);
            book.asked.push(asked);
            match &book.trick {
                Trick::Taken(taken) if taken.contains(&outside) => return refuse(718),
                Trick::Permanent if seconds > 0 => return refuse(725),
                _ => {}
            }
            book.mapped.insert((protocol, outside), inside);
            done("")
        }
        ("DeletePortMapping", (Some(protocol), Some(outside))) => {
            book.asked.push(Asked::Delete(protocol.clone(), outside));
            match book.mapped.remove(&(protocol, outside)) {
                Some(_) => done(""),
                None => refuse(714),
            }
        }
        _ => refuse(401),
    }
}
