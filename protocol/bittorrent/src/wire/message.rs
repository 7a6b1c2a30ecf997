//! The messages of a connection.

use super::geometry::{check_block, check_piece};
use super::hashes::MAX_HASHES_MESSAGE_BYTES;
use super::{
    Bitfield, Block, Geometry, HashList, HashRequest, MAX_BLOCK_BYTES, MAX_EXTENDED_BYTES,
    MAX_UNKNOWN_BYTES, PREFIX_BYTES, WireError, numbers,
};
use crate::MAX_PIECES;

/// The numbers of the kinds of messages.
mod id {
    pub(super) const CHOKE: u8 = 0;
    pub(super) const UNCHOKE: u8 = 1;
    pub(super) const INTERESTED: u8 = 2;
    pub(super) const NOT_INTERESTED: u8 = 3;
    pub(super) const HAVE: u8 = 4;
    pub(super) const BITFIELD: u8 = 5;
    pub(super) const REQUEST: u8 = 6;
    pub(super) const PIECE: u8 = 7;
    pub(super) const CANCEL: u8 = 8;
    pub(super) const PORT: u8 = 9;
    pub(super) const SUGGEST: u8 = 13;
    pub(super) const HAVE_ALL: u8 = 14;
    pub(super) const HAVE_NONE: u8 = 15;
    pub(super) const REJECT: u8 = 16;
    pub(super) const ALLOWED_FAST: u8 = 17;
    pub(super) const EXTENDED: u8 = 20;
    pub(super) const HASH_REQUEST: u8 = 21;
    pub(super) const HASHES: u8 = 22;
    pub(super) const HASH_REJECT: u8 = 23;
}

/// Bytes of a frame with a block ahead of the block, prefix included.
pub const PIECE_HEAD_BYTES: usize = PREFIX_BYTES + 9;

/// A message, with the bytes of others borrowed from the frame that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Nothing new; still here.
    KeepAlive,
    /// Requests won't be answered.
    Choke,
    /// Requests will be answered.
    Unchoke,
    /// The sender would ask if it were not choked.
    Interested,
    /// The sender would not.
    NotInterested,
    /// The sender has one more piece, from 0.
    Have(u32),
    /// The pieces that the sender has.
    Bitfield(Bitfield<'a>),
    /// The sender asks for a block.
    Request(Block),
    /// A block that was asked for.
    Piece {
        /// The piece, from 0.
        piece: u32,
        /// Bytes of the piece ahead of the block.
        begin: u32,
        /// The block.
        data: &'a [u8],
    },
    /// The sender wants a block no longer.
    Cancel(Block),
    /// The port of the sender's node of the DHT (BEP 5).
    Port(u16),
    /// A piece that the sender would like to be asked for (BEP 6).
    Suggest(u32),
    /// The sender has all pieces (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// A request that the sender won't answer (BEP 6).
    Reject(Block),
    /// A piece that may be asked for in spite of choking (BEP 6).
    AllowedFast(u32),
    /// A message of an extension (BEP 10).
    Extended {
        /// 0 for the handshake of extensions, otherwise the number that the receiver gave it there.
        id: u8,
        /// What the extension says.
        payload: &'a [u8],
    },
    /// The sender asks for hashes (BEP 52).
    HashRequest(HashRequest),
    /// Hashes that were asked for (BEP 52).
    Hashes {
        /// Which.
        request: HashRequest,
        /// The hashes.
        hashes: HashList<'a>,
    },
    /// Hashes that the sender won't give (BEP 52).
    HashReject(HashRequest),
    /// A message of a kind that is not known here, to be ignored.
    Unknown {
        /// The number of its kind.
        id: u8,
        /// What it says.
        payload: &'a [u8],
    },
}

/// Most bytes of a frame without its prefix, from the number of its kind.
pub(super) fn limit(id: u8) -> usize {
    match id {
        id::CHOKE..=id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => 1,
        id::HAVE | id::SUGGEST | id::ALLOWED_FAST => 5,
        id::BITFIELD => 1 + (MAX_PIECES / 8) as usize,
        id::REQUEST | id::CANCEL | id::REJECT => 13,
        id::PIECE => 9 + MAX_BLOCK_BYTES as usize,
        id::PORT => 3,
        id::EXTENDED => 2 + MAX_EXTENDED_BYTES,
        id::HASH_REQUEST | id::HASH_REJECT => 49,
        id::HASHES => MAX_HASHES_MESSAGE_BYTES,
        _ => 1 + MAX_UNKNOWN_BYTES,
    }
}

pub(super) fn is_piece(id: u8) -> bool {
    id == id::PIECE
}

/// What stands ahead of a block's bytes in its frame, prefix included, for those who send the bytes
/// from where they are.
#[must_use]
pub fn piece_head(block: &Block) -> [u8; PIECE_HEAD_BYTES] {
    let mut head = [0; PIECE_HEAD_BYTES];
    head[..4].copy_from_slice(&block.length.saturating_add(9).to_be_bytes());
    head[4] = id::PIECE;
    head[5..9].copy_from_slice(&block.piece.to_be_bytes());
    head[9..].copy_from_slice(&block.begin.to_be_bytes());
    head
}

impl<'a> Message<'a> {
    /// Reads a frame without its prefix. What it says of pieces is checked against the torrent, or,
    /// when that is not known yet, against what any torrent may have.
    ///
    /// # Errors
    ///
    /// Refuses lengths that the kind doesn't have, and pieces, blocks, bits and hashes out of bounds.
    pub fn decode(frame: &'a [u8], known: Option<&Geometry>) -> Result<Self, WireError> {
        let Some((&id, payload)) = frame.split_first() else {
            return Ok(Self::KeepAlive);
        };
        let (bytes, limit) = (frame.len(), limit(id));
        if bytes > limit {
            return Err(WireError::TooLong { bytes, limit });
        }
        let wrong = WireError::Length { id, bytes };
        let piece = || {
            let [piece] = numbers(payload).ok_or(wrong)?;
            check_piece(known, piece)
        };
        let block = || {
            let [piece, begin, length] = numbers(payload).ok_or(wrong)?;
            let block = Block {
                piece,
                begin,
                length,
            };
            check_block(known, block)
        };
        Ok(match id {
            // Their limit is their only length.
            id::CHOKE => Self::Choke,
            id::UNCHOKE => Self::Unchoke,
            id::INTERESTED => Self::Interested,
            id::NOT_INTERESTED => Self::NotInterested,
            id::HAVE_ALL => Self::HaveAll,
            id::HAVE_NONE => Self::HaveNone,
            id::HAVE => Self::Have(piece()?),
            id::SUGGEST => Self::Suggest(piece()?),
            id::ALLOWED_FAST => Self::AllowedFast(piece()?),
            id::REQUEST => Self::Request(block()?),
            id::CANCEL => Self::Cancel(block()?),
            id::REJECT => Self::Reject(block()?),
            id::BITFIELD => {
                let bitfield = Bitfield::from_bytes(payload);
                bitfield.check(known)?;
                Self::Bitfield(bitfield)
            }
            id::PIECE => Self::decode_piece(payload, known).ok_or(wrong)??,
            id::PORT => Self::Port(u16::from_be_bytes(payload.try_into().map_err(|_| wrong)?)),
            id::EXTENDED => {
                let (&id, payload) = payload.split_first().ok_or(wrong)?;
                Self::Extended { id, payload }
            }
            id::HASH_REQUEST | id::HASHES | id::HASH_REJECT => {
                let (request, rest) = HashRequest::decode(payload).ok_or(wrong)?;
                request.check()?;
                match id {
                    id::HASH_REQUEST => Self::HashRequest(request),
                    id::HASH_REJECT => Self::HashReject(request),
                    _ => {
                        let hashes = HashList::decode(rest, &request)?;
                        Self::Hashes { request, hashes }
                    }
                }
            }
            _ => Self::Unknown { id, payload },
        })
    }

    /// None when there is no room for the fields.
    fn decode_piece(
        payload: &'a [u8],
        known: Option<&Geometry>,
    ) -> Option<Result<Self, WireError>> {
        let (fields, data) = payload.split_at_checked(8)?;
        let [piece, begin] = numbers(fields)?;
        let block = Block {
            piece,
            begin,
            length: u32::try_from(data.len()).ok()?,
        };
        let checked = check_block(known, block);
        Some(checked.map(|_| Self::Piece { piece, begin, data }))
    }

    /// Appends the message's frame, prefix included.
    ///
    /// # Errors
    ///
    /// Refuses, and appends nothing, what [`Self::decode`] would refuse without knowing the torrent.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        self.encode_body(out);
        let body = out.get(start + PREFIX_BYTES..).unwrap_or_default();
        let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
        if let Err(error) = Message::decode(body, None) {
            out.truncate(start);
            return Err(error);
        }
        if let Some(prefix) = out.get_mut(start..start + PREFIX_BYTES) {
            prefix.copy_from_slice(&bytes.to_be_bytes());
        }
        Ok(())
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        let id = self.id();
        out.extend(id);
        match *self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone => {}
            Self::Have(piece) | Self::Suggest(piece) | Self::AllowedFast(piece) => {
                out.extend_from_slice(&piece.to_be_bytes());
            }
            Self::Bitfield(bitfield) => out.extend_from_slice(bitfield.as_bytes()),
            Self::Request(block) | Self::Cancel(block) | Self::Reject(block) => {
                for number in [block.piece, block.begin, block.length] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            Self::Piece { piece, begin, data } => {
                out.extend_from_slice(&piece.to_be_bytes());
                out.extend_from_slice(&begin.to_be_bytes());
                out.extend_from_slice(data);
            }
            Self::Port(port) => out.extend_from_slice(&port.to_be_bytes()),
            Self::Extended { id, payload } => {
                out.push(id);
                out.extend_from_slice(payload);
            }
            Self::HashRequest(request) | Self::HashReject(request) => request.encode(out),
            Self::Hashes { request, hashes } => {
                request.encode(out);
                hashes.encode(out);
            }
            Self::Unknown { payload, .. } => out.extend_from_slice(payload),
        }
    }

    /// The number of its kind.
    fn id(&self) -> Option<u8> {
        Some(match self {
            Self::KeepAlive => return None,
            Self::Choke => id::CHOKE,
            Self::Unchoke => id::UNCHOKE,
            Self::Interested => id::INTERESTED,
            Self::NotInterested => id::NOT_INTERESTED,
            Self::Have(_) => id::HAVE,
            Self::Bitfield(_) => id::BITFIELD,
            Self::Request(_) => id::REQUEST,
            Self::Piece { .. } => id::PIECE,
            Self::Cancel(_) => id::CANCEL,
            Self::Port(_) => id::PORT,
            Self::Suggest(_) => id::SUGGEST,
            Self::HaveAll => id::HAVE_ALL,
            Self::HaveNone => id::HAVE_NONE,
            Self::Reject(_) => id::REJECT,
            Self::AllowedFast(_) => id::ALLOWED_FAST,
            Self::Extended { .. } => id::EXTENDED,
            Self::HashRequest(_) => id::HASH_REQUEST,
            Self::Hashes { .. } => id::HASHES,
            Self::HashReject(_) => id::HASH_REJECT,
            Self::Unknown { id, .. } => *id,
        })
    }
}
