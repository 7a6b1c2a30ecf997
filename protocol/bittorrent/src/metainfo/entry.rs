//! What the two ways to describe a file have in common.

use super::name::Paths;
use super::{FileKind, MAX_FILE_BYTES, MetainfoError};
use crate::bencode::Node;

/// Attributes of a file (BEP 47).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub(super) padding: bool,
    pub(super) symlink: bool,
    pub(super) executable: bool,
    pub(super) hidden: bool,
}

impl Attributes {
    pub(super) fn of(file: Node<'_, '_>) -> Self {
        let attr = file.get("attr").and_then(Node::text).unwrap_or_default();
        Self {
            padding: attr.contains(&b'p'),
            symlink: attr.contains(&b'l'),
            executable: attr.contains(&b'x'),
            hidden: attr.contains(&b'h'),
        }
    }
}

/// Bytes of a file. A link has none, whatever is said.
pub(super) fn size(
    file: Node<'_, '_>,
    attributes: Attributes,
    index: usize,
) -> Result<u64, MetainfoError> {
    if attributes.symlink {
        return Ok(0);
    }
    let size = file.get("length").and_then(Node::size);
    size.filter(|size| *size <= MAX_FILE_BYTES)
        .ok_or(MetainfoError::FileSize { index })
}

/// What a file is that is no padding. A link that says nothing of where it leads is an empty file.
pub(super) fn kind(
    file: Node<'_, '_>,
    attributes: Attributes,
    index: usize,
    paths: &mut Paths,
) -> Result<FileKind, MetainfoError> {
    if !attributes.symlink {
        return Ok(FileKind::Regular);
    }
    let Some(steps) = file.get("symlink path").and_then(Node::list) else {
        return Ok(FileKind::Regular);
    };
    let mut names = Vec::new();
    for step in steps {
        let name = step.text().ok_or(MetainfoError::Field {
            field: "symlink path",
        })?;
        names.push(name);
    }
    if names.is_empty() {
        return Ok(FileKind::Regular);
    }
    // Too long a path leads to nothing, as any other that is not in the torrent.
    let target = match paths.path(index, names) {
        Ok(target) => Some(target),
        Err(MetainfoError::Path { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(FileKind::Symlink { target })
}
