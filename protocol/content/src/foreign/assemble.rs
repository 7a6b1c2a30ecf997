//! Putting the digests of runs together.

use cid::Cid;

use super::merkle::{Sha, file_root};
use super::run::RunDigests;
use super::unixfs::Dag;
use super::{Cut, LEAF_BYTES};

/// A run does not fit: it is not the next one, or not as long as the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("run {run} of the file has {found} bytes instead of {expected}")]
pub struct RunOrder {
    /// The run that was expected.
    pub run: u64,
    /// The bytes that it has.
    pub expected: u64,
    /// The bytes that were digested.
    pub found: u64,
}

/// The addresses of a file in other networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignAddresses {
    /// The file's `CIDv1` in IPFS, of the profile `unixfs-v1-2025`.
    pub ipfs: Cid,
    /// Bytes of a piece of a torrent.
    pub piece_bytes: u64,
    /// The SHA-1 hashes of the pieces, for the `pieces` of a v1 torrent.
    pub v1_pieces: Vec<[u8; 20]>,
    /// The `pieces root` of a v2 torrent; an empty file has none.
    pub v2_root: Option<[u8; 32]>,
    /// The hashes of the `piece layers` of a v2 torrent; none for a file of one piece.
    pub v2_layer: Vec<[u8; 32]>,
}

/// Puts the digests of runs together, in order.
#[derive(Clone, Debug)]
pub struct Assembler {
    cut: Cut,
    next: u64,
    v1: Vec<[u8; 20]>,
    v2: Vec<Sha>,
    dag: Dag,
}

impl Assembler {
    /// Nothing is here yet.
    #[must_use]
    pub fn new(cut: Cut) -> Self {
        Self {
            cut,
            next: 0,
            v1: Vec::new(),
            v2: Vec::new(),
            dag: Dag::default(),
        }
    }

    /// Adds the run that comes next.
    pub fn push(&mut self, run: &RunDigests) -> Result<(), RunOrder> {
        let at = self.next.saturating_mul(self.cut.run_bytes());
        let expected = self.cut.size.saturating_sub(at).min(self.cut.run_bytes());
        if run.bytes != expected {
            return Err(RunOrder {
                run: self.next,
                expected,
                found: run.bytes,
            });
        }
        self.next += 1;
        self.v1.extend_from_slice(&run.v1);
        self.v2.extend_from_slice(&run.v2);
        let mut left = run.bytes;
        for leaf in &run.leaves {
            let bytes = left.min(LEAF_BYTES);
            self.dag.push_leaf(leaf, bytes);
            left -= bytes;
        }
        Ok(())
    }

    /// The addresses, once all runs were added. An empty file needs none.
    pub fn finish(self) -> Result<ForeignAddresses, RunOrder> {
        let at = self.next.saturating_mul(self.cut.run_bytes());
        if at < self.cut.size {
            let expected = (self.cut.size - at).min(self.cut.run_bytes());
            return Err(RunOrder {
                run: self.next,
                expected,
                found: 0,
            });
        }
        let v2_root = match self.v2.as_slice() {
            [] => None,
            [root] => Some(*root),
            pieces => Some(file_root(pieces, self.cut.piece_leaves())),
        };
        let v2_layer = if self.v2.len() > 1 {
            self.v2
        } else {
            Vec::new()
        };
        Ok(ForeignAddresses {
            ipfs: self.dag.finish(),
            piece_bytes: self.cut.piece_bytes,
            v1_pieces: self.v1,
            v2_root,
            v2_layer,
        })
    }
}
