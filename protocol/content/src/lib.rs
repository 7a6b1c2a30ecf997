//! Addresses, hash trees, manifests and links: what the bytes are.
//!
//! A *blob* is a run of bytes named by its BLAKE3 hash. It is cut in *groups* of 16 KiB; any run of
//! groups (a *span*) can be verified alone with a short proof from the blob's hash tree. A *folder*
//! is a [`Manifest`] that names blobs; its own hash is the folder's address. A [`PieceLayout`] numbers
//! the pieces that nodes announce and ask for. Everything here is pure: no files, sockets or clocks.

mod address;
pub mod foreign;
mod hash;
mod layout;
mod link;
mod manifest;
mod path;
mod pieces;
pub mod tree;

pub use address::{Address, AddressError, Kind};
pub use hash::{Hash, HashError};
pub use layout::{LayoutBlob, MAX_PIECES, Piece, PieceLayout};
pub use link::{
    Link, LinkError, LinkKey, LinkKeyError, MAX_LINK_ADDRS, MAX_LINK_BYTES, MAX_LINK_XTS,
};
pub use manifest::{
    Entry, EntryError, MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_TOTAL_BYTES, Manifest, ManifestError,
    Node, Refused,
};
pub use path::{
    EntryPath, MAX_COMPONENT_BYTES, MAX_DEPTH, MAX_PATH_BYTES, NameError, PathError, TargetError,
    check_name, check_symlink_target, fold_name, safe_name,
};
pub use pieces::{PieceSet, PieceSetError};

/// Bytes in a group, the unit of verification: a BLAKE3 chunk group of sixteen chunks.
pub const GROUP_BYTES: u64 = 16 * 1024;
