//! What can go wrong, one type for each operation.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use crate::Channel;

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The identity cannot be used.
    #[error("the node's key cannot be used: {0}")]
    Key(String),
    /// Another program listens there.
    #[error("address {addr} is in use")]
    AddressInUse {
        /// The address asked for.
        addr: Multiaddr,
    },
    /// The system does not let this program listen there.
    #[error("no permission to listen on {addr}")]
    PermissionDenied {
        /// The address asked for.
        addr: Multiaddr,
    },
    /// No interface of this machine has the address.
    #[error("address {addr} is not one of this machine")]
    AddressNotAvailable {
        /// The address asked for.
        addr: Multiaddr,
    },
    /// No transport of this node can listen there.
    #[error("cannot listen on {addr}: not a supported kind of address")]
    AddressNotSupported {
        /// The address asked for.
        addr: Multiaddr,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {addr}: {reason}")]
    Listen {
        /// The address asked for.
        addr: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// The transports could not be set up.
    #[error("cannot set up transports: {0}")]
    Transport(String),
}

/// Why a peer was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DialError {
    /// No answer in time.
    #[error("no answer within {} s", after.as_secs())]
    Timeout {
        /// How long it was tried.
        after: Duration,
    },
    /// The other machine answered that nobody listens there.
    #[error("connection refused")]
    Refused,
    /// Someone answered, but as another peer.
    #[error("the peer there is {obtained}, not {expected}")]
    WrongPeer {
        /// Who was asked for.
        expected: PeerId,
        /// Who answered.
        obtained: PeerId,
    },
    /// The peer is banned on this node.
    #[error("the peer is banned")]
    Banned,
    /// The address is this node's own.
    #[error("the address is this node's own")]
    OwnAddress,
    /// A connection or memory limit is reached.
    #[error("limit reached: {0}")]
    Limit(String),
    /// No address of the peer is known.
    #[error("no address of the peer is known")]
    NoAddress,
    /// No transport of this node can use the address.
    #[error("not a supported kind of address: {0}")]
    UnsupportedAddress(Multiaddr),
    /// The handshake failed, for example because the other side is in another private network.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// Anything else.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Closed,
}

/// Why a stream was not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// There is no connection with the peer.
    #[error("not connected")]
    NotConnected,
    /// The peer does not speak the protocol. It may turn out only when the pipe is read, as an error of
    /// reading.
    #[error("the peer does not speak {}", .0.protocol())]
    Unsupported(Channel),
    /// The peer did not answer in time.
    #[error("no answer within {} s", after.as_secs())]
    Timeout {
        /// How long it was tried.
        after: Duration,
    },
    /// Too many streams wait to be opened with the peer.
    #[error("too many streams wait to be opened")]
    Busy,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(String),
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Closed,
}

/// Why a key could not be announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProvideError {
    /// This node announces as many keys as it can keep.
    #[error("already announcing {limit} keys")]
    TooMany {
        /// How many keys one node may announce.
        limit: usize,
    },
    /// The key is longer than a key may be.
    #[error("the key is longer than {limit} bytes")]
    KeyTooLong {
        /// How long a key may be.
        limit: usize,
    },
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Closed,
}
