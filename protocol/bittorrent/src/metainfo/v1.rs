//! The list of files of version 1 (BEP 3).

use super::entry::{Attributes, kind, size};
use super::name::{Paths, element};
use super::{FileEntry, FileKind, MAX_FILES, MetainfoError};
use crate::bencode::Node;

/// How `BitComet` calls the padding that it makes, without an attribute.
const BITCOMET_PADDING: &[u8] = b"_____padding_file_";

/// The files of a torrent that is a folder. Their offsets are still to be counted.
pub(super) fn list(
    files: Node<'_, '_>,
    paths: &mut Paths,
) -> Result<Vec<FileEntry>, MetainfoError> {
    let files = files
        .list()
        .ok_or(MetainfoError::Field { field: "files" })?;
    let mut entries = Vec::new();
    for (index, file) in files.enumerate() {
        if index >= MAX_FILES {
            return Err(MetainfoError::TooManyFiles);
        }
        entries.push(entry(file, index, paths)?);
    }
    Ok(entries)
}

fn entry(file: Node<'_, '_>, index: usize, paths: &mut Paths) -> Result<FileEntry, MetainfoError> {
    if !file.is_dict() {
        return Err(MetainfoError::Field { field: "files" });
    }
    let attributes = Attributes::of(file);
    let size = size(file, attributes, index)?;
    let names = names(file)?;
    let is_bitcomet = |name: &&[u8]| {
        name.windows(BITCOMET_PADDING.len())
            .any(|part| part == BITCOMET_PADDING)
    };
    let kind = kind(file, attributes, index, paths)?;
    let is_padding = attributes.padding || names.iter().any(is_bitcomet);
    let (path, kind) = if is_padding && kind == FileKind::Regular {
        (paths.padding(index, size)?, FileKind::Padding)
    } else if names.is_empty() {
        return Err(MetainfoError::NoName { index });
    } else {
        (paths.path(index, names)?, kind)
    };
    Ok(FileEntry {
        path,
        size,
        offset: 0,
        kind,
        executable: attributes.executable,
        hidden: attributes.hidden,
        root: None,
    })
}

/// The names of a path: of those in UTF-8 if there are any, else of those in whatever encoding.
fn names<'a>(file: Node<'_, 'a>) -> Result<Vec<&'a [u8]>, MetainfoError> {
    let list = |key: &str| file.get(key).and_then(Node::list);
    let Some(names) = list("path.utf-8").or_else(|| list("path")) else {
        return Ok(Vec::new());
    };
    let broken = MetainfoError::Field { field: "path" };
    let names: Option<Vec<_>> = names.map(Node::text).collect();
    names.ok_or(broken)
}

/// The one file of a torrent that is no folder: its fields are in the info dictionary itself.
pub(super) fn single(info: Node<'_, '_>) -> Result<FileEntry, MetainfoError> {
    let attributes = Attributes::of(info);
    let size = size(info, attributes, 0)?;
    let no_name = MetainfoError::NoName { index: 0 };
    let name = raw_name(info).filter(|name| !name.is_empty());
    let name = name.and_then(element).ok_or(no_name)?;
    let mut paths = Paths::new("");
    let kind = kind(info, attributes, 0, &mut paths)?;
    Ok(FileEntry {
        path: paths.path(0, [name.as_bytes()])?,
        size,
        offset: 0,
        kind,
        executable: attributes.executable,
        hidden: attributes.hidden,
        root: None,
    })
}

/// The name of the torrent as it stands there.
pub(super) fn raw_name<'a>(info: Node<'_, 'a>) -> Option<&'a [u8]> {
    let text = |key: &str| info.get(key).and_then(Node::text);
    text("name.utf-8").or_else(|| text("name"))
}
