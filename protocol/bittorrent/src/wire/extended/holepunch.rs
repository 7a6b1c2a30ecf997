//! Bringing two peers together that can't be reached (BEP 55).

use std::net::SocketAddr;

use super::{ExtendedError, compact};

/// A message about a peer that is to be reached.
///
/// Who wants to reach a peer sends [`HolepunchKind::Rendezvous`] to one that is connected to both,
/// which sends [`HolepunchKind::Connect`] to both; they then connect to each other over uTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holepunch {
    /// What is to be done.
    pub kind: HolepunchKind,
    /// The peer that it is about.
    pub addr: SocketAddr,
}

/// What is to be done about a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolepunchKind {
    /// Bring us together.
    Rendezvous,
    /// Connect to it, now.
    Connect,
    /// It can't be done.
    Failed(HolepunchFailure),
}

/// Why two peers can't be brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HolepunchFailure {
    /// There can't be a peer at the address.
    NoSuchPeer,
    /// The one that was asked is not connected to it.
    NotConnected,
    /// It doesn't take the extension.
    NoSupport,
    /// It is the one that was asked.
    NoSelf,
    /// A reason that is not known here.
    Other(u32),
}

impl HolepunchFailure {
    fn decode(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            other => Self::Other(other),
        }
    }

    fn encode(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(other) => other,
        }
    }
}

impl Holepunch {
    /// Reads the payload of a message. Some leave out the code where nothing failed.
    ///
    /// # Errors
    ///
    /// Refuses other lengths than such messages have, and kinds of messages and addresses that are not
    /// known.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let bytes = payload.len();
        let length = ExtendedError::Length { bytes };
        let (&[kind, family], rest) = payload.split_first_chunk().ok_or(length)?;
        let (addr, code) = match family {
            0 => {
                let (addr, code) = rest.split_first_chunk().ok_or(length)?;
                (compact::v4(addr), code)
            }
            1 => {
                let (addr, code) = rest.split_first_chunk().ok_or(length)?;
                (compact::v6(addr), code)
            }
            _ => return Err(ExtendedError::Field { field: "addr_type" }),
        };
        let code = match code.len() {
            0 => None,
            _ => Some(u32::from_be_bytes(code.try_into().map_err(|_| length)?)),
        };
        let kind = match kind {
            0 => HolepunchKind::Rendezvous,
            1 => HolepunchKind::Connect,
            2 => HolepunchKind::Failed(HolepunchFailure::decode(code.ok_or(length)?)),
            _ => return Err(ExtendedError::Field { field: "msg_type" }),
        };
        Ok(Self { kind, addr })
    }

    /// The payload of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, code) = match self.kind {
            HolepunchKind::Rendezvous => (0, 0),
            HolepunchKind::Connect => (1, 0),
            HolepunchKind::Failed(failure) => (2, failure.encode()),
        };
        let mut payload = vec![kind, u8::from(self.addr.is_ipv6())];
        payload.extend(compact::socket_bytes(self.addr));
        payload.extend_from_slice(&code.to_be_bytes());
        payload
    }
}
