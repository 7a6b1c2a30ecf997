//! Roots and what is wrong with their files.

use std::path::PathBuf;

use potluck_content::{Hash, MAX_PIECES, PieceSet};

use super::{MAX_NAME, MAX_PATH, MAX_SHARE_PATHS, Reader, RecordError, Writer};
use crate::sys;
use crate::types::{Origin, What};

const VERSION: u8 = 1;

/// A file or folder that the node holds, by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRecord {
    /// Number under which its places and problems stand.
    pub number: u64,
    /// The name people see.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Number of its files.
    pub files: u64,
    /// Bytes of the root blob: the file, or the manifest.
    pub root_size: u64,
    /// Protected from eviction.
    pub pinned: bool,
    /// Where its bytes are.
    pub origin: Origin,
    /// When it came, in Unix seconds.
    pub created_unix: u64,
    /// The pieces that were selected, when it was not fetched whole.
    pub selected: Option<PieceSet>,
}

impl RootRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.number).bytes(self.name.as_bytes());
        out.u64(self.bytes)
            .u64(self.files)
            .u64(self.root_size)
            .flag(self.pinned);
        match &self.origin {
            Origin::Shared { paths } => {
                out.u8(0).count(paths.len());
                for path in paths {
                    out.bytes(&sys::path_to_bytes(path));
                }
            }
            Origin::Copied => {
                out.u8(1);
            }
            Origin::Fetched { path } => {
                out.u8(2).bytes(&sys::path_to_bytes(path));
            }
        }
        out.u64(self.created_unix);
        write_pieces(&mut out, self.selected.as_ref());
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let record = Self {
            number: from.u64()?,
            name: from.text("a name", MAX_NAME)?,
            bytes: from.u64()?,
            files: from.u64()?,
            root_size: from.u64()?,
            pinned: from.flag()?,
            origin: read_origin(&mut from)?,
            created_unix: from.u64()?,
            selected: read_pieces(&mut from)?,
        };
        from.end()?;
        Ok(record)
    }
}

fn read_origin(from: &mut Reader<'_>) -> Result<Origin, RecordError> {
    match from.u8()? {
        0 => {
            let count = from.count("the number of paths", MAX_SHARE_PATHS)?;
            let paths = (0..count)
                .map(|_| read_path(from))
                .collect::<Result<_, _>>()?;
            Ok(Origin::Shared { paths })
        }
        1 => Ok(Origin::Copied),
        2 => Ok(Origin::Fetched {
            path: read_path(from)?,
        }),
        _ => Err(RecordError::Bounds("an origin")),
    }
}

pub(super) fn read_path(from: &mut Reader<'_>) -> Result<PathBuf, RecordError> {
    Ok(sys::bytes_to_path(from.bytes("a path", MAX_PATH)?))
}

pub(super) fn write_pieces(out: &mut Writer, pieces: Option<&PieceSet>) {
    match pieces {
        None => out.u8(0),
        Some(pieces) => out.u8(1).u32(pieces.len()).bytes(&pieces.to_bytes()),
    };
}

pub(super) fn read_pieces(from: &mut Reader<'_>) -> Result<Option<PieceSet>, RecordError> {
    match from.u8()? {
        0 => Ok(None),
        1 => {
            let len = from.u32()?;
            if len > MAX_PIECES {
                return Err(RecordError::Bounds("a number of pieces"));
            }
            // The set's own decoder refuses bytes that don't fit its length.
            let bytes = from.bytes("a set of pieces", MAX_SET_BYTES)?;
            let set = PieceSet::from_bytes(len, bytes);
            set.map(Some)
                .map_err(|_| RecordError::Bounds("a set of pieces"))
        }
        _ => Err(RecordError::Bounds("a set of pieces")),
    }
}

const MAX_SET_BYTES: usize = (MAX_PIECES / 8) as usize + 8;

/// A file that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemRecord {
    /// The blob it should hold.
    pub hash: Hash,
    /// What happened to it.
    pub what: What,
    /// The file, in the system's bytes; empty for a copy that the node owns.
    pub path: Vec<u8>,
}

impl ProblemRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.raw(self.hash.as_bytes());
        out.u8(match self.what {
            What::Changed => 0,
            What::Missing => 1,
            What::Unreadable => 2,
            What::Corrupt => 3,
        });
        out.bytes(&self.path).finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let hash = Hash::from_bytes(from.array()?);
        let what = match from.u8()? {
            0 => What::Changed,
            1 => What::Missing,
            2 => What::Unreadable,
            3 => What::Corrupt,
            _ => return Err(RecordError::Bounds("a problem")),
        };
        let path = from.bytes("a path", MAX_PATH)?.to_vec();
        from.end()?;
        Ok(Self { hash, what, path })
    }
}
