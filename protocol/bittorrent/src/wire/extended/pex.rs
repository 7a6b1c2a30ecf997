//! Peers that peers know (BEP 11).

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{ExtendedError, compact, with_dict};
use crate::bencode::{Node, Value};

/// Most peers that one message adds, and most that it drops.
pub const MAX_PEX_PEERS: usize = 50;

/// What changed in whom a peer is connected to. Only hints: nothing in it is to be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pex {
    /// Peers that it is connected to now.
    pub added: Vec<PexPeer>,
    /// Peers that it is connected to no longer.
    pub dropped: Vec<SocketAddr>,
}

/// A peer that somebody is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PexPeer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What is said of it.
    pub flags: PexFlags,
}

/// What is said of a peer. Bits of unknown meaning are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PexFlags {
    /// Would rather have encrypted connections.
    pub prefers_encryption: bool,
    /// Wants nothing.
    pub upload_only: bool,
    /// Can be reached over uTP.
    pub utp: bool,
    /// Can be reached with help ([`super::Holepunch`]).
    pub holepunch: bool,
    /// Could be reached: the sender connected to it.
    pub reachable: bool,
}

impl PexFlags {
    fn decode(bits: u8) -> Self {
        Self {
            prefers_encryption: bits & 0x01 != 0,
            upload_only: bits & 0x02 != 0,
            utp: bits & 0x04 != 0,
            holepunch: bits & 0x08 != 0,
            reachable: bits & 0x10 != 0,
        }
    }

    fn encode(self) -> u8 {
        let bit = |is_set, bit| if is_set { bit } else { 0_u8 };
        bit(self.prefers_encryption, 0x01)
            | bit(self.upload_only, 0x02)
            | bit(self.utp, 0x04)
            | bit(self.holepunch, 0x08)
            | bit(self.reachable, 0x10)
    }
}

impl Pex {
    /// Reads the payload of a message. Addresses where no peer can be, repeated ones, those that are
    /// added and dropped at once, and those beyond [`MAX_PEX_PEERS`] are left out.
    ///
    /// # Errors
    ///
    /// Refuses what is not a dictionary in bencode.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        with_dict(payload, |dict, _| Ok(Self::read(dict)))
    }

    fn read(dict: Node<'_, '_>) -> Self {
        let text = |key| dict.get(key).and_then(Node::text).unwrap_or_default();
        let flags = |key| {
            let bits = text(key).iter().copied().chain(std::iter::repeat(0));
            bits.map(PexFlags::decode)
        };
        let v4 = |key| text(key).as_chunks().0.iter().map(compact::v4);
        let v6 = |key| text(key).as_chunks().0.iter().map(compact::v6);
        let added = v4("added").zip(flags("added.f"));
        let added = added.chain(v6("added6").zip(flags("added6.f")));
        let mut seen = BTreeSet::new();
        let mut is_new = |addr: &SocketAddr| compact::can_be_peer(addr) && seen.insert(*addr);
        let added = added.filter(|(addr, _)| is_new(addr));
        let added = added.map(|(addr, flags)| PexPeer { addr, flags });
        let added = added.take(MAX_PEX_PEERS).collect();
        let dropped = v4("dropped").chain(v6("dropped6"));
        let dropped = dropped.filter(|addr| is_new(addr));
        Self {
            added,
            dropped: dropped.take(MAX_PEX_PEERS).collect(),
        }
    }

    /// The payload of the message, with at most [`MAX_PEX_PEERS`] of each.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let added = self.added.iter().take(MAX_PEX_PEERS);
        let dropped = self.dropped.iter().take(MAX_PEX_PEERS);
        let list = |addrs: &mut dyn Iterator<Item = SocketAddr>| {
            Some(Value::Text(addrs.flat_map(compact::socket_bytes).collect()))
        };
        let flags = |is_v4: bool| {
            let peers = added.clone().filter(|peer| peer.addr.is_ipv4() == is_v4);
            let bits: Vec<u8> = peers.map(|peer| peer.flags.encode()).collect();
            Some(Value::Text(bits))
        };
        let added = |is_v4: bool| {
            let addrs = added.clone().map(|peer| peer.addr);
            list(&mut addrs.filter(|addr| addr.is_ipv4() == is_v4))
        };
        let dropped = |is_v4: bool| {
            let addrs = dropped.clone().copied();
            list(&mut addrs.filter(|addr| addr.is_ipv4() == is_v4))
        };
        let dict = Value::dict([
            ("added", added(true)),
            ("added.f", flags(true)),
            ("added6", added(false)),
            ("added6.f", flags(false)),
            ("dropped", dropped(true)),
            ("dropped6", dropped(false)),
        ]);
        dict.encode()
    }
}
