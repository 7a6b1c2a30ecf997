//! A fingerprint of everything that happened, in order.

/// FNV-1a over words: enough to tell two runs apart, and cheap at a million events a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        let mut trace = Self(0xcbf2_9ce4_8422_2325);
        trace.add(seed);
        trace
    }

    pub(crate) fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}
