//! Reading info dictionaries that may come from anyone.

use std::ops::Range;

use potluck_content::{GROUP_BYTES, MAX_TOTAL_BYTES};

use super::name::{Paths, element, make_unique};
use super::{
    FileEntry, FileKind, Info, LIMITS, MAX_INFO_BYTES, MAX_PIECE_BYTES, MAX_PIECES, MetainfoError,
    layers, symlink, tree, v1,
};
use crate::bencode::{Document, Node};
use crate::{InfoHashV1, InfoHashV2, InfoHashes};

/// Reads a dictionary that came by itself.
pub(super) fn read_alone(bytes: &[u8]) -> Result<Info, MetainfoError> {
    if bytes.len() > MAX_INFO_BYTES {
        let bytes = bytes.len();
        return Err(MetainfoError::TooLarge { bytes });
    }
    let document = Document::read(bytes, LIMITS)?;
    let root = document.root();
    if root.raw().len() != bytes.len() {
        return Err(MetainfoError::NotDictionary);
    }
    read(root)
}

/// Reads a dictionary within a torrent file.
pub(super) fn read(info: Node<'_, '_>) -> Result<Info, MetainfoError> {
    if !info.is_dict() {
        return Err(MetainfoError::NotDictionary);
    }
    let is_v2 = is_v2(info)?;
    let piece_bytes = piece_bytes(info, is_v2)?;
    let mut draft = files(info, is_v2)?;
    if draft.files.is_empty() {
        return Err(MetainfoError::NoFiles);
    }
    let total_bytes = total_bytes(&draft.files)?;
    let pieces = total_bytes.div_ceil(piece_bytes);
    if pieces > u64::from(MAX_PIECES) {
        return Err(MetainfoError::TooManyPieces { found: pieces });
    }
    let v1_pieces = v1_pieces(info, &draft, pieces)?;
    layers::counts(&draft.files, piece_bytes)?;
    make_unique(&mut draft.files).map_err(|reason| MetainfoError::Path { index: 0, reason })?;
    symlink::resolve(&mut draft.files);
    let bytes = info.raw().to_vec();
    let hashes = InfoHashes {
        v1: v1_pieces.is_some().then(|| InfoHashV1::of(&bytes)),
        v2: is_v2.then(|| InfoHashV2::of(&bytes)),
    };
    Ok(Info {
        hashes,
        name: draft.name,
        is_single: draft.is_single,
        is_private: info.get("private").and_then(Node::number).unwrap_or(0) != 0,
        piece_bytes,
        total_bytes,
        files: draft.files,
        v1_pieces,
        bytes,
    })
}

/// Whether the dictionary describes version 2, alone or too.
fn is_v2(info: Node<'_, '_>) -> Result<bool, MetainfoError> {
    let version = info.get("meta version").and_then(Node::number);
    let version = version.unwrap_or(1);
    if version > 2 {
        return Err(MetainfoError::Version { found: version });
    }
    let has_tree = info.get("file tree").is_some_and(Node::is_dict);
    match (version == 2, has_tree) {
        (true, true) if !info.is_canonical() => Err(MetainfoError::NotCanonical),
        (true, true) => Ok(true),
        (true, false) => Err(MetainfoError::Field { field: "file tree" }),
        (false, true) => Err(MetainfoError::Field {
            field: "meta version",
        }),
        (false, false) => Ok(false),
    }
}

fn piece_bytes(info: Node<'_, '_>, is_v2: bool) -> Result<u64, MetainfoError> {
    let found = info.get("piece length").and_then(Node::number);
    let found = found.ok_or(MetainfoError::Field {
        field: "piece length",
    })?;
    let is_valid = |bytes: &u64| {
        let fits_tree = *bytes >= GROUP_BYTES && bytes.is_power_of_two();
        *bytes > 0 && *bytes <= MAX_PIECE_BYTES && (!is_v2 || fits_tree)
    };
    let bytes = u64::try_from(found).ok().filter(is_valid);
    bytes.ok_or(MetainfoError::PieceLength { found })
}

/// The files of a torrent, on the way to an [`Info`].
struct Draft {
    name: String,
    is_single: bool,
    /// Whether they are described in version 1.
    in_v1: bool,
    files: Vec<FileEntry>,
}

fn files(info: Node<'_, '_>, is_v2: bool) -> Result<Draft, MetainfoError> {
    let list = info.get("files").filter(|files| files.list().is_some());
    let raw_name = v1::raw_name(info).ok_or(MetainfoError::Field { field: "name" })?;
    let name = element(raw_name);
    // A folder whose own name is unusable goes by the SHA-1 hash, whatever the version.
    let name = name.unwrap_or_else(|| InfoHashV1::of(info.raw()).to_string());
    let v1 = match list {
        Some(list) => Some(v1::list(list, &mut Paths::new(&name))?),
        None if !is_v2 || info.get("length").is_some() => Some(vec![v1::single(info)?]),
        None => None,
    };
    if !is_v2 {
        return Ok(Draft {
            name,
            is_single: list.is_none(),
            in_v1: true,
            files: with_offsets(v1.unwrap_or_default(), None)?,
        });
    }
    let tree = info.get("file tree").ok_or(MetainfoError::Tree)?;
    let is_single = list.is_none() && tree::is_single(tree);
    let prefix = if is_single { "" } else { &name };
    let v2 = tree::list(tree, &mut Paths::new(prefix))?;
    let v2 = with_offsets(v2, Some(piece_bytes(info, true)?))?;
    // A single file goes by the name that the tree gives it.
    let name = match v2.as_slice() {
        [file] if is_single => file.path.as_str().to_owned(),
        _ => name,
    };
    let in_v1 = v1.is_some();
    let files = match v1 {
        Some(v1) => merged(with_offsets(v1, None)?, v2, piece_bytes(info, true)?)?,
        None => v2,
    };
    Ok(Draft {
        name,
        is_single,
        in_v1,
        files,
    })
}

/// Counts the bytes before each file. With `align`, each file with any bytes starts a piece.
fn with_offsets(
    mut files: Vec<FileEntry>,
    align: Option<u64>,
) -> Result<Vec<FileEntry>, MetainfoError> {
    let mut end = 0_u64;
    for file in &mut files {
        if let (Some(piece_bytes), true) = (align, file.size > 0) {
            end = end.next_multiple_of(piece_bytes);
        }
        file.offset = end;
        end = end.saturating_add(file.size);
        // No piece is long enough to take the next step past what a number holds.
        if end > MAX_TOTAL_BYTES {
            return Err(MetainfoError::TotalSize);
        }
    }
    Ok(files)
}

/// Holds the two descriptions of a hybrid against each other. What is left are the files of version
/// 1 with their padding, and the roots of version 2.
fn merged(
    mut v1: Vec<FileEntry>,
    v2: Vec<FileEntry>,
    piece_bytes: u64,
) -> Result<Vec<FileEntry>, MetainfoError> {
    let end = v2.last().map_or(0, |file| file.offset + file.size);
    let v1_end = v1.last().map_or(0, |file| file.offset + file.size);
    if v1_end != end && v1_end != end.next_multiple_of(piece_bytes) {
        return Err(MetainfoError::Inconsistent);
    }
    let mut v2 = v2.into_iter();
    for file in v1.iter_mut().filter(|file| file.kind != FileKind::Padding) {
        let other = v2.next().ok_or(MetainfoError::Inconsistent)?;
        let is_same_place = file.size == 0 || file.offset == other.offset;
        let is_same = file.path == other.path && file.size == other.size && file.kind == other.kind;
        if !is_same || !is_same_place {
            return Err(MetainfoError::Inconsistent);
        }
        file.root = other.root;
    }
    match v2.next() {
        None => Ok(v1),
        Some(_) => Err(MetainfoError::Inconsistent),
    }
}

fn total_bytes(files: &[FileEntry]) -> Result<u64, MetainfoError> {
    let last = files.last().map_or(0, |file| file.offset + file.size);
    if last == 0 {
        return Err(MetainfoError::TotalSize);
    }
    Ok(last)
}

/// Where the hashes of the pieces are in the bytes of the dictionary, if it has any of use: without
/// a list of files, or in version 2 without hashes, there is no version 1 to speak of.
fn v1_pieces(
    info: Node<'_, '_>,
    draft: &Draft,
    pieces: u64,
) -> Result<Option<Range<usize>>, MetainfoError> {
    let is_v2_too = draft.files.iter().any(|file| file.root.is_some());
    let Some(hashes) = info.get("pieces").and_then(Node::text) else {
        let missing = MetainfoError::Field { field: "pieces" };
        return if is_v2_too { Ok(None) } else { Err(missing) };
    };
    let expected = pieces * 20;
    if hashes.len() as u64 != expected {
        let found = hashes.len();
        return Err(MetainfoError::PieceHashes { expected, found });
    }
    if !draft.in_v1 {
        return Ok(None);
    }
    // The text is part of the dictionary's bytes, so its address says where.
    let start = hashes.as_ptr() as usize - info.raw().as_ptr() as usize;
    Ok(Some(start..start + hashes.len()))
}
