//! What peers tell of themselves (BEP 10).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ExtendedError, Extension, compact, with_dict};
use crate::MAX_INFO_BYTES;
use crate::bencode::{Node, Value};

/// Most characters of the name of a program that are kept.
pub const MAX_CLIENT_CHARS: usize = 64;

/// The handshake of extensions: which the sender takes, and more about it. It may come again when
/// something changes. What is broken or unknown is left out, as others do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// The numbers that the sender gives to extensions; 0 ends one. Extensions that are not here stay
    /// as they were (`m`).
    pub messages: BTreeMap<Extension, u8>,
    /// The sender's program, without characters that control a terminal (`v`).
    pub client: Option<String>,
    /// The port where the sender listens (`p`).
    pub port: Option<u16>,
    /// How many requests the sender keeps at a time (`reqq`).
    pub max_requests: Option<u32>,
    /// Bytes of the info dictionary, if the sender has it: 1 to [`MAX_INFO_BYTES`] (`metadata_size`,
    /// BEP 9).
    pub metadata_bytes: Option<u32>,
    /// The address from which the receiver comes, as the sender sees it (`yourip`).
    pub your_ip: Option<IpAddr>,
    /// An address of the sender (`ipv4`).
    pub ipv4: Option<Ipv4Addr>,
    /// An address of the sender (`ipv6`).
    pub ipv6: Option<Ipv6Addr>,
    /// Whether the sender wants nothing: it has all, or all that it selected (`upload_only`, BEP 21).
    pub upload_only: Option<bool>,
    /// Whether the sender would rather have encrypted connections (`e`).
    pub prefers_encryption: Option<bool>,
}

/// The numbers with which a peer wants its messages, from all the handshakes that it sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerExtensions(BTreeMap<Extension, u8>);

impl ExtendedHandshake {
    /// A handshake in which we take these extensions.
    #[must_use]
    pub fn taking(extensions: impl IntoIterator<Item = Extension>) -> Self {
        let extensions = extensions.into_iter();
        Self {
            messages: extensions.map(|taken| (taken, taken.id())).collect(),
            ..Self::default()
        }
    }

    /// Reads the payload of a handshake. What follows its end is ignored, as others do.
    ///
    /// # Errors
    ///
    /// Refuses what is not a dictionary in bencode.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        with_dict(payload, |dict, _| Ok(Self::read(dict)))
    }

    fn read(dict: Node<'_, '_>) -> Self {
        let text = |key| dict.get(key).and_then(Node::text);
        let flag = |key| dict.get(key).and_then(Node::number).map(|flag| flag != 0);
        let metadata_bytes = number::<u32>(dict, "metadata_size");
        Self {
            messages: dict.get("m").map(messages).unwrap_or_default(),
            client: text("v").and_then(client),
            port: number(dict, "p").filter(|port| *port > 0),
            max_requests: number(dict, "reqq"),
            metadata_bytes: metadata_bytes
                .filter(|bytes| (1..=MAX_INFO_BYTES).contains(&(*bytes as usize))),
            your_ip: text("yourip").and_then(compact::ip),
            ipv4: text("ipv4").and_then(|ip| match compact::ip(ip)? {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            }),
            ipv6: text("ipv6").and_then(|ip| match compact::ip(ip)? {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            }),
            upload_only: flag("upload_only"),
            prefers_encryption: flag("e"),
        }
    }

    /// The payload of the handshake.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size = |number: Option<u32>| number.map(|number| Value::size(number.into()));
        let flag = |flag: Option<bool>| flag.map(|flag| Value::Number(flag.into()));
        let ip = |ip: Option<IpAddr>| ip.map(|ip| Value::Text(compact::ip_bytes(ip)));
        let messages = self.messages.iter();
        let messages =
            messages.map(|(extension, id)| (extension.name(), Some(Value::size((*id).into()))));
        let dict = Value::dict([
            ("m", Some(Value::dict(messages))),
            ("v", self.client.as_ref().map(Value::text)),
            ("p", size(self.port.map(u32::from))),
            ("reqq", size(self.max_requests)),
            ("metadata_size", size(self.metadata_bytes)),
            ("yourip", ip(self.your_ip)),
            ("ipv4", ip(self.ipv4.map(IpAddr::V4))),
            ("ipv6", ip(self.ipv6.map(IpAddr::V6))),
            ("upload_only", flag(self.upload_only)),
            ("e", flag(self.prefers_encryption)),
        ]);
        dict.encode()
    }
}

fn number<T: TryFrom<i64>>(dict: Node<'_, '_>, key: &str) -> Option<T> {
    T::try_from(dict.get(key)?.number()?).ok()
}

fn messages(dict: Node<'_, '_>) -> BTreeMap<Extension, u8> {
    let mut messages = BTreeMap::new();
    for (name, id) in dict.dict().into_iter().flatten() {
        let id = id.number().and_then(|id| u8::try_from(id).ok());
        if let (Some(extension), Some(id)) = (Extension::named(name), id) {
            messages.entry(extension).or_insert(id);
        }
    }
    messages
}

/// The name of a program, as it may be shown.
fn client(text: &[u8]) -> Option<String> {
    // No character has more bytes.
    let text = text.get(..4 * MAX_CLIENT_CHARS).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().filter(|c| !c.is_control());
    let shown: String = shown.take(MAX_CLIENT_CHARS).collect();
    (!shown.is_empty()).then_some(shown)
}

impl PeerExtensions {
    /// Takes in a handshake of the peer, the first or a later one.
    pub fn apply(&mut self, handshake: &ExtendedHandshake) {
        for (extension, id) in &handshake.messages {
            if *id == 0 {
                self.0.remove(extension);
            } else {
                self.0.insert(*extension, *id);
            }
        }
    }

    /// The number with which to send to the peer. None when it doesn't take the extension.
    #[must_use]
    pub fn id_of(&self, extension: Extension) -> Option<u8> {
        self.0.get(&extension).copied()
    }
}
