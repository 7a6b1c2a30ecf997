//! How many are served.

/// Most slots of a kind.
pub const MAX_SLOTS: u32 = 512;

/// Fewest slots that come from a limit.
const MIN_SLOTS: u32 = 4;

/// How many peers are served at a time, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChokeConfig {
    /// Peers that are served for what they send, at most [`MAX_SLOTS`].
    pub slots: u32,
    /// Peers that are served to find out what they send, at most [`MAX_SLOTS`].
    pub optimistic: u32,
    /// Bytes that a peer gets in one turn while others wait and nobody sends anything. At least a
    /// piece, for a part of one is of no use to the others.
    pub quota_bytes: u64,
}

impl Default for ChokeConfig {
    /// Four slots and one optimistic one, as in BEP 3, and 16 MiB in a turn.
    fn default() -> Self {
        Self {
            slots: MIN_SLOTS,
            optimistic: 1,
            quota_bytes: 16 * 1024 * 1024,
        }
    }
}

impl ChokeConfig {
    /// Slots for an upload of so many bytes a second: the square root of the kilobytes, and one in
    /// five of them optimistic, so that more upload means both more peers and more for each.
    #[must_use]
    pub fn for_upload(bytes_per_second: u64) -> Self {
        let slots = u32::try_from((bytes_per_second / 1000).isqrt()).unwrap_or(MAX_SLOTS);
        let slots = slots.clamp(MIN_SLOTS, MAX_SLOTS);
        Self {
            slots,
            optimistic: (slots / 5).max(1),
            ..Self::default()
        }
    }

    pub(super) fn max_regular(&self) -> usize {
        self.slots.min(MAX_SLOTS) as usize
    }

    pub(super) fn max_optimistic(&self) -> usize {
        self.optimistic.min(MAX_SLOTS) as usize
    }
}
