//! Downloads and repairs that are not finished.

use std::path::PathBuf;

use potluck_content::PieceSet;

use super::root::{read_path, read_pieces, write_pieces};
use super::{MAX_NAME, Reader, RecordError, Writer};
use crate::sys;

const VERSION: u8 = 1;

/// What a partial download is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new file or folder. The set, when there is one, is of manifest entries that are wanted.
    Fetch {
        /// The entries that are wanted; `None` for all.
        selection: Option<PieceSet>,
    },
    /// Damaged files of a root are replaced.
    Repair,
}

impl Purpose {
    /// The entries that are wanted; `None` for all.
    pub(crate) fn selection(&self) -> Option<&PieceSet> {
        match self {
            Self::Fetch { selection } => selection.as_ref(),
            Self::Repair => None,
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Pieces are still fetched.
    Running,
    /// Everything is synced and the final name is being given.
    Finishing {
        /// The root is recorded as held once done.
        serve: bool,
    },
}

/// A partial download, by its root's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialRecord {
    /// Names its directory in the data directory.
    pub id: u64,
    /// The number of its root.
    pub number: u64,
    /// The name people see.
    pub name: String,
    /// Bytes of the root blob: the file, or the manifest.
    pub root_size: u64,
    /// The final name.
    pub dest: PathBuf,
    /// The directory beside it that holds the parts; empty for a repair.
    pub part: PathBuf,
    /// Number in the file system of what is to get the final name (0: none yet).
    pub inode: u64,
    /// When it was begun, in Unix seconds.
    pub created_unix: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// How far it is.
    pub stage: Stage,
}

impl PartialRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.id)
            .u64(self.number)
            .bytes(self.name.as_bytes())
            .u64(self.root_size);
        out.bytes(&sys::path_to_bytes(&self.dest))
            .bytes(&sys::path_to_bytes(&self.part));
        out.u64(self.inode).u64(self.created_unix);
        match &self.purpose {
            Purpose::Fetch { selection } => write_pieces(out.u8(0), selection.as_ref()),
            Purpose::Repair => {
                out.u8(1);
            }
        }
        match self.stage {
            Stage::Running => out.u8(0),
            Stage::Finishing { serve } => out.u8(1).flag(serve),
        };
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let record = Self {
            id: from.u64()?,
            number: from.u64()?,
            name: from.text("a name", MAX_NAME)?,
            root_size: from.u64()?,
            dest: read_path(&mut from)?,
            part: read_path(&mut from)?,
            inode: from.u64()?,
            created_unix: from.u64()?,
            purpose: match from.u8()? {
                0 => Purpose::Fetch {
                    selection: read_pieces(&mut from)?,
                },
                1 => Purpose::Repair,
                _ => return Err(RecordError::Bounds("a purpose")),
            },
            stage: match from.u8()? {
                0 => Stage::Running,
                1 => Stage::Finishing {
                    serve: from.flag()?,
                },
                _ => return Err(RecordError::Bounds("a stage")),
            },
        };
        from.end()?;
        Ok(record)
    }
}
