//! The hashes of one piece of a torrent.

use potluck_content::foreign::PieceTree;
use sha1::{Digest as _, Sha1};

/// What came of one piece: only the hashes that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PieceDigest {
    /// Its SHA-1 hash, padding included (BEP 3).
    pub v1: Option<[u8; 20]>,
    /// The root of its SHA-256 tree, without padding (BEP 52). None for a piece without bytes.
    pub v2: Option<[u8; 32]>,
}

/// Takes the bytes of one piece after the other, cut anywhere, and hashes them in one or both ways.
#[derive(Clone, Debug)]
pub struct PieceDigester {
    v1: Option<Sha1>,
    v2: Option<PieceTree>,
}

impl PieceDigester {
    /// For version 1, version 2 or both.
    #[must_use]
    pub fn new(v1: bool, v2: bool) -> Self {
        Self {
            v1: v1.then(Sha1::new),
            v2: v2.then(PieceTree::new),
        }
    }

    /// Takes bytes of a file.
    pub fn push(&mut self, data: &[u8]) {
        if let Some(hasher) = &mut self.v1 {
            hasher.update(data);
        }
        if let Some(tree) = &mut self.v2 {
            tree.push(data);
        }
    }

    /// Takes padding: that many zeros, which version 2 knows nothing of.
    pub fn push_padding(&mut self, bytes: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let Some(hasher) = &mut self.v1 else { return };
        let mut left = bytes;
        while left > 0 {
            let part = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            hasher.update(&ZEROS[..part]);
            left -= part as u64;
        }
    }

    /// The hashes of the piece, and room for the next one. `file_bytes` is the size of the file that
    /// the piece is of, in version 2.
    pub fn finish(&mut self, file_bytes: u64, piece_bytes: u64) -> PieceDigest {
        PieceDigest {
            v1: self
                .v1
                .as_mut()
                .map(|hasher| hasher.finalize_reset().into()),
            v2: self
                .v2
                .as_mut()
                .and_then(|tree| tree.finish(file_bytes, piece_bytes)),
        }
    }
}
