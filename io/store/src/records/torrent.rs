//! Torrents, finished or not.

use std::path::PathBuf;

use potluck_bittorrent::{InfoHashV1, InfoHashV2, InfoHashes};
use potluck_content::PieceSet;

use super::root::{read_path, read_pieces, write_pieces};
use super::{MAX_NAME, Reader, RecordError, Stamp, Writer};
use crate::sys;

const VERSION: u8 = 1;

/// How far a torrent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorrentStage {
    /// Pieces are still fetched.
    Running,
    /// Everything is synced and the final name is being given.
    Finishing {
        /// It is to be seeded once done.
        seed: bool,
    },
    /// Its files stand under their final names.
    Complete {
        /// It is to be seeded.
        seed: bool,
    },
}

/// A torrent of the store, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorrentRecord {
    /// Names its directory in the data directory.
    pub id: u64,
    /// The name people see.
    pub name: String,
    /// All its infohashes.
    pub hashes: InfoHashes,
    /// The final name.
    pub dest: PathBuf,
    /// The directory beside it that holds the parts; empty once complete.
    pub part: PathBuf,
    /// Number in the file system of what is to get the final name (0: none yet).
    pub inode: u64,
    /// When it was begun, in Unix seconds.
    pub created_unix: u64,
    /// When it became complete, in Unix seconds.
    pub completed_unix: Option<u64>,
    /// Positions of the files that are wanted; `None` for all.
    pub wanted: Option<PieceSet>,
    /// Bytes of the files that are wanted.
    pub wanted_bytes: u64,
    /// How far it is.
    pub stage: TorrentStage,
}

impl TorrentRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.id).bytes(self.name.as_bytes());
        match &self.hashes.v1 {
            None => out.u8(0),
            Some(hash) => out.u8(1).raw(hash.as_bytes()),
        };
        match &self.hashes.v2 {
            None => out.u8(0),
            Some(hash) => out.u8(1).raw(hash.as_bytes()),
        };
        out.bytes(&sys::path_to_bytes(&self.dest))
            .bytes(&sys::path_to_bytes(&self.part));
        out.u64(self.inode).u64(self.created_unix);
        match self.completed_unix {
            None => out.u8(0),
            Some(seconds) => out.u8(1).u64(seconds),
        };
        write_pieces(&mut out, self.wanted.as_ref());
        out.u64(self.wanted_bytes);
        match self.stage {
            TorrentStage::Running => out.u8(0),
            TorrentStage::Finishing { seed } => out.u8(1).flag(seed),
            TorrentStage::Complete { seed } => out.u8(2).flag(seed),
        };
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let record = Self {
            id: from.u64()?,
            name: from.text("a name", MAX_NAME)?,
            hashes: InfoHashes {
                v1: if from.flag()? {
                    Some(InfoHashV1::from_bytes(from.array()?))
                } else {
                    None
                },
                v2: if from.flag()? {
                    Some(InfoHashV2::from_bytes(from.array()?))
                } else {
                    None
                },
            },
            dest: read_path(&mut from)?,
            part: read_path(&mut from)?,
            inode: from.u64()?,
            created_unix: from.u64()?,
            completed_unix: if from.flag()? {
                Some(from.u64()?)
            } else {
                None
            },
            wanted: read_pieces(&mut from)?,
            wanted_bytes: from.u64()?,
            stage: match from.u8()? {
                0 => TorrentStage::Running,
                1 => TorrentStage::Finishing { seed: from.flag()? },
                2 => TorrentStage::Complete { seed: from.flag()? },
                _ => return Err(RecordError::Bounds("a stage")),
            },
        };
        from.end()?;
        Ok(record)
    }
}

/// How a file of a complete torrent looked: when any of it differs, the file may have changed.
///
/// Times of changed attributes are not part of it: moving a file or opening it to others changes
/// none of its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TorrentFileRecord {
    /// Bytes.
    pub size: u64,
    /// Time of the last change of its bytes: seconds.
    pub mtime: i64,
    /// And nanoseconds.
    pub mtime_nanos: i64,
    /// Its number in the file system.
    pub inode: u64,
}

impl TorrentFileRecord {
    /// What there is to remember of how a file looks.
    #[must_use]
    pub fn of(stamp: &Stamp) -> Self {
        Self {
            size: stamp.size,
            mtime: stamp.mtime,
            mtime_nanos: stamp.mtime_nanos,
            inode: stamp.inode,
        }
    }

    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.size).i64(self.mtime).i64(self.mtime_nanos);
        out.u64(self.inode).finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let record = Self {
            size: from.u64()?,
            mtime: from.i64()?,
            mtime_nanos: from.i64()?,
            inode: from.u64()?,
        };
        from.end()?;
        Ok(record)
    }
}
