//! Messages of the DHT (BEP 5), as they are over IPv6 (BEP 32).

use std::net::{SocketAddr, SocketAddrV6};

use super::{Contact, NodeId};
use crate::bencode::{BencodeError, Document, Limits, Node, Value};
use crate::wire::compact;

/// A datagram is no longer, in either direction.
pub const MAX_DATAGRAM_BYTES: usize = 1500;
/// What a message may nest and hold.
const LIMITS: Limits = Limits {
    depth: 6,
    items: 400,
};
/// Bytes by which a question is told from others.
const MAX_TRANSACTION: usize = 16;
/// Nodes that are taken from one answer.
const MAX_NODES: usize = 16;
/// Peers that are taken from one answer.
const MAX_PEERS: usize = 100;
/// Bytes of a token.
const MAX_TOKEN: usize = 64;
/// A node and its address.
const NODE_BYTES: usize = 38;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Chosen by who asks, and the same in the answer.
    pub transaction: Vec<u8>,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A question.
    Query {
        /// Who asks.
        id: NodeId,
        /// It answers nobody itself (BEP 43).
        read_only: bool,
        /// What it wants.
        query: Query,
    },
    /// An answer.
    Reply(Reply),
    /// A refusal.
    Error(i64),
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Are you there?
    Ping,
    /// Who is near?
    FindNode(NodeId),
    /// Who has it, and who is near?
    GetPeers(NodeId),
    /// I have it.
    Announce {
        /// What.
        target: NodeId,
        /// Where: none is where the question comes from.
        port: Option<u16>,
        /// That of the answer to [`Query::GetPeers`].
        token: Vec<u8>,
    },
    /// One that is not known here.
    Unknown,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who answers.
    pub id: NodeId,
    /// Nodes that are near.
    pub nodes: Vec<Contact>,
    /// Peers.
    pub peers: Vec<SocketAddrV6>,
    /// What an announce has to bring.
    pub token: Option<Vec<u8>>,
}

/// Why a datagram is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KrpcError {
    /// Not bencode, or too much of it.
    #[error("the datagram is broken: {0}")]
    Bencode(#[from] BencodeError),
    /// A field that must be there is not, or is out of its bounds.
    #[error("the field '{0}' is missing or broken")]
    Field(&'static str),
}

impl Message {
    /// Reads a datagram. Nodes and peers where nobody can be are left out.
    ///
    /// # Errors
    ///
    /// Refuses what is no message.
    pub fn decode(datagram: &[u8]) -> Result<Self, KrpcError> {
        let document = Document::read(datagram, LIMITS)?;
        let root = document.root();
        let text = |key| root.get(key).and_then(Node::text);
        let transaction = text("t").filter(|text| text.len() <= MAX_TRANSACTION);
        let transaction = transaction.ok_or(KrpcError::Field("t"))?.to_vec();
        let body = match text("y") {
            Some(b"q") => query(root)?,
            Some(b"r") => {
                let reply = root.get("r").ok_or(KrpcError::Field("r"))?;
                Body::Reply(Reply::read(reply)?)
            }
            Some(b"e") => {
                let mut error = root.get("e").and_then(Node::list);
                let code = error.as_mut().and_then(|list| list.next()?.number());
                Body::Error(code.unwrap_or_default())
            }
            _ => return Err(KrpcError::Field("y")),
        };
        Ok(Self { transaction, body })
    }

    /// The datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let transaction = ("t", Some(Value::text(&self.transaction)));
        let kind = |kind: &str| ("y", Some(Value::text(kind)));
        let dict = match &self.body {
            Body::Query {
                id,
                read_only,
                query,
            } => Value::dict([
                transaction,
                kind("q"),
                ("q", Some(Value::text(query.name()))),
                ("a", Some(query.arguments(id))),
                ("ro", read_only.then_some(Value::Number(1))),
            ]),
            Body::Reply(reply) => Value::dict([transaction, kind("r"), ("r", Some(reply.write()))]),
            Body::Error(code) => {
                let error = Value::List(vec![Value::Number(*code), Value::text("refused")]);
                Value::dict([transaction, kind("e"), ("e", Some(error))])
            }
        };
        dict.encode()
    }
}

fn id_of(dict: Node<'_, '_>, key: &'static str) -> Result<NodeId, KrpcError> {
    let bytes = dict.get(key).and_then(Node::text);
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(NodeId).ok_or(KrpcError::Field(key))
}

fn query(root: Node<'_, '_>) -> Result<Body, KrpcError> {
    let arguments = root.get("a").ok_or(KrpcError::Field("a"))?;
    let id = id_of(arguments, "id")?;
    let query = match root.get("q").and_then(Node::text) {
        Some(b"ping") => Query::Ping,
        Some(b"find_node") => Query::FindNode(id_of(arguments, "target")?),
        Some(b"get_peers") => Query::GetPeers(id_of(arguments, "info_hash")?),
        Some(b"announce_peer") => {
            let number = |key| arguments.get(key).and_then(Node::size);
            let port = match number("implied_port") {
                Some(implied) if implied != 0 => None,
                _ => {
                    let port = number("port").and_then(|port| u16::try_from(port).ok());
                    Some(
                        port.filter(|port| *port > 0)
                            .ok_or(KrpcError::Field("port"))?,
                    )
                }
            };
            let token = arguments.get("token").and_then(Node::text);
            let token = token.filter(|token| token.len() <= MAX_TOKEN);
            Query::Announce {
                target: id_of(arguments, "info_hash")?,
                port,
                token: token.ok_or(KrpcError::Field("token"))?.to_vec(),
            }
        }
        Some(_) => Query::Unknown,
        None => return Err(KrpcError::Field("q")),
    };
    let read_only = root.get("ro").and_then(Node::number) == Some(1);
    Ok(Body::Query {
        id,
        read_only,
        query,
    })
}

impl Query {
    fn name(&self) -> &'static str {
        match self {
            Self::Ping | Self::Unknown => "ping",
            Self::FindNode(_) => "find_node",
            Self::GetPeers(_) => "get_peers",
            Self::Announce { .. } => "announce_peer",
        }
    }

    fn arguments(&self, id: &NodeId) -> Value {
        let place = |place: &NodeId| Some(Value::text(place.0));
        let want = || Some(Value::List(vec![Value::text("n6")]));
        let id = ("id", place(id));
        match self {
            Self::Ping | Self::Unknown => Value::dict([id]),
            Self::FindNode(target) => {
                Value::dict([id, ("target", place(target)), ("want", want())])
            }
            Self::GetPeers(target) => {
                Value::dict([id, ("info_hash", place(target)), ("want", want())])
            }
            Self::Announce {
                target,
                port,
                token,
            } => Value::dict([
                id,
                ("info_hash", place(target)),
                ("implied_port", Some(Value::Number(port.is_none().into()))),
                ("port", Some(Value::size(port.unwrap_or(1).into()))),
                ("token", Some(Value::text(token))),
            ]),
        }
    }
}

/// The addresses of IPv6 at which somebody may be.
fn v6(bytes: &[u8; 18]) -> Option<SocketAddrV6> {
    match compact::v6(bytes) {
        SocketAddr::V6(address) if compact::can_be_peer(&address.into()) => Some(address),
        _ => None,
    }
}

impl Reply {
    fn read(dict: Node<'_, '_>) -> Result<Self, KrpcError> {
        let nodes = dict.get("nodes6").and_then(Node::text).unwrap_or_default();
        let nodes = nodes.as_chunks::<NODE_BYTES>().0.iter().take(MAX_NODES);
        let nodes = nodes.filter_map(|bytes| {
            let (id, address) = bytes.split_first_chunk::<20>()?;
            let address = v6(address.try_into().ok()?)?;
            Some(Contact {
                id: NodeId(*id),
                address,
            })
        });
        let peers = dict
            .get("values")
            .and_then(Node::list)
            .into_iter()
            .flatten();
        let peers = peers.filter_map(|peer| v6(peer.text()?.try_into().ok()?));
        let token = dict.get("token").and_then(Node::text);
        Ok(Self {
            id: id_of(dict, "id")?,
            nodes: nodes.collect(),
            peers: peers.take(MAX_PEERS).collect(),
            token: token
                .filter(|token| token.len() <= MAX_TOKEN)
                .map(<[u8]>::to_vec),
        })
    }

    fn write(&self) -> Value {
        let nodes = self.nodes.iter().flat_map(|node| {
            let mut bytes = node.id.0.to_vec();
            bytes.extend(compact::socket_bytes(node.address.into()));
            bytes
        });
        let nodes: Vec<u8> = nodes.collect();
        let peers = self.peers.iter();
        let peers = peers.map(|peer| Value::Text(compact::socket_bytes((*peer).into())));
        let peers: Vec<Value> = peers.collect();
        Value::dict([
            ("id", Some(Value::text(self.id.0))),
            ("nodes6", (!nodes.is_empty()).then_some(Value::Text(nodes))),
            ("values", (!peers.is_empty()).then_some(Value::List(peers))),
            ("token", self.token.as_ref().map(Value::text)),
        ])
    }
}
