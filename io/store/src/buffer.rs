//! Memory that the system copies file bytes to quickly, or takes them from itself.

use crate::sys::ALIGNMENT;

/// Bytes of a page, as far as the processor's copying is concerned.
const PAGE: usize = 4096;
/// Where in a page a buffer begins. Some processors (AMD's, up to Zen 4 at least) copy several times
/// slower from a page's beginning, as all pages of files are, to the first 32 bytes of another page: a
/// GiB took 0.77 s instead of 0.23 s on the machine of `docs/benchmarks.md`. Allocators give just such
/// places for large blocks.
const SKEW: usize = 256;

/// A buffer that is reused. It only grows, and does not keep its bytes when it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Room for `length` bytes, with anything in it.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len().saturating_sub(self.start) < length {
            self.bytes = vec![0; length.saturating_add(PAGE + SKEW)];
            self.start = match self.bytes.as_ptr().align_offset(PAGE) {
                // Where it can't be told, any place will do.
                offset if offset < PAGE => offset + SKEW,
                _ => 0,
            };
        }
        self.bytes
            .get_mut(self.start..)
            .and_then(|bytes| bytes.get_mut(..length))
            .unwrap_or_default()
    }

    /// The first `length` bytes.
    pub(crate) fn get(&self, length: usize) -> &[u8] {
        self.bytes
            .get(self.start..)
            .and_then(|bytes| bytes.get(..length))
            .unwrap_or_default()
    }
}

/// A buffer that begins where direct writes may begin. It only grows.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    bytes: Vec<u8>,
}

impl Aligned {
    /// Room for `length` bytes, with anything in it.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < length.saturating_add(ALIGNMENT) {
            self.bytes = vec![0; length.saturating_add(ALIGNMENT)];
        }
        let start = self.bytes.as_ptr().align_offset(ALIGNMENT);
        self.bytes
            .get_mut(start..)
            .and_then(|bytes| bytes.get_mut(..length))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_begins_off_the_page() {
        let mut buffer = Buffer::new();
        for length in [0, 1, 16_384, 1 << 20, 5, 3 << 20] {
            let room = buffer.room(length);
            assert_eq!(room.len(), length);
            room.fill(7);
            assert!(buffer.get(length).iter().all(|byte| *byte == 7));
            if length > 0 {
                assert_eq!(buffer.get(length).as_ptr().addr() % PAGE, SKEW);
            }
        }
        assert_eq!(buffer.get(1 << 30), []);
    }

    #[test]
    fn an_aligned_one_begins_at_a_page() {
        let mut buffer = Aligned::default();
        for length in [1, 4096, 1 << 20, 4096] {
            let room = buffer.room(length);
            assert_eq!(room.len(), length);
            assert_eq!(room.as_ptr().addr() % ALIGNMENT, 0);
        }
    }
}
