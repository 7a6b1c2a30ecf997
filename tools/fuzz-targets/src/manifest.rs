//! Folder manifests, and the paths in them, from anybody.

use potluck_content::{
    Address, EntryPath, Hash, Manifest, Node, PieceLayout, check_name, check_symlink_target,
    safe_name,
};

use crate::seeds::{folder, seed};

/// What decodes is the one encoding of what it says, leads nowhere outside, and can be cut in pieces.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::decode(data) {
        assert_eq!(manifest.encode(), data);
        assert_eq!(manifest.address(), Address::folder(Hash::of(data)));
        for entry in manifest.entries() {
            assert_inside(&entry.path, &entry.node);
        }
        assert_layout(&manifest);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(check_name(&safe_name(text)), Ok(()));
        if let Ok(path) = EntryPath::new(text) {
            assert_eq!(path.as_str(), text);
            assert_inside(&path, &Node::Directory);
        }
    }
}

/// Follows the names as a naive receiver would, and must never leave the folder.
fn assert_inside(path: &EntryPath, node: &Node) {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
    assert!(path.components().all(plain), "{path}");
    let Node::Symlink { target } = node else {
        return;
    };
    assert_eq!(check_symlink_target(path, target), Ok(()));
    let mut depth = path.depth() - 1;
    for name in target.split('/') {
        if name == ".." {
            assert!(depth > 0, "{path} -> {target}");
            depth -= 1;
        } else {
            assert!(plain(name), "{path} -> {target}");
            depth += 1;
        }
    }
}

/// Pieces follow each other, and together they are the bytes of the distinct files.
fn assert_layout(manifest: &Manifest) {
    let layout = PieceLayout::for_manifest(manifest);
    assert!(layout.total_bytes() <= manifest.total_bytes());
    let bytes: u64 = layout.blobs().iter().map(|blob| blob.size).sum();
    assert_eq!(layout.total_bytes(), bytes);
    let pieces: u32 = layout.blobs().iter().map(|blob| blob.pieces).sum();
    assert_eq!(layout.pieces(), pieces);
    for piece in [0, layout.pieces() / 2, layout.pieces().saturating_sub(1)] {
        if let Some(found) = layout.get(piece) {
            assert!(layout.pieces_of_blob(found.blob).contains(&piece));
            assert_eq!(
                layout.geometry(found.blob).span_len(found.groups),
                found.bytes
            );
        }
    }
}

/// Whole folders, broken ones, and paths.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![
        seed("path", "images/2024/día.jpg"),
        seed("path-up", "images/../../etc/passwd"),
        seed("name-device", "AUX.txt"),
    ];
    if let Ok(empty) = Manifest::new(Vec::new()) {
        seeds.push(seed("empty", empty.encode()));
    }
    if let Some(folder) = folder() {
        let bytes = folder.encode();
        let mut hostile = bytes.clone();
        if let Some(at) = find(&bytes, b"a.txt") {
            hostile[at..at + 5].copy_from_slice(b"../ax");
        }
        seeds.push(seed("hostile", hostile));
        seeds.push(seed("cut", &bytes[..bytes.len() / 2]));
        seeds.push(seed("folder", bytes));
    }
    seeds
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
