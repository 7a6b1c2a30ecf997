//! Torrent files, info dictionaries and magnet links, from anyone.

use potluck_bittorrent::{Builder, Info, Magnet, Metainfo, NewFile, PieceDigester, Version};
use potluck_content::EntryPath;

use crate::seeds::seed;

const PIECE: u64 = 16 * 1024;

/// A torrent that reads is written to one that reads the same, under the same names. No file lies
/// outside of the pieces, and paths differ.
pub fn torrent(data: &[u8]) {
    if let Ok(info) = Info::parse(data) {
        assert_eq!(info.bytes(), data);
    }
    let Ok(torrent) = Metainfo::parse(data) else {
        return;
    };
    let written = torrent.encode();
    let read = Metainfo::parse(&written);
    assert_eq!(read.as_ref(), Ok(&torrent));
    let info = torrent.info();
    assert!(info.hashes().v1.is_some() || info.hashes().v2.is_some());
    let mut paths = std::collections::BTreeSet::new();
    for file in info.files() {
        assert!(file.offset + file.size <= info.total_bytes(), "{file:?}");
        let padding = file.kind == potluck_bittorrent::FileKind::Padding;
        assert!(
            padding || paths.insert(&file.path),
            "{file:?} is there twice"
        );
    }
    let layout = info.layout();
    for piece in 0..layout.pieces().min(1000) {
        for span in layout.spans(piece) {
            let size = span
                .file
                .and_then(|at| info.files().get(at))
                .map(|file| file.size);
            assert!(span.bytes > 0 && size.is_none_or(|size| span.offset + span.bytes <= size));
        }
    }
    let last = info.pieces().checked_sub(1);
    assert_eq!(info.v1_piece(info.pieces()), None);
    assert!(last.is_none_or(|last| info.hashes().v1.is_none() || info.v1_piece(last).is_some()));
}

/// A magnet link that reads is printed to one that reads the same.
pub fn magnet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(magnet) = text.parse::<Magnet>() {
        let printed = magnet.to_string();
        // Escapes make a link longer, sometimes past the limit.
        if printed.len() <= potluck_bittorrent::MAX_MAGNET_BYTES {
            assert_eq!(printed.parse(), Ok(magnet), "printed as {printed}");
        }
    }
}

/// A torrent of files that are no longer than a piece, with any root: a reader can't check those.
fn small(version: Version, paths: &[&str], sizes: &[u64]) -> Option<Metainfo> {
    let files = paths.iter().zip(sizes).map(|(path, size)| {
        Some(NewFile {
            path: EntryPath::new(*path).ok()?,
            size: *size,
            executable: path.ends_with(".sh"),
            root: (*size > 0).then_some([7; 32]),
            layer: Vec::new(),
        })
    });
    let files: Vec<NewFile> = files.collect::<Option<_>>()?;
    let builder = match files.as_slice() {
        [one] if one.path.depth() == 1 => Builder::single(one.clone(), PIECE, version),
        _ => Builder::folder("shelf", files, PIECE, version),
    };
    let builder = builder.ok()?;
    // All bytes are zeros.
    let layout = builder.layout();
    let mut digester = PieceDigester::new(true, false);
    let mut pieces = Vec::new();
    for piece in 0..layout.pieces() {
        digester.push_padding(layout.spans(piece).map(|span| span.bytes).sum());
        pieces.extend(digester.finish(0, PIECE).v1);
    }
    builder.finish(&pieces).ok()
}

/// One of each version, as a file and as a folder.
pub(crate) fn torrent_seeds() -> Vec<(String, Vec<u8>)> {
    let versions = [
        ("v1", Version::V1 { aligned: false }),
        ("aligned", Version::V1 { aligned: true }),
        ("v2", Version::V2),
        ("hybrid", Version::Hybrid),
    ];
    let mut seeds = Vec::new();
    for (name, version) in versions {
        let file = small(version, &["a.txt"], &[10_000]);
        let folder = small(version, &["a", "b/c.sh", "b/empty"], &[16_384, 7_000, 0]);
        for (shape, torrent) in [("file", file), ("folder", folder)] {
            if let Some(mut torrent) = torrent {
                torrent.trackers = vec![vec!["http://t.example/announce".to_owned()]];
                torrent.web_seeds = vec!["http://w.example/".to_owned()];
                torrent.comment = Some("día".to_owned());
                torrent.creation_date_seconds = Some(1_700_000_000);
                torrent.nodes = vec![("router.example".to_owned(), 6881)];
                seeds.push(seed(&format!("{name}-{shape}"), torrent.encode()));
                seeds.push(seed(
                    &format!("{name}-{shape}-info"),
                    torrent.info().bytes(),
                ));
            }
        }
    }
    seeds
}

/// Links of each kind.
pub(crate) fn magnet_seeds() -> Vec<(String, Vec<u8>)> {
    let v1 = "xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    let v2 = format!("xt=urn:btmh:1220{}", "ab".repeat(32));
    vec![
        seed("v1", format!("magnet:?{v1}&dn=x")),
        seed(
            "base32",
            "magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK",
        ),
        seed("v2", format!("magnet:?{v2}")),
        seed(
            "full",
            format!(
                "magnet:?{v1}&{v2}&dn=d%C3%ADa+x&xl=42&tr=udp%3A%2F%2Ft.example%3A1&tr.1=http://u&ws=http%3A%2F%2Fw\
                 &x.pe=192.0.2.7:6881&x.pe=[2001:db8::1]:1&x.pe=host.example:2&so=0,2,4-6"
            ),
        ),
    ]
}
