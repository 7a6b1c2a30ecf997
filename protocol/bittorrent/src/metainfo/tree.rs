//! The file tree of version 2 (BEP 52).

use super::entry::{Attributes, kind, size};
use super::name::{Paths, below};
use super::{FileEntry, FileKind, MAX_FILES, MetainfoError};
use crate::bencode::Node;

/// Reads the files of a tree, in its order. Their offsets are still to be counted.
///
/// Recursion is as deep as the document, whose depth is limited.
pub(super) fn list(tree: Node<'_, '_>, paths: &mut Paths) -> Result<Vec<FileEntry>, MetainfoError> {
    let mut reader = Reader {
        paths,
        entries: Vec::new(),
    };
    let top = reader.paths.top();
    reader.directory(tree, &top)?;
    Ok(reader.entries)
}

/// Whether a tree is one file and nothing else.
pub(super) fn is_single(tree: Node<'_, '_>) -> bool {
    let Some(mut entries) = tree.dict() else {
        return false;
    };
    let first = entries.next();
    entries.next().is_none() && first.is_some_and(|(_, node)| file_of(node).is_some())
}

/// What a node says of the file that it is: one is a dictionary with an empty key alone.
fn file_of<'d, 'a>(node: Node<'d, 'a>) -> Option<Node<'d, 'a>> {
    let mut entries = node.dict()?;
    let (key, file) = entries.next()?;
    (key.is_empty() && entries.next().is_none()).then_some(file)
}

struct Reader<'p> {
    paths: &'p mut Paths,
    entries: Vec<FileEntry>,
}

impl Reader<'_> {
    fn directory(&mut self, tree: Node<'_, '_>, path: &str) -> Result<(), MetainfoError> {
        for (name, node) in tree.dict().ok_or(MetainfoError::Tree)? {
            if name.is_empty() {
                return Err(MetainfoError::Tree);
            }
            let path = below(path, name);
            match file_of(node) {
                Some(file) => self.file(file, path)?,
                None => {
                    self.paths.count(&path)?;
                    self.directory(node, &path)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, file: Node<'_, '_>, path: String) -> Result<(), MetainfoError> {
        if !file.is_dict() {
            return Err(MetainfoError::Tree);
        }
        let index = self.entries.len();
        if index >= MAX_FILES {
            return Err(MetainfoError::TooManyFiles);
        }
        let attributes = Attributes::of(file);
        if attributes.padding {
            return Err(MetainfoError::PaddingInTree { index });
        }
        let size = size(file, attributes, index)?;
        let root = file.get("pieces root").and_then(Node::text);
        let root = root.and_then(|root| <[u8; 32]>::try_from(root).ok());
        // The hash of nothing is no root, and a file of no bytes needs none.
        let root = root.filter(|root| size > 0 && *root != [0; 32]);
        if size > 0 && root.is_none() {
            return Err(MetainfoError::NoRoot { index });
        }
        let path = self.paths.checked(index, path)?;
        let kind = kind(file, attributes, index, self.paths)?;
        debug_assert!(kind != FileKind::Padding);
        self.entries.push(FileEntry {
            path,
            size,
            offset: 0,
            kind,
            executable: attributes.executable,
            hidden: attributes.hidden,
            root,
        });
        Ok(())
    }
}
