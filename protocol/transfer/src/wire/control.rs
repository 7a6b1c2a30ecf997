//! The control stream `/potluck/swarm/1`: one for each downloader, provider and root.

use std::ops::Range;

use potluck_content::{Address, GROUP_BYTES, MAX_ENTRIES};
use potluck_identity::PeerId;
use serde::{Deserialize, Serialize};

use super::{PieceMap, WireError, ensure, spans};

/// Name of the protocol.
pub const PROTOCOL: &str = "/potluck/swarm/1";
/// Bytes of a frame without its prefix, at most.
pub const MAX_FRAME_BYTES: usize = 512 * 1024;
/// Ranges in one [`Message::Have`] or [`Message::Retract`], at most.
pub const MAX_RANGES: usize = 4096;
/// Peers in one [`Message::Peers`], at most.
pub const MAX_PEERS: usize = 16;
/// Addresses of one peer, at most.
pub const MAX_ADDRS: usize = 8;
/// Bytes of one address, at most.
pub const MAX_ADDR_BYTES: usize = 256;
/// A side that has been silent this long sends [`Message::Ping`].
pub const PING_SECONDS: u64 = 15;

const MAX_PROOF_BYTES: usize = 8 * 1024;
const PARENT_BYTES: usize = 64;

/// A message of the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The requester's first and only introduction.
    Hello(Hello),
    /// The provider's answer when it has (part of) the root.
    Welcome(Welcome),
    /// The provider's answer when it won't serve; the stream ends.
    Reject(Reject),
    /// More pieces that the sender has.
    Have(Have),
    /// Pieces that the sender has no longer.
    Retract(Retract),
    /// Other peers that take part.
    Peers(Peers),
    /// Nothing new; still here.
    Ping,
}

/// What a requester wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// What it is about.
    pub root: Address,
    /// The provider is to prove the size of the root blob.
    pub head: bool,
    /// The requester will serve what it has; providers may tell others of it.
    pub serving: bool,
}

/// What a provider has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// Bytes of the root blob: the file, or the folder's manifest.
    pub size: u64,
    /// The proof of the size, when asked for and at hand.
    pub head: Option<Head>,
    /// The pieces of the root that the provider has.
    pub have: PieceMap,
}

/// The last group of the root blob. Its proof fails for any other size than the true one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The parents above the last group, from the root down.
    #[serde(with = "serde_bytes")]
    pub proof: Vec<u8>,
    /// The bytes of the last group.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
}

/// Why a provider won't serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// It has nothing of the root.
    NotFound,
    /// It serves as many as it can; ask later.
    Busy,
    /// The requester misbehaved before.
    Banned,
    /// The root isn't for the requester.
    Private,
    /// It had the root, and the file isn't what it was.
    Changed,
}

/// More pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Have {
    /// Ascending ranges that don't touch.
    #[serde(with = "spans")]
    pub ranges: Vec<Range<u32>>,
}

/// Pieces that are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retract {
    /// Ascending ranges that don't touch.
    #[serde(with = "spans")]
    pub ranges: Vec<Range<u32>>,
    /// Why.
    pub reason: RetractReason,
}

/// Why pieces are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetractReason {
    /// A file isn't what it was.
    Changed,
    /// The owner stopped sharing.
    Removed,
}

/// Other peers that take part in the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Who and where.
    pub peers: Vec<PeerHint>,
}

/// A peer and where it may be reached: a hint, nothing is trusted in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerHint {
    /// Who.
    #[serde(with = "peer_id")]
    pub id: PeerId,
    /// Multiaddrs in their byte form; the receiver parses them.
    pub addrs: Vec<serde_bytes::ByteBuf>,
}

impl PeerHint {
    /// A hint with addresses in their byte form; those beyond the bounds are left out.
    #[must_use]
    pub fn new(id: PeerId, addrs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let fitting = addrs
            .into_iter()
            .filter(|addr| addr.len() <= MAX_ADDR_BYTES);
        Self {
            id,
            addrs: fitting
                .take(MAX_ADDRS)
                .map(serde_bytes::ByteBuf::from)
                .collect(),
        }
    }

    /// The addresses in their byte form.
    pub fn addrs(&self) -> impl Iterator<Item = &[u8]> {
        self.addrs.iter().map(|addr| addr.as_slice())
    }
}

impl Message {
    /// The frame of this message, prefix included.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        super::encode_frame(self, MAX_FRAME_BYTES)
    }

    /// The message in a frame without its prefix.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let message: Self = super::decode_body(body, MAX_FRAME_BYTES)?;
        message.check()?;
        Ok(message)
    }

    /// As many [`Message::Have`] as these ascending ranges take.
    pub fn have(ranges: &[Range<u32>]) -> impl Iterator<Item = Self> + '_ {
        ranges.chunks(MAX_RANGES).map(|part| {
            Self::Have(Have {
                ranges: part.to_vec(),
            })
        })
    }

    /// As many [`Message::Retract`] as these ascending ranges take.
    pub fn retract(
        ranges: &[Range<u32>],
        reason: RetractReason,
    ) -> impl Iterator<Item = Self> + '_ {
        let retract = move |part: &[Range<u32>]| Retract {
            ranges: part.to_vec(),
            reason,
        };
        ranges
            .chunks(MAX_RANGES)
            .map(move |part| Self::Retract(retract(part)))
    }

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Welcome(welcome) => welcome.check(),
            Self::Have(Have { ranges }) | Self::Retract(Retract { ranges, .. }) => {
                spans::check(ranges, MAX_RANGES)
            }
            Self::Peers(peers) => peers.check(),
            Self::Hello(_) | Self::Reject(_) | Self::Ping => Ok(()),
        }
    }
}

impl Welcome {
    fn check(&self) -> Result<(), WireError> {
        self.have.check()?;
        let Some(head) = &self.head else {
            return Ok(());
        };
        ensure(head.proof.len() <= MAX_PROOF_BYTES, "proof too long")?;
        ensure(
            head.proof.len().is_multiple_of(PARENT_BYTES),
            "proof is not a run of parents",
        )?;
        ensure(
            head.data.len() as u64 <= GROUP_BYTES,
            "head longer than a group",
        )
    }
}

impl Peers {
    fn check(&self) -> Result<(), WireError> {
        ensure(self.peers.len() <= MAX_PEERS, "too many peers")?;
        ensure(
            self.peers.iter().all(|peer| peer.addrs.len() <= MAX_ADDRS),
            "too many addresses",
        )?;
        let mut addrs = self.peers.iter().flat_map(|peer| &peer.addrs);
        ensure(
            addrs.all(|addr| addr.len() <= MAX_ADDR_BYTES),
            "address too long",
        )
    }
}

// The longest bitmap (2^21 full pieces of 16 MiB and one short piece for each entry of the largest manifest) leaves room
// for the head.
const _: () = assert!(((1 << 21) + MAX_ENTRIES) / 8 + 32 * 1024 <= MAX_FRAME_BYTES);

mod peer_id {
    use potluck_identity::PeerId;
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &PeerId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&id.to_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PeerId, D::Error> {
        let bytes: serde_bytes::ByteBuf = serde::Deserialize::deserialize(from)?;
        PeerId::from_bytes(&bytes).map_err(|_| D::Error::custom("not a peer id"))
    }
}
