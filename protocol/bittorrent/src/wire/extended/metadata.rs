//! Parts of info dictionaries (BEP 9).

use super::{ExtendedError, with_dict};
use crate::MAX_INFO_BYTES;
use crate::bencode::{Node, Value};

/// Bytes of a piece of an info dictionary; the last one may be shorter.
pub const METADATA_PIECE_BYTES: u32 = 16 * 1024;

// Sizes that are allowed fit the numbers here.
const _: () = assert!(MAX_INFO_BYTES <= u32::MAX as usize);

const REQUEST: u64 = 0;
const DATA: u64 = 1;
const REJECT: u64 = 2;

/// A message about pieces of an info dictionary. They are 16 KiB long and counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataMessage<'a> {
    /// The sender asks for a piece.
    Request {
        /// Which.
        piece: u32,
    },
    /// A piece that was asked for.
    Data {
        /// Which.
        piece: u32,
        /// Bytes of the whole dictionary, 1 to [`MAX_INFO_BYTES`].
        total_bytes: u32,
        /// The piece, as long as it is in a dictionary of so many bytes.
        data: &'a [u8],
    },
    /// A request that the sender won't answer.
    Reject {
        /// For which piece.
        piece: u32,
    },
    /// Of a kind that is not known here, to be ignored.
    Unknown,
}

/// Number of pieces of a dictionary.
pub(super) fn pieces(total_bytes: u32) -> u32 {
    total_bytes.div_ceil(METADATA_PIECE_BYTES)
}

/// Bytes of a piece. None past the end.
pub(super) fn piece_len(total_bytes: u32, piece: u32) -> Option<u32> {
    let start = piece.checked_mul(METADATA_PIECE_BYTES)?;
    let left = total_bytes.checked_sub(start).filter(|left| *left > 0)?;
    Some(left.min(METADATA_PIECE_BYTES))
}

impl<'a> MetadataMessage<'a> {
    /// Reads the payload of a message.
    ///
    /// # Errors
    ///
    /// Refuses what is not a dictionary in bencode, pieces that no dictionary has, and data of another
    /// length than the piece has in a dictionary of the size that it names.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ExtendedError> {
        with_dict(payload, Self::read)
    }

    fn read(dict: Node<'_, 'a>, data: &'a [u8]) -> Result<Self, ExtendedError> {
        let number = |field| {
            let number = dict.get(field).and_then(Node::size);
            number.ok_or(ExtendedError::Field { field })
        };
        let kind = number("msg_type")?;
        if kind > REJECT {
            return Ok(Self::Unknown);
        }
        let field = "piece";
        let piece = u32::try_from(number(field)?).ok();
        let largest = u32::try_from(MAX_INFO_BYTES).unwrap_or(u32::MAX);
        let piece = piece.filter(|piece| *piece < pieces(largest));
        let piece = piece.ok_or(ExtendedError::Field { field })?;
        if kind != DATA {
            return Ok(match kind {
                REQUEST => Self::Request { piece },
                _ => Self::Reject { piece },
            });
        }
        let field = "total_size";
        let total_bytes = u32::try_from(number(field)?).ok();
        let total_bytes = total_bytes.filter(|bytes| (1..=largest).contains(bytes));
        let total_bytes = total_bytes.ok_or(ExtendedError::Field { field })?;
        let bytes = data.len();
        let length = piece_len(total_bytes, piece).map(|length| length as usize);
        if length != Some(bytes) {
            return Err(ExtendedError::Length { bytes });
        }
        Ok(Self::Data {
            piece,
            total_bytes,
            data,
        })
    }

    /// The answer to a request, from the bytes of the info dictionary
    /// ([`Info::bytes`](crate::Info::bytes)).
    #[must_use]
    pub fn answer(info: &'a [u8], piece: u32) -> Self {
        let total_bytes = u32::try_from(info.len()).unwrap_or(u32::MAX);
        let data = piece_len(total_bytes, piece).and_then(|length| {
            let start = (piece * METADATA_PIECE_BYTES) as usize;
            info.get(start..start + length as usize)
        });
        match data {
            Some(data) => Self::Data {
                piece,
                total_bytes,
                data,
            },
            None => Self::Reject { piece },
        }
    }

    /// The payload of the message. None for one that is not known.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let (kind, piece, total, data) = match *self {
            Self::Request { piece } => (REQUEST, piece, None, &[][..]),
            Self::Data {
                piece,
                total_bytes,
                data,
            } => (DATA, piece, Some(total_bytes), data),
            Self::Reject { piece } => (REJECT, piece, None, &[][..]),
            Self::Unknown => return None,
        };
        let dict = Value::dict([
            ("msg_type", Some(Value::size(kind))),
            ("piece", Some(Value::size(piece.into()))),
            ("total_size", total.map(|total| Value::size(total.into()))),
        ]);
        let mut payload = dict.encode();
        payload.extend_from_slice(data);
        Some(payload)
    }
}
