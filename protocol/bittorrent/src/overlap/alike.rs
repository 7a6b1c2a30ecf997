//! Files of one torrent that have the same size, to find in them a file of another. A torrent may have
//! very many of one size, so none is looked at one by one.

use std::collections::BTreeMap;

use crate::FileEntry;

/// See the module. Files are named by their position in the torrent.
#[derive(Default)]
pub(super) struct Alike<'a> {
    by_root: BTreeMap<[u8; 32], usize>,
    all: Pool<'a>,
    /// Those that are not known by a root.
    rootless: Pool<'a>,
}

#[derive(Default)]
struct Pool<'a> {
    by_name: BTreeMap<&'a str, usize>,
    first: Option<usize>,
    count: usize,
}

fn name(file: &FileEntry) -> &str {
    let path = file.path.as_str();
    path.rsplit('/').next().unwrap_or(path)
}

impl<'a> Pool<'a> {
    fn add(&mut self, index: usize, file: &'a FileEntry) {
        self.by_name.entry(name(file)).or_insert(index);
        self.first.get_or_insert(index);
        self.count += 1;
    }

    /// The first one of the same name, or the only one.
    fn like(&self, file: &FileEntry) -> Option<usize> {
        let only = self.first.filter(|_| self.count == 1);
        self.by_name.get(name(file)).copied().or(only)
    }
}

impl<'a> Alike<'a> {
    pub(super) fn add(&mut self, index: usize, file: &'a FileEntry) {
        self.all.add(index, file);
        match file.root {
            Some(root) => {
                self.by_root.entry(root).or_insert(index);
            }
            None => self.rootless.add(index, file),
        }
    }

    /// Which of these is the file, and whether a root says so.
    pub(super) fn same(&self, file: &FileEntry) -> Option<(usize, bool)> {
        let Some(root) = &file.root else {
            return self.all.like(file).map(|index| (index, false));
        };
        match self.by_root.get(root) {
            Some(index) => Some((*index, true)),
            None => self.rootless.like(file).map(|index| (index, false)),
        }
    }
}
