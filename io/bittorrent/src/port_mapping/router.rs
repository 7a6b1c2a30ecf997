//! Finding the router, and what it is asked (UPnP Internet Gateway Device 1 and 2). Everything that it
//! says is bounded, and it is asked at the address alone from which it answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use futures::future::join_all;
use if_addrs::get_if_addrs;
use reqwest::{Client, Url, redirect};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::xml::{Leaf, leaves, text};
use super::{MappingError, Protocol};

/// Where routers are searched (SSDP).
pub(super) const SEARCH: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900);

/// What is searched.
const TARGETS: [&str; 2] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
];
/// What maps ports, the best first.
const SERVICES: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];
/// Interfaces on which is searched, at most.
const MAX_INTERFACES: usize = 16;
/// Answers that are looked at, at most. All that hear it may answer.
const MAX_ANSWERS: usize = 32;
/// Devices that are asked what they are, at most.
const MAX_DEVICES: usize = 4;
/// An answer to a search is longer in no case.
const MAX_DATAGRAM: usize = 2048;
/// Bytes of what a device says of itself, at most.
const MAX_DESCRIPTION: usize = 128 * 1024;
/// Bytes of an answer to a question, at most.
const MAX_ANSWER: usize = 16 * 1024;
/// A question is answered within this time.
const ASK_TIME: Duration = Duration::from_secs(5);

/// A device that maps ports.
#[derive(Clone, Debug)]
pub(super) struct Router {
    client: Client,
    /// Where it is asked.
    control: Url,
    service: &'static str,
    /// Its address.
    pub(super) ip: IpAddr,
}

/// Searches for a router for so long, and asks who answers what it is.
pub(super) async fn find(search: SocketAddrV4, patience: Duration) -> Result<Router, MappingError> {
    let client = client()?;
    let mut sockets = open(search)?;
    for socket in &sockets {
        for target in TARGETS {
            let asked = format!(
                "M-SEARCH * HTTP/1.1\r\nHOST: {search}\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: {target}\r\n\r\n"
            );
            if let Err(error) = socket.send_to(asked.as_bytes(), search).await {
                tracing::trace!(%error, "no search for a router from here");
            }
        }
    }
    let deadline = Instant::now() + patience;
    let mut known: Vec<Url> = Vec::new();
    for _ in 0..MAX_ANSWERS {
        let Ok((datagram, from)) = timeout_at(deadline, receive(&mut sockets)).await else {
            break;
        };
        let Some(place) = location(&datagram, from) else {
            continue;
        };
        if known.contains(&place) {
            continue;
        }
        if known.len() >= MAX_DEVICES {
            break;
        }
        known.push(place.clone());
        match Router::at(&client, &place, from).await {
            Ok(router) => return Ok(router),
            Err(error) => tracing::debug!(%place, %error, "no router that maps ports"),
        }
    }
    Err(MappingError::NoRouter)
}

/// A socket for each interface that may lead to a router: a group is reached by one only.
fn open(search: SocketAddrV4) -> Result<Vec<UdpSocket>, MappingError> {
    let of = |ip: Ipv4Addr| -> io::Result<UdpSocket> {
        let socket = std::net::UdpSocket::bind((ip, 0))?;
        if search.ip().is_multicast() {
            let reference = socket2::SockRef::from(&socket);
            reference.set_multicast_if_v4(&ip)?;
            reference.set_multicast_ttl_v4(2)?;
        }
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    if !search.ip().is_multicast() {
        return Ok(vec![of(Ipv4Addr::UNSPECIFIED)?]);
    }
    let interfaces = get_if_addrs()?.into_iter();
    let here = interfaces.filter_map(|interface| match interface.ip() {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
        _ => None,
    });
    Ok(here
        .take(MAX_INTERFACES)
        .filter_map(|ip| of(ip).ok())
        .collect())
}

/// The next datagram that comes at any of them.
async fn receive(sockets: &mut [UdpSocket]) -> (Vec<u8>, SocketAddr) {
    loop {
        if sockets.is_empty() {
            return std::future::pending().await;
        }
        let all = sockets.iter().map(|socket| Box::pin(socket.readable()));
        let (_, index, _) = futures::future::select_all(all).await;
        let mut buffer = [0; MAX_DATAGRAM];
        let got = sockets
            .get(index)
            .map(|socket| socket.try_recv_from(&mut buffer));
        if let Some(Ok((length, from))) = got {
            return (buffer.get(..length).unwrap_or_default().to_vec(), from);
        }
    }
}

/// Where a device tells what it is. It speaks for itself alone.
fn location(datagram: &[u8], from: SocketAddr) -> Option<Url> {
    let said = std::str::from_utf8(datagram).ok()?;
    let mut lines = said.split("\r\n");
    let status = lines.next()?;
    if !status.starts_with("HTTP/1.") || status.split(' ').nth(1) != Some("200") {
        return None;
    }
    let place = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim())
    })?;
    let url = Url::parse(place).ok()?;
    is_of(&url, from.ip()).then_some(url)
}

/// Whether an address of the web is at this machine, and nowhere else.
fn is_of(url: &Url, ip: IpAddr) -> bool {
    let host = url.host_str().and_then(|host| host.parse::<IpAddr>().ok());
    url.scheme() == "http" && host == Some(ip)
}

/// Asks devices: they send nobody elsewhere, and no proxy stands between.
fn client() -> Result<Client, MappingError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = Client::builder()
        .user_agent(concat!("potluck/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_title_case_headers()
        // Many close a connection after one answer, without a word.
        .pool_max_idle_per_host(0)
        .timeout(ASK_TIME)
        .build();
    built.map_err(|error| MappingError::Http(error.to_string()))
}

/// Reads an answer of at most so many bytes.
async fn body(mut answer: reqwest::Response, most: usize) -> Result<String, MappingError> {
    let broke = |error: reqwest::Error| MappingError::Http(error.to_string());
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broke)? {
        if bytes.len() + chunk.len() > most {
            return Err(MappingError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| MappingError::Nonsense)
}

impl Router {
    async fn at(client: &Client, place: &Url, from: SocketAddr) -> Result<Self, MappingError> {
        let broke = |error: reqwest::Error| MappingError::Http(error.to_string());
        let answer = client.get(place.clone()).send().await.map_err(broke)?;
        let answer = answer.error_for_status().map_err(broke)?;
        let description = body(answer, MAX_DESCRIPTION).await?;
        let leaves = leaves(&description).ok_or(MappingError::Nonsense)?;
        let (service, path) = service(&leaves).ok_or(MappingError::NoService)?;
        let base = text(&leaves, "URLBase").and_then(|base| Url::parse(base).ok());
        let base = base.unwrap_or_else(|| place.clone());
        let control = base.join(path).map_err(|_| MappingError::Nonsense)?;
        if !is_of(&control, from.ip()) {
            return Err(MappingError::Elsewhere);
        }
        Ok(Self {
            client: client.clone(),
            control,
            service,
            ip: from.ip(),
        })
    }

    /// The address that it has outside.
    pub(super) async fn external_address(&self) -> Result<Ipv4Addr, MappingError> {
        let answer = self.ask("GetExternalIPAddress", &[]).await?;
        let address = text(&answer, "NewExternalIPAddress");
        let address = address.and_then(|text| text.parse().ok());
        address.ok_or(MappingError::Nonsense)
    }

    /// Has a port lead here for so many seconds; 0 is until it is taken back.
    pub(super) async fn map(
        &self,
        protocol: Protocol,
        (outside, inside): (u16, u16),
        seconds: u32,
    ) -> Result<(), MappingError> {
        let (outside, inside) = (outside.to_string(), inside.to_string());
        let (here, seconds) = (here(self.ip)?.to_string(), seconds.to_string());
        let asked = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", &outside),
            ("NewProtocol", protocol.name()),
            ("NewInternalPort", &inside),
            ("NewInternalClient", &here),
            ("NewEnabled", "1"),
            ("NewPortMappingDescription", "Potluck"),
            ("NewLeaseDuration", &seconds),
        ];
        self.ask("AddPortMapping", &asked).await.map(drop)
    }

    /// Takes that back.
    pub(super) async fn unmap(&self, protocol: Protocol, outside: u16) -> Result<(), MappingError> {
        let outside = outside.to_string();
        let asked = [
            ("NewRemoteHost", ""),
            ("NewExternalPort", outside.as_str()),
            ("NewProtocol", protocol.name()),
        ];
        self.ask("DeletePortMapping", &asked).await.map(drop)
    }

    /// Takes several back at once; it is not said who refused.
    pub(super) async fn unmap_all(&self, mapped: &[(Protocol, u16)]) {
        let all = mapped
            .iter()
            .map(|(protocol, outside)| self.unmap(*protocol, *outside));
        for error in join_all(all).await.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "the router keeps a port");
        }
    }

    async fn ask(&self, action: &str, asked: &[(&str, &str)]) -> Result<Vec<Leaf>, MappingError> {
        let broke = |error: reqwest::Error| MappingError::Http(error.to_string());
        let service = self.service;
        let asked: String = asked
            .iter()
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        let envelope = format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{action} \
             xmlns:u=\"{service}\">{asked}</u:{action}></s:Body></s:Envelope>\r\n"
        );
        let request = self
            .client
            .post(self.control.clone())
            .header("Content-Type", "text/xml; charset=\"utf-8\"")
            .header("SOAPAction", format!("\"{service}#{action}\""))
            .body(envelope);
        let answer = request.send().await.map_err(broke)?;
        let status = answer.status();
        let said = leaves(&body(answer, MAX_ANSWER).await?);
        if status.is_success() {
            return said.ok_or(MappingError::Nonsense);
        }
        let said = said.unwrap_or_default();
        let code = text(&said, "errorCode").and_then(|code| code.parse().ok());
        Err(code.map_or(MappingError::Status(status.as_u16()), MappingError::Refused))
    }
}

/// The best service of a device, and where it is asked.
fn service(leaves: &[Leaf]) -> Option<(&'static str, &str)> {
    SERVICES.into_iter().find_map(|service| {
        let named = leaves
            .iter()
            .find(|leaf| leaf.name == "serviceType" && leaf.text == service)?;
        let mut beside = leaves.iter().filter(|leaf| leaf.parent == named.parent);
        let control = beside.find(|leaf| leaf.name == "controlURL")?;
        Some((service, control.text.as_str()))
    })
}

/// This machine's address on the way to another. Nothing is sent.
fn here(other: IpAddr) -> Result<Ipv4Addr, MappingError> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((other, 1900))?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(here) => Ok(here),
        IpAddr::V6(_) => Err(MappingError::Nonsense),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_speaks_for_itself_alone() {
        let from = "192.168.1.1:1900".parse().unwrap();
        let said = |status: &str, place: &str| {
            let datagram = format!("HTTP/1.1 {status}\r\nST: x\r\nLocation: {place}\r\n\r\n");
            location(datagram.as_bytes(), from).map(String::from)
        };
        let own = "http://192.168.1.1:5000/root.xml";
        assert_eq!(said("200 OK", own).as_deref(), Some(own));
        assert_eq!(said("404 No", own), None);
        for other in [
            "http://192.168.1.2:5000/root.xml",
            "http://router/root.xml",
            "https://192.168.1.1/root.xml",
            "file:///etc/passwd",
            "/root.xml",
        ] {
            assert_eq!(said("200 OK", other), None, "{other}");
        }
        assert_eq!(location(b"NOTIFY * HTTP/1.1\r\n\r\n", from), None);
        assert_eq!(location(&[0xff; 100], from), None);
    }

    #[test]
    fn the_best_service_is_taken() {
        let of = |kind: &str, path: &str| {
            format!(
                "<service><controlURL>{path}</controlURL><serviceType>urn:schemas-upnp-org:service:{kind}\
                 </serviceType></service>"
            )
        };
        let document = format!(
            "<root><device><serviceList>{}{}{}</serviceList></device></root>",
            of("Layer3Forwarding:1", "/no"),
            of("WANPPPConnection:1", "/ppp"),
            of("WANIPConnection:1", "/ip")
        );
        let leaves = leaves(&document).unwrap();
        assert_eq!(service(&leaves), Some((SERVICES[1], "/ip")));
        assert_eq!(service(&leaves[..2]), None);
    }
}
