//! The bulk stream `/potluck/bulk/1`: a requester asks for spans, the server answers with proofs and raw bytes.
//!
//! No length in a reply comes from the wire: the requester knows each from what it asked for, so that short and endless
//! replies can't go unnoticed.

use std::ops::Range;

use potluck_content::tree::Geometry;
use potluck_content::{Address, GROUP_BYTES, Hash, PieceLayout};
use serde::{Deserialize, Serialize};

use super::{WireError, ensure};

/// Name of the protocol.
pub const PROTOCOL: &str = "/potluck/bulk/1";
/// Bytes of a requester's frame without its prefix, at most.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Items in a request, at most.
pub const MAX_ITEMS: usize = 256;
/// Bytes of data that a request may ask for.
pub const MAX_REQUEST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a reply header.
pub const HEADER_BYTES: usize = 7;

/// A message of the requester.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Send these spans.
    Request(Request),
    /// Don't go on with a request.
    Cancel(Cancel),
}

/// Spans that are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The requester's name for it, unique on this stream.
    pub id: u32,
    /// The root to which the blobs belong.
    pub root: Address,
    /// The spans in the order in which they are to be sent.
    pub items: Vec<Item>,
}

/// A request that isn't wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Which one.
    pub id: u32,
}

/// A span of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ItemTuple", into = "ItemTuple")]
pub struct Item {
    /// The blob.
    pub hash: Hash,
    /// Its bytes, as the requester knows them.
    pub size: u64,
    /// The first group.
    pub first_group: u64,
    /// How many groups.
    pub groups: u64,
}

/// On the wire an item is a list, not a map: there may be 256.
#[derive(Serialize, Deserialize)]
struct ItemTuple(Hash, u64, u64, u64);

impl From<ItemTuple> for Item {
    fn from(ItemTuple(hash, size, first_group, groups): ItemTuple) -> Self {
        Self {
            hash,
            size,
            first_group,
            groups,
        }
    }
}

impl From<Item> for ItemTuple {
    fn from(item: Item) -> Self {
        Self(item.hash, item.size, item.first_group, item.groups)
    }
}

impl Item {
    /// The groups as a span.
    #[must_use]
    pub fn span(&self) -> Range<u64> {
        self.first_group..self.first_group.saturating_add(self.groups)
    }

    /// The shape of the blob's tree.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        Geometry::new(self.size)
    }

    /// Raw bytes of the span.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        self.geometry().span_len(self.span())
    }

    /// Bytes of the proof ahead of the raw bytes.
    #[must_use]
    pub fn proof_len(&self) -> usize {
        self.geometry().proof_len(&self.span())
    }

    fn check(&self) -> Result<(), WireError> {
        let end = self.first_group.checked_add(self.groups);
        let span = end.map(|end| self.first_group..end);
        let inside = span.is_some_and(|span| self.geometry().contains(&span));
        ensure(inside, "span outside of its blob")
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

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Request(request) => request.check(),
            Self::Cancel(_) => Ok(()),
        }
    }
}

impl Request {
    /// Raw bytes of all items.
    #[must_use]
    pub fn data_len(&self) -> u64 {
        self.items
            .iter()
            .fold(0, |sum, item| sum.saturating_add(item.data_len()))
    }

    fn check(&self) -> Result<(), WireError> {
        ensure(!self.items.is_empty(), "no items")?;
        ensure(self.items.len() <= MAX_ITEMS, "too many items")?;
        self.items.iter().try_for_each(Item::check)?;
        ensure(
            self.data_len() <= MAX_REQUEST_BYTES,
            "too many bytes asked for",
        )
    }
}

/// How the answer to an item begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Proof and bytes follow.
    Ok = 0,
    /// The server never had this span.
    NotHave = 1,
    /// The server had it; the file changed or isn't shared any more.
    Changed = 2,
    /// The server has too much to do.
    Busy = 3,
    /// The request makes no sense.
    Invalid = 4,
    /// The request was cancelled.
    Cancelled = 5,
}

impl TryFrom<u8> for Status {
    type Error = WireError;

    fn try_from(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            0 => Self::Ok,
            1 => Self::NotHave,
            2 => Self::Changed,
            3 => Self::Busy,
            4 => Self::Invalid,
            5 => Self::Cancelled,
            _ => return Err(WireError::Bounds("unknown status")),
        })
    }
}

/// What stands ahead of each item of a reply. After any status but [`Status::Ok`] the reply to that request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The request.
    pub id: u32,
    /// Position of the item in it.
    pub item: u16,
    /// What follows.
    pub status: Status,
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = self.id.to_be_bytes();
        let [e, f] = self.item.to_be_bytes();
        [a, b, c, d, e, f, self.status as u8]
    }

    /// Reads a header's bytes.
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let [a, b, c, d, e, f, status] = bytes;
        Ok(Self {
            id: u32::from_be_bytes([a, b, c, d]),
            item: u16::from_be_bytes([e, f]),
            status: Status::try_from(status)?,
        })
    }
}

/// The items that ask for these pieces, in their order: neighbours of one blob make one item, of at most
/// `max_item_bytes` so that a cancel takes effect soon. Unknown pieces are left out.
#[must_use]
pub fn items_for(layout: &PieceLayout, pieces: &[u32], max_item_bytes: u64) -> Vec<Item> {
    let max_groups = (max_item_bytes / GROUP_BYTES).max(1);
    let mut items: Vec<Item> = Vec::new();
    for piece in pieces.iter().filter_map(|piece| layout.get(*piece)) {
        let Some(blob) = layout.blobs().get(piece.blob as usize) else {
            continue;
        };
        let mut start = piece.groups.start;
        while start < piece.groups.end {
            let end = piece.groups.end.min(start + max_groups);
            match items.last_mut() {
                Some(last)
                    if last.hash == blob.hash
                        && last.span().end == start
                        && last.groups + (end - start) <= max_groups =>
                {
                    last.groups += end - start;
                }
                _ => items.push(Item {
                    hash: blob.hash,
                    size: blob.size,
                    first_group: start,
                    groups: end - start,
                }),
            }
            start = end;
        }
    }
    items
}

/// Cuts items into runs that each fit one request.
#[must_use]
pub fn batches(items: &[Item]) -> Vec<&[Item]> {
    let mut batches = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, item) in items.iter().enumerate() {
        let full = index - start == MAX_ITEMS || bytes + item.data_len() > MAX_REQUEST_BYTES;
        if full && index > start {
            batches.push(&items[start..index]);
            start = index;
            bytes = 0;
        }
        bytes += item.data_len();
    }
    if start < items.len() {
        batches.push(&items[start..]);
    }
    batches
}
