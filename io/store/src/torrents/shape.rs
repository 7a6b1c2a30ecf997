//! Which bytes of a torrent are where. No files are touched here.

use std::ops::Range;
use std::path::{Path, PathBuf};

use potluck_bittorrent::{FileEntry, FileKind, Info, Layout};
use potluck_content::PieceSet;

/// Some bytes of one file, or padding, among those that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Position of the file. None for padding.
    pub(super) file: Option<u32>,
    /// Bytes of the file before it.
    pub(super) offset: u64,
    /// Where it is in what was asked for.
    pub(super) at: Range<usize>,
}

/// Number of pieces; the torrent's own limit is far below that of the type.
pub(super) fn pieces(layout: &Layout) -> u32 {
    u32::try_from(layout.pieces()).unwrap_or(u32::MAX)
}

/// Bytes of a piece; 0 past the end.
pub(super) fn piece_len(layout: &Layout, piece: u32) -> u64 {
    layout.spans(piece.into()).map(|span| span.bytes).sum()
}

/// What `length` bytes from `begin` on of a piece are. None when the piece has no such bytes.
pub(super) fn parts(layout: &Layout, piece: u32, begin: u64, length: usize) -> Option<Vec<Part>> {
    let end = begin.checked_add(length as u64)?;
    let mut parts = Vec::new();
    let mut position = 0;
    for span in layout.spans(piece.into()) {
        let (start, stop) = (position.max(begin), (position + span.bytes).min(end));
        if start < stop {
            let at = usize::try_from(start - begin).ok()?..usize::try_from(stop - begin).ok()?;
            parts.push(Part {
                file: span.file.and_then(|file| u32::try_from(file).ok()),
                offset: span.offset + (start - position),
                at,
            });
        }
        position += span.bytes;
        if position >= end {
            return Some(parts);
        }
    }
    None
}

/// Whether a file is wanted.
pub(super) fn wants(selection: Option<&PieceSet>, file: usize) -> bool {
    selection.is_none_or(|selection| u32::try_from(file).is_ok_and(|file| selection.contains(file)))
}

/// The files that get a place of their own: all but padding, with their positions.
pub(super) fn stored(info: &Info) -> impl Iterator<Item = (u32, &FileEntry)> {
    let files = (0..).zip(info.files());
    files.filter(|(_, file)| file.kind != FileKind::Padding)
}

/// The pieces that wanted files have bytes of.
pub(super) fn wanted_pieces(info: &Info, selection: Option<&PieceSet>) -> PieceSet {
    let Some(selection) = selection else {
        return PieceSet::full(info.pieces());
    };
    let mut wanted = PieceSet::new(info.pieces());
    let files = stored(info).filter(|(index, file)| file.size > 0 && selection.contains(*index));
    for (_, file) in files {
        let number = |bytes: u64| u32::try_from(bytes / info.piece_bytes()).unwrap_or(u32::MAX);
        let last = number(file.offset + file.size - 1).min(info.pieces().saturating_sub(1));
        wanted.insert_range(number(file.offset).min(last)..last + 1);
    }
    wanted
}

/// The pieces of which every byte is in a wanted file, or padding.
pub(super) fn kept_pieces(layout: &Layout, selection: Option<&PieceSet>) -> PieceSet {
    let mut kept = PieceSet::full(pieces(layout));
    if selection.is_none() {
        return kept;
    }
    for piece in 0..pieces(layout) {
        let mut files = layout.spans(piece.into()).filter_map(|span| span.file);
        if files.any(|file| !wants(selection, file)) {
            kept.remove(piece);
        }
    }
    kept
}

/// Bytes of the wanted files.
pub(super) fn wanted_bytes(info: &Info, selection: Option<&PieceSet>) -> u64 {
    let files = stored(info).filter(|(index, _)| selection.is_none_or(|set| set.contains(*index)));
    files.map(|(_, file)| file.size).sum()
}

/// Bytes of wanted files in a piece.
pub(super) fn wanted_in(layout: &Layout, selection: Option<&PieceSet>, piece: u32) -> u64 {
    let spans = layout.spans(piece.into());
    let wanted = spans.filter(|span| span.file.is_some_and(|file| wants(selection, file)));
    wanted.map(|span| span.bytes).sum()
}

/// The directories and the name of a file below the folder of its torrent.
pub(super) fn below<'a>(info: &Info, file: &'a FileEntry) -> (&'a str, &'a str) {
    let path = below_top(info, file.path.as_str());
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A path of the torrent as seen from its folder: paths begin with the name of that.
pub(super) fn below_top<'a>(info: &Info, path: &'a str) -> &'a str {
    let rest = path.strip_prefix(info.name());
    match rest.and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => rest,
        None => path,
    }
}

/// Where a file is when the torrent is at `place`.
pub(super) fn path_at(info: &Info, place: &Path, file: &FileEntry) -> PathBuf {
    if info.is_single() {
        return place.to_path_buf();
    }
    place.join(below_top(info, file.path.as_str()))
}
