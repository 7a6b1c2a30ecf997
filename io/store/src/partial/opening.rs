//! Finding out what of a download is here.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use potluck_content::{Address, PieceSet};

use super::checkpoint::Dirty;
use super::journal::Journal;
use super::parts::Parts;
use super::running::{Running, State, lock};
use super::trees::PartialTrees;
use crate::cache::Described;
use crate::errors::Fault;
use crate::open::Inner;
use crate::read::Target;
use crate::records::PartialRecord;
use crate::tables;
use crate::trees::sync_dir;
use crate::types::SpanBuf;

/// What a download is opened from.
pub(super) struct Opening<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) address: Address,
    pub(super) described: Described,
    pub(super) record: PartialRecord,
    pub(super) parts: Parts,
    pub(super) part_path: PathBuf,
    pub(super) wanted: PieceSet,
}

impl Opening<'_> {
    /// Opens the journal and the trees, and finds out what is here. The pieces in `elsewhere` need no
    /// file of the download.
    pub(super) fn open(self, elsewhere: &PieceSet) -> Result<Arc<Running>, Fault> {
        let Self {
            inner,
            address,
            described,
            record,
            parts,
            part_path,
            wanted,
        } = self;
        let dir = inner.partial_dir(&record);
        std::fs::create_dir_all(&dir).map_err(|error| Fault::io("create", &dir, error))?;
        let trees = PartialTrees::open(&dir.join("trees"), &described.layout)?;
        let (journal, claimed) = Journal::open(&dir.join("journal"))?;
        // Their names must outlast a power cut as well as what is in them.
        sync_dir(&dir)?;
        sync_dir(dir.parent().unwrap_or(&dir))?;
        let pieces = described.layout.pieces();
        let key = tables::address_key(&address);
        let committed = inner.db.read(|transaction| {
            let bitmaps = transaction.open_table(tables::BITMAPS)?;
            Ok(redb::ReadableTable::get(&bitmaps, &key)?.map(|value| value.value().to_vec()))
        })?;
        let committed = committed.and_then(|bytes| PieceSet::from_bytes(pieces, &bytes).ok());
        let running = Running {
            inner: Arc::clone(inner),
            address,
            dest: record.dest.clone(),
            part_path,
            wanted,
            described,
            record: Mutex::new(record),
            state: Mutex::new(State {
                have: elsewhere.clone(),
                ended: false,
            }),
            gate: RwLock::new(()),
            syncing: Mutex::new(()),
            journal: Mutex::new(journal),
            trees,
            parts,
            alone: Mutex::new(()),
            dirty: Mutex::new(Dirty::all()),
        };
        running.recover(
            committed.unwrap_or_else(|| PieceSet::new(pieces)),
            elsewhere,
            &claimed,
        )?;
        Ok(Arc::new(running))
    }
}

impl Running {
    /// Finds out which pieces are here: those that were synced and whose files still reach that far,
    /// and of those in the journal the ones that verify.
    fn recover(
        &self,
        mut synced: PieceSet,
        elsewhere: &PieceSet,
        claimed: &[u32],
    ) -> Result<(), Fault> {
        let layout = &self.described.layout;
        synced.subtract(elsewhere);
        for (index, blob) in (0..).zip(layout.blobs()) {
            let pieces = layout.pieces_of_blob(index);
            let Some(last) = pieces.clone().rev().find(|piece| synced.contains(*piece)) else {
                continue;
            };
            let end = layout.piece(last).groups.end;
            let needed = layout.geometry(index).span_len(0..end).min(blob.size);
            let length = match self.parts.open(index)? {
                Some(file) => file.metadata().map_or(0, |metadata| metadata.len()),
                None => 0,
            };
            if length < needed {
                synced.remove_range(pieces);
            }
        }
        synced.union_with(elsewhere);
        let mut buffer = SpanBuf::new();
        for piece in claimed {
            if synced.contains(*piece) {
                continue;
            }
            let Some(found) = layout.get(*piece) else {
                continue;
            };
            if self.verify_piece(found.blob, &found.groups, &mut buffer) {
                synced.insert(*piece);
            }
        }
        lock(&self.state).have = synced;
        Ok(())
    }

    /// Whether the bytes of a piece on disk are right, by the parents on disk.
    pub(super) fn verify_piece(
        &self,
        blob: u32,
        groups: &std::ops::Range<u64>,
        buffer: &mut SpanBuf,
    ) -> bool {
        // Pieces of very large roots are longer than what is read at once.
        let step = crate::MAX_SPAN_BYTES / potluck_content::GROUP_BYTES;
        let mut first = groups.start;
        while first < groups.end {
            let span = first..groups.end.min(first + step);
            if self.read(blob, &span, &mut Target::Buffer(buffer)).is_err() {
                return false;
            }
            first = span.end;
        }
        true
    }
}
