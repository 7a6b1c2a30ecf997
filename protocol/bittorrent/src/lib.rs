//! Torrent files and magnet links: what `BitTorrent` calls the bytes.

mod bencode;
mod infohash;

pub use bencode::BencodeError;
pub use infohash::{InfoHashError, InfoHashV1, InfoHashV2, InfoHashes};
