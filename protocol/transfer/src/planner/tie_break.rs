//! A small generator for tie-breaks, started from the seed that the caller gives.
//!
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): ties need spread, not secrecy, and a replay must give the same
//! sequence on every platform.

#[derive(Clone, Debug)]
pub(super) struct TieBreak(u64);

impl TieBreak {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 when the bound is 0).
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let wide = (self.next() >> 32) * u64::from(bound);
        (wide >> 32) as u32
    }
}
