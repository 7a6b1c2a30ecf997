//! Piece layers of version 2 (BEP 52).

use std::collections::BTreeMap;

use potluck_content::foreign::layer_root;

use super::{FileEntry, Info, MetainfoError};
use crate::bencode::Node;

/// Reads the layers of a torrent file. Some or all may be missing, as after a magnet link; those that
/// are there belong to a file and fit its root.
pub(super) fn read(
    layers: Option<Node<'_, '_>>,
    info: &Info,
) -> Result<BTreeMap<[u8; 32], Vec<[u8; 32]>>, MetainfoError> {
    let mut found = BTreeMap::new();
    if info.hashes.v2.is_none() {
        return Ok(found);
    }
    let counts = counts(&info.files, info.piece_bytes)?;
    for (root, layer) in layers.and_then(Node::dict).into_iter().flatten() {
        let root: [u8; 32] = root.try_into().map_err(|_| MetainfoError::Layer)?;
        let (layer, rest) = layer.text().unwrap_or_default().as_chunks::<32>();
        if !rest.is_empty() || counts.get(&root) != Some(&(layer.len() as u64)) {
            return Err(MetainfoError::Layer);
        }
        if layer_root(layer, info.piece_bytes) != Some(root) {
            return Err(MetainfoError::Layer);
        }
        found.insert(root, layer.to_vec());
    }
    Ok(found)
}

/// Hashes in the layer of each root that has one. A root with two lengths is a lie about one of them.
pub(super) fn counts(
    files: &[FileEntry],
    piece_bytes: u64,
) -> Result<BTreeMap<[u8; 32], u64>, MetainfoError> {
    let mut sizes = BTreeMap::new();
    for file in files.iter().filter(|file| file.size > piece_bytes) {
        if let Some(root) = file.root {
            let other = sizes.insert(root, file.size);
            if other.is_some_and(|other| other != file.size) {
                return Err(MetainfoError::Layer);
            }
        }
    }
    let count = |(root, size): ([u8; 32], u64)| (root, size.div_ceil(piece_bytes));
    Ok(sizes.into_iter().map(count).collect())
}

/// Whether a layer is that of the files with this root.
pub(super) fn check(info: &Info, root: &[u8; 32], layer: &[[u8; 32]]) -> Result<(), MetainfoError> {
    let mut files = info.files().iter();
    let file = files.find(|file| file.root == Some(*root) && file.size > info.piece_bytes);
    let file = file.ok_or(MetainfoError::Layer)?;
    let is_whole = file.size.div_ceil(info.piece_bytes) == layer.len() as u64;
    let fits = is_whole && layer_root(layer, info.piece_bytes) == Some(*root);
    fits.then_some(()).ok_or(MetainfoError::Layer)
}
