//! Web seeds: where files are by the names that a torrent gives them, and what servers say of answers.

use std::time::Duration;

use potluck_bittorrent::Metainfo;
use potluck_bittorrent::web_seed::{ContentRange, WebLayout, retry_after};

use crate::seeds::seed;

const BASE: &str = "http://seed.example/files/";

/// The bytes are a torrent, and headers of an answer.
pub fn web_seed(data: &[u8]) {
    if let Ok(metainfo) = Metainfo::parse(data) {
        files(&metainfo);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.first <= range.last);
        assert!(range.size.is_none_or(|size| range.last < size));
        let size = range.size.map_or("*".to_owned(), |size| size.to_string());
        let written = format!("bytes {}-{}/{size}", range.first, range.last);
        assert_eq!(written.parse(), Ok(range));
    }
    if let Some(pause) = retry_after(text) {
        assert_eq!(retry_after(&pause.as_secs().to_string()), Some(pause));
        assert_eq!(pause, Duration::from_secs(pause.as_secs()));
    }
}

/// Each file is at an address below that of the seed, and the first pieces are made of bytes that files
/// have.
fn files(metainfo: &Metainfo) {
    let layout = WebLayout::new(metainfo.info());
    for (file, entry) in metainfo.info().files().iter().enumerate() {
        assert_eq!(layout.size(file), Some(entry.size));
        let url = layout.url(BASE, file).unwrap_or_default();
        let path = url.strip_prefix(BASE);
        let is_below = |path: &str| path.split('/').all(|name| !matches!(name, "." | ".."));
        assert!(path.is_some_and(is_below), "{url}");
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }
    let last = u32::try_from(layout.pieces()).unwrap_or(u32::MAX).min(64);
    let mut pieces = 0..0;
    for piece in 0..last {
        for run in layout.runs(piece..piece + 1) {
            let size = run.file.map_or(Some(u64::MAX), |file| layout.size(file));
            let end = run.offset.checked_add(run.bytes);
            assert!(run.bytes > 0 && run.piece == piece);
            assert!(end.zip(size).is_some_and(|(end, size)| end <= size));
        }
        pieces.end += 1;
    }
    let bytes = |runs: Vec<potluck_bittorrent::web_seed::WebRun>| -> u64 {
        runs.iter().map(|run| run.bytes).sum()
    };
    let apart: u64 = (0..last)
        .map(|piece| bytes(layout.runs(piece..piece + 1)))
        .sum();
    assert_eq!(bytes(layout.runs(pieces)), apart);
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = crate::torrent::torrent_seeds();
    seeds.extend([
        seed("range", "bytes 0-99/1000"),
        seed("range-open", "bytes 5-9/*"),
        seed("range-reversed", "bytes 9-5/10"),
        seed("pause", "120"),
        seed("pause-date", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ]);
    seeds
}
