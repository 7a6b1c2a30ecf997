//! Content with its hash trees in memory, so that a hostile provider can serve it right up to the
//! moment when it lies.

use potluck_content::tree::{self, Geometry};
use potluck_content::{Address, Entry, GROUP_BYTES, Hash, Kind, Manifest, Node, PieceLayout};
use potluck_transfer::wire::bulk::Item;
use potluck_transfer::wire::control::Head;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Blob {
    bytes: Vec<u8>,
    outboard: Vec<u8>,
}

/// A file or folder on disk, and all that is to be known of it.
pub struct Truth {
    pub path: PathBuf,
    pub root: Address,
    pub layout: PieceLayout,
    blobs: BTreeMap<Hash, Blob>,
}

/// Bytes that depend on the seed alone (SplitMix64).
pub fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut all = Vec::with_capacity(size + 8);
    while all.len() < size {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        all.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    all.truncate(size);
    all
}

impl Truth {
    /// One file of so many bytes.
    pub fn file(dir: &Path, size: usize, seed: u64) -> Self {
        let path = dir.join("dish.bin");
        let bytes = bytes(size, seed);
        fs::write(&path, &bytes).unwrap();
        let (hash, outboard) = tree::outboard(&bytes);
        Self {
            path,
            root: Address {
                kind: Kind::Blob,
                hash,
            },
            layout: PieceLayout::for_blob(hash, size as u64),
            blobs: BTreeMap::from([(hash, Blob { bytes, outboard })]),
        }
    }

    /// A folder of many files of one size, so many that its manifest takes several groups.
    pub fn folder(dir: &Path, files: usize, size: usize, seed: u64) -> Self {
        let path = dir.join("menu");
        fs::create_dir(&path).unwrap();
        let mut blobs = BTreeMap::new();
        let mut entries = Vec::new();
        for index in 0..files {
            let name = format!("{index:04}-{}", "a-dish-with-a-long-name".repeat(4));
            let bytes = bytes(size, seed.wrapping_mul(1000).wrapping_add(index as u64));
            fs::write(path.join(&name), &bytes).unwrap();
            let (hash, outboard) = tree::outboard(&bytes);
            blobs.insert(hash, Blob { bytes, outboard });
            let node = Node::File {
                hash,
                size: size as u64,
                executable: false,
            };
            entries.push(Entry {
                path: name.parse().unwrap(),
                node,
            });
        }
        let manifest = Manifest::new(entries).unwrap();
        let root = manifest.address();
        let bytes = manifest.encode();
        assert!(bytes.len() as u64 > 2 * GROUP_BYTES);
        let (_, outboard) = tree::outboard(&bytes);
        blobs.insert(root.hash, Blob { bytes, outboard });
        Self {
            path,
            root,
            layout: PieceLayout::for_manifest(&manifest),
            blobs,
        }
    }

    /// Size and last group of the root blob.
    pub fn head(&self) -> (u64, Head) {
        let blob = &self.blobs[&self.root.hash];
        let size = blob.bytes.len() as u64;
        let geometry = Geometry::new(size);
        let span = geometry.last_group();
        let start = usize::try_from(span.start * GROUP_BYTES).unwrap();
        let proof = tree::prove(geometry, &blob.outboard[..], span).unwrap();
        let data = blob.bytes[start..].to_vec();
        (size, Head { proof, data })
    }

    /// Proof and bytes of what is asked for.
    pub fn span(&self, item: &Item) -> (Vec<u8>, Vec<u8>) {
        let blob = &self.blobs[&item.hash];
        assert_eq!(item.size, blob.bytes.len() as u64);
        let proof = tree::prove(item.geometry(), &blob.outboard[..], item.span()).unwrap();
        let start = usize::try_from(item.first_group * GROUP_BYTES).unwrap();
        let len = usize::try_from(item.data_len()).unwrap();
        (proof, blob.bytes[start..start + len].to_vec())
    }

    /// The piece in which a group of a blob lies; pieces of a manifest are counted by themselves.
    pub fn piece(&self, hash: &Hash, group: u64) -> u32 {
        if *hash == self.root.hash && self.root.kind == Kind::Folder {
            let size = self.blobs[hash].bytes.len() as u64;
            let layout = PieceLayout::for_blob(*hash, size);
            return layout.pieces_covering(0, group..group + 1).start;
        }
        let blob = self.layout.find_blob(hash).unwrap();
        self.layout.pieces_covering(blob, group..group + 1).start
    }

    /// Fails the test unless what was fetched is the same, byte for byte.
    pub fn assert_same(&self, fetched: &Path) {
        if self.path.is_file() {
            assert!(fs::read(&self.path).unwrap() == fs::read(fetched).unwrap());
            return;
        }
        let names = |dir: &Path| -> Vec<_> {
            let mut names: Vec<_> = fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&self.path), names(fetched));
        for name in names(&self.path) {
            let (ours, theirs) = (self.path.join(&name), fetched.join(&name));
            assert!(
                fs::read(ours).unwrap() == fs::read(theirs).unwrap(),
                "{name:?}"
            );
        }
    }
}
