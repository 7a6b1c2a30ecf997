//! What the metadata database and the journals of downloads hold, byte for byte.
//!
//! Each record of the database begins with a version byte. Decoding is strict (nothing may be missing or trail) and
//! bounded, and never panics: whatever stands in the file is a record or a [`RecordError`].

mod blob;
mod codec;
mod journal;
mod owner;
mod partial;
mod peer;
mod root;
mod torrent;

pub use blob::{BlobRecord, FileRecord, Home, PlaceRecord, Stamp, TreePlace};
pub use codec::RecordError;
pub(crate) use codec::{Reader, Writer};
pub use journal::{JOURNAL_ENTRY, decode_journal, encode_journal_entry};
pub use owner::TorrentOwnerRecord;
pub use partial::{PartialRecord, Purpose, Stage};
pub use peer::PeerRecord;
pub use root::{ProblemRecord, RootRecord};
pub use torrent::{TorrentFileRecord, TorrentRecord, TorrentStage};

/// Longest path in a record.
pub const MAX_PATH: usize = 64 * 1024;
/// Longest name in a record.
pub const MAX_NAME: usize = 4096;
/// Most bytes of a tree kept inside the database: larger ones are files.
pub const MAX_INLINE_TREE: usize = 4096;
/// Most paths of one share.
pub const MAX_SHARE_PATHS: usize = 65_536;
/// Most addresses of a known peer.
pub const MAX_PEER_ADDRS: usize = 32;
/// Longest address of a known peer.
pub const MAX_PEER_ADDR: usize = 512;

#[cfg(test)]
mod tests;
