//! Which pieces this node asks seeds for first, among those that only seeds have.
//!
//! What one downloader has fetched reaches the others from it. Two who ask a seed for the same piece, because neither knows
//! yet that the other has it or is about to, cost the seed's line a piece that nobody has. So downloaders of one content
//! divide what only seeds have, without a word: each piece belongs to whoever scores highest for it among those who know each
//! other (rendezvous hashing, Thaler and Ravishankar, 1998). Who has no pieces of its own left helps others with theirs.

/// Pieces are divided in about so many blocks, so that requests to fast seeds stay in one run.
const BLOCKS: u32 = 4096;

/// How many pieces are looked at for one that is ours.
pub(super) const TRIES: usize = 32;

/// What belongs to this node.
#[derive(Debug)]
pub(super) struct Share<'a> {
    own: u64,
    /// Others who fetch the same.
    fellows: &'a [u64],
    block: u32,
}

impl<'a> Share<'a> {
    pub(super) const fn new(own: u64, fellows: &'a [u64], pieces: u32) -> Self {
        // No content has no pieces, and a block has at least one.
        let block = pieces.div_ceil(BLOCKS) + (pieces == 0) as u32;
        Self {
            own,
            fellows,
            block,
        }
    }

    /// Whether a piece is for this node to fetch.
    pub(super) fn has(&self, piece: u32) -> bool {
        let block = mix(u64::from(piece / self.block));
        let own = mix(self.own ^ block);
        self.fellows.iter().all(|fellow| mix(fellow ^ block) <= own)
    }

    /// Whether all is for this node.
    pub(super) fn is_all(&self) -> bool {
        self.fellows.is_empty()
    }
}

/// A bijection that spreads (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_divide_everything_evenly() {
        let members: Vec<u64> = (1..=8).map(|n| n * 0x1234_5678_9abc).collect();
        let mut counts = Vec::new();
        let mut owners = vec![0; 1024];
        for own in &members {
            let fellows: Vec<u64> = members.iter().copied().filter(|m| m != own).collect();
            let share = Share::new(*own, &fellows, 1024);
            let ours = (0..1024).filter(|piece| share.has(*piece));
            counts.push(ours.inspect(|piece| owners[*piece as usize] += 1).count());
        }
        assert!(owners.iter().all(|count| *count == 1));
        assert!(
            counts.iter().all(|count| (90..=170).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn alone_everything_is_ours() {
        let share = Share::new(7, &[], 10);
        assert!((0..10).all(|piece| share.has(piece)) && share.is_all());
    }

    #[test]
    fn large_content_is_divided_in_runs() {
        let share = Share::new(7, &[8], 1 << 20);
        assert!((0..1000).all(|block| {
            let first = share.has(block * 256);
            (0..256).all(|n| share.has(block * 256 + n) == first)
        }));
    }
}
