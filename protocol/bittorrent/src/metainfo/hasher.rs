//! The hashes of the pieces of a torrent, where these span files.

use sha1::{Digest as _, Sha1};

/// Takes the bytes of a torrent of version 1 in order, cut anywhere, and hashes its pieces (BEP 3).
///
/// For one file alone, [`potluck_content::foreign`] gives the same hashes beside those of version 2.
#[derive(Clone, Debug)]
pub struct PieceHasher {
    piece_bytes: u64,
    /// Bytes of the piece that is not full.
    filled: u64,
    piece: Sha1,
    hashes: Vec<[u8; 20]>,
}

impl PieceHasher {
    /// Nothing is here yet. A piece has at least one byte.
    #[must_use]
    pub fn new(piece_bytes: u64) -> Self {
        Self {
            piece_bytes: piece_bytes.max(1),
            filled: 0,
            piece: Sha1::new(),
            hashes: Vec::new(),
        }
    }

    /// Takes the bytes that come next.
    pub fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = self.piece_bytes - self.filled;
            let take = usize::try_from(room).map_or(data.len(), |room| room.min(data.len()));
            let (part, rest) = data.split_at(take);
            self.piece.update(part);
            self.filled += part.len() as u64;
            if self.filled == self.piece_bytes {
                self.close();
            }
            data = rest;
        }
    }

    /// Takes padding: that many zeros. Padding is shorter than a piece, so this is quick.
    pub fn push_padding(&mut self, bytes: u64) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = bytes;
        while left > 0 {
            let part = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            self.push(&ZEROS[..part]);
            left -= part as u64;
        }
    }

    fn close(&mut self) {
        self.hashes.push(self.piece.finalize_reset().into());
        self.filled = 0;
    }

    /// The hashes of all pieces, the last of which may be shorter.
    #[must_use]
    pub fn finish(mut self) -> Vec<[u8; 20]> {
        if self.filled > 0 {
            self.close();
        }
        self.hashes
    }
}
