//! Journals of partial downloads: a crash or a disk may have left anything.

use potluck_store::records::{JOURNAL_ENTRY, decode_journal, encode_journal_entry};

use crate::seeds::seed;

/// What is read is what was appended, whatever else stands before, between and after it.
pub fn journal(data: &[u8]) {
    let pieces = decode_journal(data);
    assert!(pieces.len() <= data.len() / JOURNAL_ENTRY);
    assert_eq!(decode_journal(&written(&pieces)), pieces);
    // A last entry that was cut short, and a hole after it, say nothing.
    let whole = &data[..data.len() / JOURNAL_ENTRY * JOURNAL_ENTRY];
    assert_eq!(decode_journal(whole), pieces);
    assert_eq!(
        decode_journal(&[whole, &[0; 4 * JOURNAL_ENTRY]].concat()),
        pieces
    );
    // Entries do not depend on each other.
    let (first, rest) = whole.split_at(whole.len() / JOURNAL_ENTRY / 2 * JOURNAL_ENTRY);
    assert_eq!(
        [decode_journal(first), decode_journal(rest)].concat(),
        pieces
    );
}

fn written(pieces: &[u32]) -> Vec<u8> {
    let entries = pieces.iter().map(|piece| encode_journal_entry(*piece));
    entries.flatten().collect()
}

/// Journals that are whole, torn and damaged.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let whole = written(&[0, 1, 2, 77_777, 77_777, u32::MAX]);
    let mut damaged = whole.clone();
    damaged[10] ^= 0x10;
    vec![
        seed("none", []),
        seed("torn", &whole[..whole.len() - 3]),
        seed("hole", [&whole[..16], &[0; 24], &whole[16..]].concat()),
        seed("damaged", damaged),
        seed("whole", whole),
    ]
}
