//! The control and bulk protocols as bytes. The specification is `docs/spec/transfer.md`.
//!
//! A frame is its length as four bytes, big-endian, then that many bytes of DAG-CBOR. Nothing here reads or writes
//! streams: callers read four bytes, ask [`frame_len`], read that many and decode them.

pub mod bulk;
pub mod control;
mod piece_map;
mod spans;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use piece_map::PieceMap;

/// Bytes of the length in front of a frame.
pub const PREFIX_BYTES: usize = 4;

/// Why bytes aren't a message of ours, or a message can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A frame of length zero.
    #[error("empty frame")]
    Empty,
    /// A frame beyond its bound.
    #[error("frame of {len} bytes, limit {max}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not DAG-CBOR, or not of a known shape.
    #[error("not a known message")]
    Malformed,
    /// Another spelling of a message than the only one allowed.
    #[error("message is not in canonical form")]
    NotCanonical,
    /// A field out of its bounds.
    #[error("{0}")]
    Bounds(&'static str),
}

/// The length of the frame whose prefix this is, or why it can't be read.
pub fn frame_len(prefix: [u8; PREFIX_BYTES], max: usize) -> Result<usize, WireError> {
    let len = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    match len {
        0 => Err(WireError::Empty),
        len if len > max => Err(WireError::TooLong { len, max }),
        len => Ok(len),
    }
}

/// A frame with its prefix.
fn encode_frame<T: Serialize>(message: &T, max: usize) -> Result<Vec<u8>, WireError> {
    let mut frame = vec![0; PREFIX_BYTES];
    serde_ipld_dagcbor::to_writer(&mut frame, message).map_err(|_| WireError::Malformed)?;
    let len = frame.len() - PREFIX_BYTES;
    let prefix = u32::try_from(len).ok().filter(|_| len <= max);
    let prefix = prefix.ok_or(WireError::TooLong { len, max })?;
    frame[..PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame)
}

/// The message in a frame without its prefix. There is one spelling for each message.
fn decode_body<T: Serialize + DeserializeOwned>(body: &[u8], max: usize) -> Result<T, WireError> {
    match body.len() {
        0 => return Err(WireError::Empty),
        len if len > max => return Err(WireError::TooLong { len, max }),
        _ => {}
    }
    let message: T = serde_ipld_dagcbor::from_slice(body).map_err(|_| WireError::Malformed)?;
    let again = serde_ipld_dagcbor::to_vec(&message).map_err(|_| WireError::Malformed)?;
    if again == body {
        Ok(message)
    } else {
        Err(WireError::NotCanonical)
    }
}

fn ensure(holds: bool, rule: &'static str) -> Result<(), WireError> {
    if holds {
        Ok(())
    } else {
        Err(WireError::Bounds(rule))
    }
}

#[cfg(test)]
mod tests;
