//! Manifests of random entries: which of them fit together.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use potluck_content::{Entry, EntryPath, Hash, Manifest, Node};
use proptest::prelude::*;

fn any_entry() -> impl Strategy<Value = Entry> {
    let node = prop_oneof![
        (1u64..1 << 40, any::<bool>()).prop_map(|(size, executable)| {
            let hash = Hash::of(&size.to_be_bytes());
            Node::File {
                hash,
                size,
                executable,
            }
        }),
        Just(Node::Directory),
        "[ab]{1,2}(/[ab]{1,2})?".prop_map(|target| Node::Symlink { target }),
    ];
    ("[abAé.-]{1,3}(/[abA]{1,2}){0,3}", node).prop_filter_map("a path", |(path, node)| {
        Some(Entry {
            path: EntryPath::new(path).ok()?,
            node,
        })
    })
}

/// Whether entries fit together, judged pair by pair.
fn fit_together(entries: &[Entry]) -> bool {
    let folded = |path: &str| {
        path.split('/')
            .map(potluck_content::fold_name)
            .collect::<Vec<_>>()
    };
    entries.iter().enumerate().all(|(index, a)| {
        entries[..index].iter().all(|b| {
            let (a, b) = (a.path.as_str(), b.path.as_str());
            let shared = folded(a)
                .iter()
                .zip(folded(b))
                .take_while(|(a, b)| **a == *b)
                .count();
            let plain = a
                .split('/')
                .zip(b.split('/'))
                .take_while(|(a, b)| a == b)
                .count();
            let shorter = a.split('/').count().min(b.split('/').count());
            plain == shared && shared < shorter
        })
    })
}

proptest! {
    #[test]
    fn what_is_kept_fits_together(entries in proptest::collection::vec(any_entry(), 0..12)) {
        let (manifest, refused) = Manifest::from_valid(entries.clone()).unwrap();
        prop_assert!(fit_together(manifest.entries()));
        prop_assert_eq!(refused.is_empty(), fit_together(&entries));
        prop_assert_eq!(manifest.entries().len() + refused.len(), entries.len());
        prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn order_given_does_not_matter(entries in proptest::collection::vec(any_entry(), 0..12).prop_shuffle()) {
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        prop_assert_eq!(Manifest::new(entries).ok(), Manifest::new(sorted).ok());
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300), start in any::<bool>()) {
        let bytes = if start { [b"\xa2\x61v\x01\x67entries", &bytes[..]].concat() } else { bytes };
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert_eq!(manifest.encode(), bytes);
        }
    }
}
