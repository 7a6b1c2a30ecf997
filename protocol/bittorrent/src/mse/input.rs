//! What was received and not used yet.

use super::{Keystream, MAX_PAD_BYTES, MseError};

/// Bytes of the other side in their order. It never holds much more than one call put in: no stage
/// waits for more than its longest field.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    used: usize,
}

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// The next `N` bytes, once they are there.
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.left().first_chunk()?;
        self.used += N;
        Some(bytes)
    }

    /// The next `N` bytes decrypted, once they are there.
    pub(super) fn open<const N: usize>(&mut self, keystream: &mut Keystream) -> Option<[u8; N]> {
        let mut bytes = self.take()?;
        keystream.apply(&mut bytes);
        Some(bytes)
    }

    /// The next bytes decrypted, as many as asked for, once they are there.
    pub(super) fn open_bytes(
        &mut self,
        count: usize,
        keystream: &mut Keystream,
    ) -> Option<Vec<u8>> {
        let mut bytes = self.left().get(..count)?.to_vec();
        self.used += count;
        keystream.apply(&mut bytes);
        Some(bytes)
    }

    /// Goes behind the marker at the end of a padding: true once it is found.
    pub(super) fn skip_past(&mut self, marker: &[u8]) -> Result<bool, MseError> {
        let most = MAX_PAD_BYTES + marker.len();
        let left = self.left();
        let place = left
            .windows(marker.len())
            .take(MAX_PAD_BYTES + 1)
            .position(|window| window == marker);
        match place {
            Some(place) => {
                self.used += place + marker.len();
                Ok(true)
            }
            None if left.len() >= most => Err(MseError::NoMarker),
            None => Ok(false),
        }
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.left().to_vec();
        self.used = self.bytes.len();
        rest
    }
}
