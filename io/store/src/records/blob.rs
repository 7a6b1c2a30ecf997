//! Blobs, the files that hold them, and how files looked when they were hashed.

use potluck_content::Hash;

use super::{MAX_INLINE_TREE, MAX_PATH, Reader, RecordError, Writer};

const VERSION: u8 = 1;

/// How a file looked: when any of it differs, the file may have changed.
///
/// The device is not part of it, since its number may change from one start of the machine to the
/// next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last change of its bytes: seconds.
    pub mtime: i64,
    /// And nanoseconds.
    pub mtime_nanos: i64,
    /// Time of the last change of its bytes or attributes: seconds.
    pub ctime: i64,
    /// And nanoseconds.
    pub ctime_nanos: i64,
    /// Its number in the file system.
    pub inode: u64,
}

impl Stamp {
    fn write(&self, out: &mut Writer) {
        out.u64(self.size).i64(self.mtime).i64(self.mtime_nanos);
        out.i64(self.ctime).i64(self.ctime_nanos).u64(self.inode);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            size: from.u64()?,
            mtime: from.i64()?,
            mtime_nanos: from.i64()?,
            ctime: from.i64()?,
            ctime_nanos: from.i64()?,
            inode: from.u64()?,
        })
    }
}

/// What a file held when it was last hashed, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The blob.
    pub hash: Hash,
    /// How the file looked.
    pub stamp: Stamp,
    /// The file was last changed well before it was hashed, so that an equal stamp means equal bytes.
    pub settled: bool,
}

impl FileRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.raw(self.hash.as_bytes());
        self.stamp.write(&mut out);
        out.flag(self.settled).finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let hash = Hash::from_bytes(from.array()?);
        let stamp = Stamp::read(&mut from)?;
        let settled = from.flag()?;
        from.end()?;
        Ok(Self {
            hash,
            stamp,
            settled,
        })
    }
}

/// Where the tree of a blob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreePlace {
    /// A blob of one group has none.
    None,
    /// In the record.
    Inline(Vec<u8>),
    /// In a file of the data directory.
    File,
}

/// Whether the node owns a copy of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// No: only files of the owner hold it.
    Elsewhere,
    /// In the database.
    Database,
    /// In a file of the data directory.
    File,
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Bytes.
    pub size: u64,
    /// Its tree.
    pub tree: TreePlace,
    /// Its copy.
    pub home: Home,
}

impl BlobRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.size);
        match &self.tree {
            TreePlace::None => out.u8(0),
            TreePlace::Inline(tree) => out.u8(1).bytes(tree),
            TreePlace::File => out.u8(2),
        };
        out.u8(match self.home {
            Home::Elsewhere => 0,
            Home::Database => 1,
            Home::File => 2,
        });
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let size = from.u64()?;
        let tree = match from.u8()? {
            0 => TreePlace::None,
            1 => TreePlace::Inline(from.bytes("a tree", MAX_INLINE_TREE)?.to_vec()),
            2 => TreePlace::File,
            _ => return Err(RecordError::Bounds("the place of a tree")),
        };
        let home = match from.u8()? {
            0 => Home::Elsewhere,
            1 => Home::Database,
            2 => Home::File,
            _ => return Err(RecordError::Bounds("the place of a copy")),
        };
        from.end()?;
        Ok(Self { size, tree, home })
    }
}

/// A file that should hold a blob, or the node's own copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceRecord {
    /// The copy that the node owns.
    Owned,
    /// The file with this path, in the system's bytes.
    Path(Vec<u8>),
}

impl PlaceRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        match self {
            Self::Owned => out.u8(0),
            Self::Path(path) => out.u8(1).bytes(path),
        };
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let place = match from.u8()? {
            0 => Self::Owned,
            1 => Self::Path(from.bytes("a path", MAX_PATH)?.to_vec()),
            _ => return Err(RecordError::Bounds("the kind of a place")),
        };
        from.end()?;
        Ok(place)
    }
}
