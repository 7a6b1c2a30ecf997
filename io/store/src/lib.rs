//! Files, partial downloads, hash trees and metadata on disk.
//!
//! A [`Store`] is one data directory. Files that are shared stay where they are and are never
//! modified; what the store keeps of them is their hash, their hash tree and how they looked. Bytes
//! are checked against their hash whenever they are read. A [`Download`] keeps verified bytes beside
//! their destination until all are there, and then gives them their final name in one step.
//!
//! A [`TorrentDownload`] does the same for the files of a torrent, whose bytes its own hashes prove; a
//! [`TorrentReader`] reads those of one that is complete.
//!
//! All calls block; none needs a runtime. A process that is killed at any moment, a power cut or a
//! full disk never costs what was finished, and what a crash left half done is mended when the store
//! is opened.
//!
//! On disk: `lock`, `version`, `meta.redb` (all records, small trees and small copies),
//! `trees/<2 hex>/<hash>.obao` (other trees), `blobs/<2 hex>/<hash>` (copies that the node owns),
//! `partial/<id>/` (journals and trees of downloads), `torrents/<id>/` (journals of torrents), `tmp/`
//! (emptied at each start).

mod buffer;
mod cache;
mod db;
mod errors;
mod hashing;
mod manifests;
mod open;
mod partial;
mod peers;
mod problems;
mod quota;
mod read;
pub mod records;
mod roots;
mod share;
mod sys;
mod tables;
mod torrents;
mod trees;
mod types;
mod verify;

pub use errors::{
    BeginError, DropError, Fault, FinishError, OpenError, ReadError, ShareError, VerifyError,
    WriteError,
};
pub use open::{FORMAT, Store};
pub use partial::Download;
pub use torrents::{
    TorrentAddError, TorrentBeginError, TorrentCount, TorrentDownload, TorrentInfo, TorrentKey,
    TorrentReader, TorrentSpec,
};
pub use types::{
    DownloadSpec, Glance, Head, KnownPeer, Origin, PartialInfo, PlacedParent, Problem, Root,
    Selection, ShareProgress, ShareRequest, Shared, Skipped, SpanBuf, StoreOptions, Usage,
    VerifyProgress, VerifyReport, What,
};

/// Longest span that [`Store::read_span`] reads at once.
pub const MAX_SPAN_BYTES: u64 = 16 * 1024 * 1024;
/// Most problems that a [`Root`] or a [`VerifyReport`] lists.
pub const MAX_PROBLEMS_LISTED: usize = 1000;
/// Most skipped files that a [`Shared`] lists.
pub const MAX_SKIPPED_LISTED: usize = 1000;
