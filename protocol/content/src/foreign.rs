//! Addresses that other networks give to a file, computed from one reading of it.
//!
//! A file is cut in *runs* of equal length. Each is digested by itself, on any thread and in any order,
//! by a [`RunDigester`] that takes its bytes as they are read; an [`Assembler`] puts what came of
//! the runs together. Memory does not grow with the file but for the piece lists that are the result.
//!
//! Sources: BEP 3 (`BitTorrent` v1), BEP 52 (v2 and hybrid), the UnixFS specification and IPIP-499
//! (profile `unixfs-v1-2025`: `CIDv1`, raw leaves of 1 MiB, 1024 links a node, balanced).

mod assemble;
mod merkle;
mod run;
mod unixfs;

pub use assemble::{Assembler, ForeignAddresses, RunOrder};
pub use merkle::PieceTree;
pub use run::{RunDigester, RunDigests};

use crate::GROUP_BYTES;

/// Bytes of a raw leaf of the profile `unixfs-v1-2025`.
const LEAF_BYTES: u64 = 1024 * 1024;
/// Shortest piece of a torrent that is made here.
const MIN_PIECE_BYTES: u64 = 256 * 1024;
/// Longest piece of a torrent that is made here: clients keep a whole one in memory.
const MAX_PIECE_BYTES: u64 = 16 * 1024 * 1024;
/// Pieces of a torrent that are aimed at.
const WANTED_PIECES: u64 = 2048;

/// The `pieces root` of a v2 torrent's file over the hashes of its piece layer (BEP 52).
///
/// `None` when the layer is empty, or when `piece_bytes` is no power of two of at least 16 KiB. A file
/// of one piece has no layer: its root is that of its blocks.
#[must_use]
pub fn layer_root(layer: &[[u8; 32]], piece_bytes: u64) -> Option<[u8; 32]> {
    if layer.is_empty() || piece_bytes < GROUP_BYTES || !piece_bytes.is_power_of_two() {
        return None;
    }
    let piece_leaves = usize::try_from(piece_bytes / GROUP_BYTES).ok()?;
    Some(merkle::file_root(layer, piece_leaves))
}

/// How a file of a given size is cut for each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    size: u64,
    piece_bytes: u64,
}

impl Cut {
    /// Pieces have 256 KiB to 16 MiB, the shortest of which there are no more than 2048.
    #[must_use]
    pub fn new(size: u64) -> Self {
        let wanted = size
            .div_ceil(WANTED_PIECES)
            .clamp(MIN_PIECE_BYTES, MAX_PIECE_BYTES);
        Self {
            size,
            piece_bytes: wanted.next_power_of_two(),
        }
    }

    /// As [`Self::new`] with pieces of a given length. `None` unless that is a power of two from
    /// 16 KiB to 16 MiB.
    #[must_use]
    pub fn with_pieces(size: u64, piece_bytes: u64) -> Option<Self> {
        let valid =
            piece_bytes.is_power_of_two() && (GROUP_BYTES..=MAX_PIECE_BYTES).contains(&piece_bytes);
        valid.then_some(Self { size, piece_bytes })
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of a piece of a torrent; the last one may be shorter.
    #[must_use]
    pub const fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Bytes of a run: whole pieces and whole leaves. The last one of a file may be shorter.
    #[must_use]
    pub fn run_bytes(&self) -> u64 {
        self.piece_bytes.max(LEAF_BYTES)
    }

    /// Number of runs: one at least.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.size.div_ceil(self.run_bytes()).max(1)
    }

    /// A digester for one run.
    #[must_use]
    pub fn digester(&self) -> RunDigester {
        RunDigester::new(*self)
    }

    /// Leaf hashes of a whole piece's subtree in a v2 torrent.
    fn piece_leaves(&self) -> usize {
        usize::try_from(self.piece_bytes / GROUP_BYTES).unwrap_or(usize::MAX)
    }
}
