//! `BitTorrent`: what it calls the bytes, and what its peers say to each other.
//!
//! [`Metainfo`] is a `.torrent` file of version 1, 2 or both (a *hybrid*): read, checked and written.
//! [`Info`] is the part of it that names the content, which peers also send alone. [`Builder`] makes a
//! new one from the hashes of its pieces: a [`Layout`] says which bytes those are, a [`PieceDigester`]
//! hashes them. [`Magnet`] is a magnet link. [`wire`] has the messages of peers. Everything is hostile until checked, and everything
//! here is pure: no files, sockets or clocks.
//!
//! Sources: BEP 3 (version 1), 5 (nodes), 9 and 53 (magnet links), 12 (tiers of trackers), 19 (web
//! seeds), 27 (private), 47 (attributes and padding), 52 (version 2), and those that [`wire`] names;
//! where they are silent, what libtorrent 2.1 does.

mod bencode;
pub mod blocklist;
pub mod choke;
pub mod dht;
pub mod holepunch;
mod infohash;
pub mod lsd;
mod magnet;
pub mod merkle;
mod metainfo;
pub mod mse;
mod overlap;
pub mod session;
pub mod tracker;
pub mod web_seed;
pub mod wire;

pub use bencode::BencodeError;
pub use infohash::{InfoHashError, InfoHashV1, InfoHashV2, InfoHashes};
pub use magnet::{
    MAX_MAGNET_BYTES, MAX_MAGNET_LIST, Magnet, MagnetError, PeerAddress, PeerAddressError,
};
pub use metainfo::{
    BuildError, Builder, FileEntry, FileKind, Info, Layout, MAX_FILE_BYTES, MAX_FILES,
    MAX_INFO_BYTES, MAX_METAINFO_BYTES, MAX_PATHS_BYTES, MAX_PIECE_BYTES, MAX_PIECES,
    MAX_URL_BYTES, MAX_URLS, Metainfo, MetainfoError, NewFile, PieceDigest, PieceDigester, Span,
    Version,
};
pub use overlap::{CommonFile, LentPart, Overlap};
