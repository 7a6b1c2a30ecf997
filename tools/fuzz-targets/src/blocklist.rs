//! Blocklists, from whoever makes them.

use potluck_bittorrent::blocklist::{Blocklist, BlocklistError, BlocklistLines, BlocklistReader};

use crate::seeds::seed;

fn read(parts: &[&[u8]]) -> Result<(Blocklist, BlocklistLines), BlocklistError> {
    let mut reader = BlocklistReader::default();
    for part in parts {
        reader.push(part)?;
    }
    reader.finish()
}

/// A list reads the same wherever it is cut; its ranges are sorted and apart, hold their ends, and are
/// the same when they are written as lines and read again.
pub fn blocklist(data: &[u8]) {
    let whole = read(&[data]);
    let at = data.first().map_or(0, |byte| usize::from(*byte)) % (data.len() + 1);
    let (front, back) = data.split_at(at);
    assert_eq!(read(&[front, back]), whole);
    let Ok((list, _)) = whole else { return };
    let ranges: Vec<_> = list.iter().collect();
    assert_eq!(ranges.len(), list.ranges());
    for (first, last) in &ranges {
        assert!(first <= last && list.contains(*first) && list.contains(*last));
    }
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
    let lines = ranges
        .iter()
        .map(|(first, last)| format!("{first}-{last}\n"));
    let written: String = lines.collect();
    assert_eq!(
        read(&[written.as_bytes()]).map(|(again, _)| again),
        Ok(list)
    );
}

/// A list of each format.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    vec![
        seed(
            "p2p",
            b"# List\nSome Org:1.2.4.0-1.2.4.255\nFox: a-b:10.0.0.1-10.0.0.9\nv6:2001:db8::1-2001:db8::ff\n",
        ),
        seed(
            "dat",
            b"001.009.096.105 - 001.009.096.110 , 000 , Some, Org\r\n1.2.3.4 - 1.2.3.5 , 128 , let in\r\n",
        ),
        seed(
            "cidr",
            b"; networks\n10.0.0.0/8\n1.10.16.0/20 ; SBL1\n2001:db8::/32\n192.0.2.7\n::ffff:1.2.3.4",
        ),
        seed("bad", b"rubbish\n1.2.3.9-1.2.3.4\n1.2.3.4/33\n5.6.7.8\n"),
        seed("gzip", b"\x1f\x8b\x08\n"),
    ]
}
