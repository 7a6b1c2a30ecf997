//! The journal of a partial download: entries without a header, so that one can be appended to a file
//! at any moment, and any of them be lost without the others.

/// Bytes of an entry: a piece and a check that tells it from what is not one.
pub const JOURNAL_ENTRY: usize = 8;

/// The entry of a piece.
#[must_use]
pub fn encode_journal_entry(piece: u32) -> [u8; JOURNAL_ENTRY] {
    let mut entry = [0; JOURNAL_ENTRY];
    entry[..4].copy_from_slice(&piece.to_le_bytes());
    entry[4..].copy_from_slice(&check(piece).to_le_bytes());
    entry
}

/// The pieces that a journal of these bytes claims, in their order. What is not an entry is left out.
#[must_use]
pub fn decode_journal(bytes: &[u8]) -> Vec<u32> {
    let (entries, _) = bytes.as_chunks::<JOURNAL_ENTRY>();
    entries.iter().filter_map(decode).collect()
}

fn decode(entry: &[u8; JOURNAL_ENTRY]) -> Option<u32> {
    let [a, b, c, d, e, f, g, h] = *entry;
    let piece = u32::from_le_bytes([a, b, c, d]);
    (u32::from_le_bytes([e, f, g, h]) == check(piece)).then_some(piece)
}

/// Never equal for an entry of zeros, as a hole in a file reads.
const fn check(piece: u32) -> u32 {
    !piece.rotate_left(7) ^ 0x5bd1_e995
}
