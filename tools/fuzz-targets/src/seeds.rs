//! What the examples are made of.

use potluck_content::{Address, Entry, EntryPath, Hash, Manifest, Node};

/// Names a seed.
pub(crate) fn seed(name: &str, bytes: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.into())
}

/// The address of a file.
pub(crate) fn blob(text: &str) -> Address {
    Address::blob(Hash::of(text.as_bytes()))
}

/// A folder with one of everything.
pub(crate) fn folder() -> Option<Manifest> {
    let file = |text: &str, executable| Node::File {
        hash: Hash::of(text.as_bytes()),
        size: text.len() as u64,
        executable,
    };
    let entries = [
        ("a.txt", file("hello", false)),
        ("bin/run", file("#!/bin/sh\n", true)),
        ("bin/same", file("hello", false)),
        ("empty", file("", false)),
        (
            "images/latest",
            Node::Symlink {
                target: "../a.txt".to_owned(),
            },
        ),
        ("images/2024/día 🎉.jpg", file("jpg", false)),
        ("nothing here", Node::Directory),
    ];
    let entries = entries
        .into_iter()
        .map(|(path, node)| {
            Some(Entry {
                path: EntryPath::new(path).ok()?,
                node,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Manifest::new(entries).ok()
}
