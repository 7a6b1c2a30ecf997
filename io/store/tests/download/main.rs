//! Downloads: whole, selected, interrupted, tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod arriving;
mod histories;
mod interrupted;
mod refused;
mod selected;

use common::*;
use potluck_content::Address;
use potluck_store::Store;
use tempfile::{TempDir, tempdir};

struct Pair {
    dir: TempDir,
    from: Store,
    to: Store,
}

impl Pair {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let from = open(&dir.path().join("from"));
        let to = open(&dir.path().join("to"));
        Self { dir, from, to }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Closes and opens the fetching store, as after the end of its process.
    fn restart(self) -> Self {
        let Self { dir, from, to } = self;
        drop(to);
        let to = open(&dir.path().join("to"));
        Self { dir, from, to }
    }

    fn big(&self, size: usize) -> (Address, Vec<u8>) {
        let data = bytes(size as u64, size);
        put(&self.path("src/big"), &data);
        (share(&self.from, &self.path("src/big")).root.address, data)
    }
}

fn go() -> std::ops::ControlFlow<()> {
    std::ops::ControlFlow::Continue(())
}
