//! Recording a download that got its final name.

use std::fs::File;
use std::path::{Path, PathBuf};

use potluck_content::tree::Geometry;
use potluck_content::{Address, Node, PieceSet};
use redb::WriteTransaction;

use super::begin::wanted;
use super::forget::Record;
use super::place::remove_part;
use super::running::lock;
use super::trees::PartialTrees;
use crate::cache::Described;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{
    BlobRecord, FileRecord, Home, MAX_INLINE_TREE, PartialRecord, PlaceRecord, RootRecord,
    TreePlace,
};
use crate::roots::clear_problems;
use crate::sys::{self, Dir};
use crate::tables::{self, OWNED_ENTRY};
use crate::trees::{sync_dir, sync_file};
use crate::types::Origin;

/// Tree files that are synced one by one; for more, the whole file system is.
const MAX_SINGLE_SYNCS: usize = 16;
/// Bytes of a tree that are copied at once.
const COPY_BYTES: u64 = 256 * 1024;

/// A download whose files stand under their final names.
pub(super) struct Settling<'a> {
    pub(super) inner: &'a Inner,
    pub(super) address: &'a Address,
    pub(super) described: &'a Described,
    pub(super) record: &'a PartialRecord,
    pub(super) trees: &'a PartialTrees,
    pub(super) created_unix: u64,
}

/// A file of the download.
struct FinalFile {
    blob: u32,
    entry: u32,
    path: Vec<u8>,
    file: FileRecord,
}

impl Settling<'_> {
    /// Records the root as held, when `serve`, and forgets that it was partial. May be done again
    /// after a crash.
    pub(super) fn settle(&self, serve: bool) -> Result<(), Fault> {
        let forget = |record: Record<'_>| {
            self.inner
                .forget_partial_and(self.address, self.record, record)
        };
        let changing = lock(&self.inner.changing);
        if serve {
            let trees = self.keep_trees()?;
            let files = self.files()?;
            forget(&|transaction| self.record_all(transaction, &trees, &files))?;
        } else {
            forget(&|_| Ok(()))?;
        }
        drop(changing);
        if let Err(error) = remove_part(&self.record.part) {
            // All is recorded; what is left is empty.
            tracing::warn!(%error, "cannot remove an empty part");
        }
        Ok(())
    }

    fn is_selected(&self, entry: u32) -> bool {
        self.record
            .purpose
            .selection()
            .is_none_or(|selection| selection.contains(entry))
    }

    /// Whether a blob is part of what was downloaded.
    fn wanted(&self) -> PieceSet {
        wanted(self.described, &self.record.purpose)
    }

    /// Takes the tree of each blob out of the one file of the download.
    fn keep_trees(&self) -> Result<Vec<Option<TreePlace>>, Fault> {
        let layout = &self.described.layout;
        let wanted = self.wanted();
        let mut written = Vec::new();
        let mut trees = Vec::with_capacity(layout.blobs().len());
        for (index, blob) in (0..).zip(layout.blobs()) {
            let mut pieces = layout.pieces_of_blob(index);
            if blob.pieces > 0 && !pieces.any(|piece| wanted.contains(piece)) {
                trees.push(None);
                continue;
            }
            let length = Geometry::new(blob.size).outboard_len();
            let place = match usize::try_from(length) {
                Ok(0) => TreePlace::None,
                Ok(length) if length <= MAX_INLINE_TREE => {
                    let mut tree = vec![0; length];
                    self.trees.read(&mut tree, self.trees.span(index).start)?;
                    TreePlace::Inline(tree)
                }
                _ => {
                    let path = self.inner.tree_path(&blob.hash);
                    self.copy_tree(index, &path)?;
                    written.push(path);
                    TreePlace::File
                }
            };
            trees.push(Some(place));
        }
        self.sync_trees(&written)?;
        Ok(trees)
    }

    fn copy_tree(&self, blob: u32, path: &Path) -> Result<(), Fault> {
        let temporary = self.inner.temporary();
        let alone = self.described.layout.blobs().len() == 1;
        if alone && std::fs::hard_link(&self.trees.path, &temporary).is_ok() {
            // What a download has of its only blob's tree is that tree.
            return self.inner.put_in_place(&temporary, path, false);
        }
        let io = |error| Fault::io("write", &temporary, error);
        let to = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(io)?;
        let span = self.trees.span(blob);
        let mut buffer = vec![0; usize::try_from(COPY_BYTES).unwrap_or(0)];
        let mut at = span.start;
        while at < span.end {
            let length = usize::try_from((span.end - at).min(COPY_BYTES)).unwrap_or(0);
            let part = buffer.get_mut(..length).unwrap_or_default();
            self.trees.read(part, at)?;
            sys::write_all_at(&to, part, at - span.start).map_err(io)?;
            at += length as u64;
        }
        self.inner.put_in_place(&temporary, path, false)
    }

    fn sync_trees(&self, written: &[PathBuf]) -> Result<(), Fault> {
        if written.len() > MAX_SINGLE_SYNCS {
            let io = |error| Fault::io("sync", &self.inner.dir, error);
            if Dir::open(&self.inner.dir)
                .and_then(|dir| dir.sync_file_system())
                .map_err(io)?
            {
                return Ok(());
            }
        }
        for path in written {
            sync_file(path)?;
            sync_dir(path.parent().unwrap_or(path))?;
        }
        Ok(())
    }

    /// The files as they look under their final names.
    fn files(&self) -> Result<Vec<FinalFile>, Fault> {
        let layout = &self.described.layout;
        let dest = &self.record.dest;
        let Some(manifest) = &self.described.manifest else {
            return Ok(vec![self.final_file(0, 0, dest)?]);
        };
        let mut files = Vec::new();
        for (index, entry) in (0..).zip(manifest.entries()) {
            if let Node::File { hash, .. } = &entry.node
                && self.is_selected(index)
                && let Some(blob) = layout.find_blob(hash)
            {
                files.push(self.final_file(blob, index, &dest.join(entry.path.as_str()))?);
            }
        }
        Ok(files)
    }

    fn final_file(&self, blob: u32, entry: u32, path: &Path) -> Result<FinalFile, Fault> {
        let metadata = std::fs::symlink_metadata(path);
        // A file that went meanwhile is recorded all the same, and is a problem once it is read.
        let stamp = metadata
            .map(|metadata| sys::facts_of(&metadata).stamp)
            .unwrap_or_default();
        let layout = &self.described.layout;
        let named = usize::try_from(blob)
            .ok()
            .and_then(|blob| layout.blobs().get(blob));
        let hash = named
            .ok_or_else(|| Fault::corrupt("a blob of a layout"))?
            .hash;
        let file = FileRecord {
            hash,
            stamp,
            settled: false,
        };
        Ok(FinalFile {
            blob,
            entry,
            path: sys::path_to_bytes(path),
            file,
        })
    }

    fn record_all(
        &self,
        transaction: &WriteTransaction,
        trees: &[Option<TreePlace>],
        files: &[FinalFile],
    ) -> Result<(), DbError> {
        let key = tables::address_key(self.address);
        let old = tables::root(&transaction.open_table(tables::ROOTS)?, &key)?;
        let number = match &old {
            Some(old) => old.number,
            None => tables::next_number(transaction, "roots")?,
        };
        transaction
            .open_table(tables::NUMBERS)?
            .insert(number, key.as_slice())?;
        self.record_files(transaction, trees, files, number)?;
        if self.described.manifest.is_some() {
            // The place under the number of the partial download goes with that.
            let mut places = transaction.open_table(tables::PLACES)?;
            let place = tables::place_key(&self.address.hash, number, OWNED_ENTRY);
            places.insert(&place, PlaceRecord::Owned.encode().as_slice())?;
        }
        if self.record.purpose.selection().is_none() {
            clear_problems(transaction, number)?;
        }
        let root = self.root(old, number);
        transaction
            .open_table(tables::ROOTS)?
            .insert(&key, root.encode().as_slice())?;
        Ok(())
    }

    fn record_files(
        &self,
        transaction: &WriteTransaction,
        trees: &[Option<TreePlace>],
        files: &[FinalFile],
        number: u64,
    ) -> Result<(), DbError> {
        let mut blobs = transaction.open_table(tables::BLOBS)?;
        for (blob, tree) in self.described.layout.blobs().iter().zip(trees) {
            let Some(tree) = tree else { continue };
            let old = tables::blob(&blobs, blob.hash.as_bytes())?;
            let home = old.map_or(Home::Elsewhere, |old| old.home);
            let record = BlobRecord {
                size: blob.size,
                tree: tree.clone(),
                home,
            };
            blobs.insert(blob.hash.as_bytes(), record.encode().as_slice())?;
        }
        let mut places = transaction.open_table(tables::PLACES)?;
        let mut records = transaction.open_table(tables::FILES)?;
        for file in files {
            debug_assert!((file.blob as usize) < trees.len());
            records.insert(file.path.as_slice(), file.file.encode().as_slice())?;
            let key = tables::place_key(&file.file.hash, number, file.entry);
            let place = PlaceRecord::Path(file.path.clone());
            places.insert(&key, place.encode().as_slice())?;
        }
        Ok(())
    }

    fn root(&self, old: Option<RootRecord>, number: u64) -> RootRecord {
        let layout = &self.described.layout;
        let mut selected = self.wanted();
        match &old {
            Some(RootRecord { selected: None, .. }) => selected = PieceSet::full(layout.pieces()),
            Some(RootRecord {
                selected: Some(before),
                ..
            }) if before.len() == selected.len() => {
                selected.union_with(before);
            }
            _ => {}
        }
        let whole = selected.is_full() && self.record.purpose.selection().is_none();
        let (bytes, files) = self.sums(&selected);
        RootRecord {
            number,
            name: self.record.name.clone(),
            bytes,
            files,
            root_size: self.record.root_size,
            pinned: old.as_ref().is_some_and(|old| old.pinned),
            origin: Origin::Fetched {
                path: self.record.dest.clone(),
            },
            created_unix: old.map_or(self.created_unix, |old| old.created_unix),
            selected: Some(selected).filter(|selected| !whole && !selected.is_full()),
        }
    }

    /// Bytes and number of the files whose pieces are all there.
    fn sums(&self, selected: &PieceSet) -> (u64, u64) {
        let layout = &self.described.layout;
        let Some(manifest) = &self.described.manifest else {
            return (layout.total_bytes(), 1);
        };
        let mut sums = (0, 0);
        for entry in manifest.entries() {
            if let Node::File { hash, size, .. } = &entry.node
                && let Some(blob) = layout.find_blob(hash)
                && layout
                    .pieces_of_blob(blob)
                    .all(|piece| selected.contains(piece))
            {
                sums = (sums.0 + size, sums.1 + 1);
            }
        }
        sums
    }
}
