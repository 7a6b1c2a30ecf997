//! Beginning a download, or going on with one.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use potluck_content::tree::{Geometry, VerifiedSpan, check};
use potluck_content::{Address, Kind, PieceSet};

use super::Download;
use super::opening::Opening;
use super::parts::{DATA, Parts, Targets, first_entries};
use super::place::{check_free, make_part, open_part, part_name, resolve_dest};
use super::running::{Reserved, Running};
use crate::cache::Described;
use crate::errors::{BeginError, Fault, WriteError};
use crate::open::{Inner, Store};
use crate::records::{PartialRecord, Purpose, Stage};
use crate::sys::{self, Dir};
use crate::tables;
use crate::types::{DownloadSpec, Head, Selection};

impl Store {
    /// Begins a download, or goes on with the one of this root that is here. The manifest and the
    /// head are checked against the address.
    pub fn begin(&self, spec: DownloadSpec) -> Result<Download, BeginError> {
        let described = describe(&spec)?;
        let verified = check_head(&spec)?;
        let dest = resolve_dest(&spec.dest)?;
        check_free(&dest)?;
        let inner = &self.inner;
        let busy = BeginError::Busy {
            address: spec.address,
        };
        let reserved = inner.running.reserve(spec.address).ok_or(busy)?;
        let selection = selection(&spec.selection, &described)?;
        let purpose = Purpose::Fetch { selection };
        let record = match inner.partial_record(&spec.address)? {
            Some(old) if old.purpose != Purpose::Repair => {
                inner.adopt(&spec.address, &old, &dest, purpose)?
            }
            other => {
                if let Some(repair) = other {
                    inner.drop_partial_record(&spec.address, &repair)?;
                }
                inner.record_new(&spec, &described, &dest, &purpose)?
            }
        };
        inner.roots.put(spec.address, described.clone());
        let download = open_fetch(inner, spec.address, described, record, reserved)?;
        if let (Some(verified), Some(Head { data, .. })) = (verified, spec.head) {
            take_head(&download.running, &verified, &data)?;
        }
        Ok(download)
    }

    /// Goes on with a download (or a repair) as it was begun.
    pub fn resume(&self, address: &Address) -> Result<Download, BeginError> {
        let inner = &self.inner;
        let record = inner.partial_record(address)?.ok_or(BeginError::NotHave)?;
        if record.purpose == Purpose::Repair {
            return self.resume_repair(address, record.created_unix);
        }
        check_free(&record.dest)?;
        let described = inner.describe(address)?.ok_or(BeginError::NotHave)?;
        let reserved = inner.running.reserve(*address);
        let reserved = reserved.ok_or(BeginError::Busy { address: *address })?;
        open_fetch(inner, *address, described, record, reserved)
    }
}

/// The pieces that a download is for.
pub(super) fn wanted(described: &Described, purpose: &Purpose) -> PieceSet {
    let layout = &described.layout;
    let (Some(selection), Some(manifest)) = (purpose.selection(), &described.manifest) else {
        return PieceSet::full(layout.pieces());
    };
    let mut wanted = PieceSet::new(layout.pieces());
    for (index, entry) in (0..).zip(manifest.entries()) {
        if let potluck_content::Node::File { hash, .. } = &entry.node
            && selection.contains(index)
            && let Some(blob) = layout.find_blob(hash)
        {
            wanted.insert_range(layout.pieces_of_blob(blob));
        }
    }
    wanted
}

fn describe(spec: &DownloadSpec) -> Result<Described, BeginError> {
    match (spec.address.kind, &spec.manifest) {
        (Kind::Blob, None) => Ok(Described::blob(&spec.address, spec.size)),
        (Kind::Blob, Some(_)) => Err(BeginError::BadContent("a file has no manifest")),
        (Kind::Folder, None) => Err(BeginError::BadContent("a folder needs its manifest")),
        (Kind::Folder, Some(manifest)) if manifest.address() != spec.address => Err(
            BeginError::BadContent("the manifest is that of another folder"),
        ),
        (Kind::Folder, Some(manifest)) => Ok(Described::folder(Arc::clone(manifest))),
    }
}

fn check_head(spec: &DownloadSpec) -> Result<Option<VerifiedSpan>, BeginError> {
    let (Kind::Blob, Some(head)) = (spec.address.kind, &spec.head) else {
        return Ok(None);
    };
    let geometry = Geometry::new(spec.size);
    let last = geometry.last_group();
    let wrong = BeginError::BadContent("the size is not that of the file");
    let Ok(verified) = check(&spec.address.hash, geometry, last.clone(), &head.proof) else {
        return Err(wrong);
    };
    if verified.check_groups(last.start, &head.data).is_err() {
        return Err(wrong);
    }
    Ok(Some(verified))
}

fn selection(selection: &Selection, described: &Described) -> Result<Option<PieceSet>, BeginError> {
    let (Selection::Entries(entries), Some(manifest)) = (selection, &described.manifest) else {
        return Ok(None);
    };
    let count = u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX);
    let mut set = PieceSet::new(count);
    for entry in entries {
        if *entry >= count {
            return Err(BeginError::BadContent(
                "a selected entry is not in the folder",
            ));
        }
        set.insert(*entry);
    }
    Ok(Some(set).filter(|set| !set.is_full()))
}

impl Inner {
    /// Goes on with a download that was begun earlier, for another place if so.
    fn adopt(
        &self,
        address: &Address,
        old: &PartialRecord,
        dest: &Path,
        purpose: Purpose,
    ) -> Result<PartialRecord, BeginError> {
        let record = PartialRecord {
            dest: dest.to_path_buf(),
            purpose,
            stage: Stage::Running,
            ..old.clone()
        };
        if record.dest != old.dest && open_part(&old.part, old.inode).is_some() {
            let parent = dest.parent().unwrap_or(dest);
            if !sys::same_file_system(&old.part, parent).unwrap_or(false) {
                return Err(BeginError::OtherDest {
                    dest: old.dest.clone(),
                });
            }
        }
        if record != *old {
            self.put_partial_record(address, &record)?;
        }
        Ok(record)
    }

    /// Records a new download before anything of it is made, so that nothing is left lying about.
    fn record_new(
        &self,
        spec: &DownloadSpec,
        described: &Described,
        dest: &Path,
        purpose: &Purpose,
    ) -> Result<PartialRecord, Fault> {
        let encoded = described
            .manifest
            .as_ref()
            .map(|manifest| manifest.encode());
        let root_size = encoded
            .as_ref()
            .map_or(spec.size, |bytes| bytes.len() as u64);
        let kept = encoded
            .as_ref()
            .map(|bytes| self.keep_manifest(spec.address.hash, bytes));
        let kept = kept.transpose()?;
        let id = random_id();
        let part = dest.with_file_name(part_name(dest.file_name().unwrap_or_default(), id));
        let mut name = spec.name.clone();
        while name.len() > crate::records::MAX_NAME {
            name.pop();
        }
        self.db.write(|transaction| {
            let key = tables::address_key(&spec.address);
            let number = tables::next_number(transaction, "roots")?;
            transaction
                .open_table(tables::NUMBERS)?
                .insert(number, key.as_slice())?;
            if let Some(kept) = &kept {
                kept.record(transaction, number)?;
            }
            let record = PartialRecord {
                id,
                number,
                name: name.clone(),
                root_size,
                dest: dest.to_path_buf(),
                part: part.clone(),
                inode: 0,
                created_unix: spec.now_unix,
                purpose: purpose.clone(),
                stage: Stage::Running,
            };
            let mut partials = transaction.open_table(tables::PARTIALS)?;
            partials.insert(&key, record.encode().as_slice())?;
            Ok(record)
        })
    }
}

/// A number that other processes and earlier runs have not taken.
pub(crate) fn random_id() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Seeded by the system for each process; it need not be secret, only different.
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Opens the part of a download, anew if it is not there (any more).
fn open_fetch(
    inner: &Arc<Inner>,
    address: Address,
    described: Described,
    mut record: PartialRecord,
    reserved: Reserved<'_>,
) -> Result<Download, BeginError> {
    let folder = address.kind == Kind::Folder;
    let part = match open_part(&record.part, record.inode) {
        Some(part) => part,
        None => {
            inner.start_over(&address, &record)?;
            let (part, inode) = make_part(&record.part, folder)?;
            record.inode = inode;
            inner.put_partial_record(&address, &record)?;
            part
        }
    };
    let part_path = record.part.join(DATA);
    let targets = match &described.manifest {
        None => Targets::Single { part },
        Some(manifest) => {
            let io = |error| Fault::io("open", &part_path, error);
            let root: Dir = part.open_child(std::ffi::OsStr::new(DATA)).map_err(io)?;
            let selection = record.purpose.selection();
            let first_entry = first_entries(manifest, &described.layout, selection);
            Targets::Folder {
                root,
                manifest: Arc::clone(manifest),
                first_entry,
            }
        }
    };
    let parts = Parts::new(targets, &part_path);
    let wanted = wanted(&described, &record.purpose);
    let nothing = PieceSet::new(described.layout.pieces());
    let opening = Opening {
        inner,
        address,
        described,
        record,
        parts,
        part_path,
        wanted,
    };
    let running = opening.open(&nothing)?;
    reserved.fill(&running);
    Ok(Download { running })
}

/// Keeps what the head taught: its parents, and the whole file when it has but one group.
fn take_head(running: &Running, verified: &VerifiedSpan, data: &[u8]) -> Result<(), BeginError> {
    let keep = || -> Result<(), WriteError> {
        running.write_parents(0, verified.parents())?;
        if running.described.layout.pieces() == 1 && verified.geometry().groups() == 1 {
            running.write(0, 0, &[IoSlice::new(data)])?;
            running.complete(&[0])?;
        }
        Ok(())
    };
    keep().map_err(|error| match error {
        WriteError::NoSpace { dir, .. } => BeginError::Fault(Fault::NoSpace { dir }),
        WriteError::Fault(fault) => BeginError::Fault(fault),
        WriteError::BadRange | WriteError::Ended => BeginError::BadContent("the head does not fit"),
    })
}
