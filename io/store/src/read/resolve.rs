//! Finding a source of a blob that delivers.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use potluck_content::Hash;
use potluck_content::tree::Geometry;

use super::opened::{Bytes, OpenBlob};
use super::trust::{Identity, Trust};
use super::{Failure, Target, judge};
use crate::buffer::Buffer;
use crate::db::DbError;
use crate::errors::{Fault, ReadError};
use crate::hashing::{Control, HashFailure, Source, hash_one};
use crate::open::Inner;
use crate::problems::Noticed;
use crate::records::{BlobRecord, FileRecord, Home, PlaceRecord, TreePlace};
use crate::sys;
use crate::tables;
use crate::trees::Tree;
use crate::types::What;

/// Places that are tried before giving up.
const MAX_TRIED: usize = 16;
/// Places that are looked at in search of some without a known problem.
const MAX_LOOKED_AT: usize = 256;
/// Files up to this size are hashed whole when they look touched, so that their record heals.
const MAX_HEALED_AT_ONCE: u64 = 4 * 1024 * 1024;

/// A place of a blob as recorded.
struct Candidate {
    number: u64,
    entry: u32,
    place: PlaceRecord,
    file: Option<FileRecord>,
    problem: bool,
}

impl Inner {
    /// Tries the places of a blob until one delivers, and records what is wrong with the others.
    pub(super) fn read_resolving(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), ReadError> {
        let (record, small, candidates) = self.candidates(hash)?;
        let Some(record) = record else {
            return Err(ReadError::NotHave);
        };
        let geometry = Geometry::new(record.size);
        if !geometry.contains(span) {
            return Err(ReadError::BadSpan);
        }
        let mut changed = None;
        let mut tried_owned = BTreeSet::new();
        for candidate in candidates {
            // The one copy that the node owns may stand for several roots.
            if candidate.place == PlaceRecord::Owned && !tried_owned.insert(()) {
                continue;
            }
            match self.try_candidate(hash, &record, small.as_ref(), &candidate, span, out) {
                Ok(()) => return Ok(()),
                Err(Failure::Source(what)) => {
                    let path = self.candidate_path(hash, &candidate);
                    if !candidate.problem {
                        self.notice(&[Noticed {
                            hash: *hash,
                            number: candidate.number,
                            entry: candidate.entry,
                            what,
                            place: candidate.place,
                            span: span.clone(),
                        }])?;
                    }
                    changed.get_or_insert((path, what));
                }
                Err(Failure::BadSpan) => return Err(ReadError::BadSpan),
                Err(Failure::Fault(fault)) => return Err(fault.into()),
                Err(Failure::Tree) => {
                    let what = format!("the hash tree of {hash}");
                    return Err(Fault::corrupt(what).into());
                }
                Err(Failure::Stale | Failure::Waits) => {}
            }
        }
        Err(
            changed.map_or(ReadError::NotHave, |(path, what)| ReadError::Changed {
                path,
                what,
            }),
        )
    }

    fn candidate_path(&self, hash: &Hash, candidate: &Candidate) -> PathBuf {
        match &candidate.place {
            PlaceRecord::Owned => self.blob_path(hash),
            PlaceRecord::Path(path) => sys::bytes_to_path(path),
        }
    }

    #[allow(clippy::type_complexity)]
    fn candidates(
        &self,
        hash: &Hash,
    ) -> Result<(Option<BlobRecord>, Option<Vec<u8>>, Vec<Candidate>), Fault> {
        self.db.read(|transaction| {
            let blobs = transaction.open_table(tables::BLOBS)?;
            let Some(record) = tables::blob(&blobs, hash.as_bytes())? else {
                return Ok((None, None, Vec::new()));
            };
            let mut small = None;
            if record.home == Home::Database {
                let table = transaction.open_table(tables::SMALL)?;
                small = table
                    .get(hash.as_bytes())?
                    .map(|value| value.value().to_vec());
            }
            let places = transaction.open_table(tables::PLACES)?;
            let files = transaction.open_table(tables::FILES)?;
            let problems = transaction.open_table(tables::PROBLEMS)?;
            let first = tables::place_key(hash, 0, 0);
            let last = tables::place_key(hash, u64::MAX, u32::MAX);
            let mut found = Vec::new();
            for item in places
                .range::<&tables::PlaceKey>(&first..=&last)?
                .take(MAX_LOOKED_AT)
            {
                let (key, value) = item?;
                let (number, entry) = tables::place_owner(key.value());
                let place = PlaceRecord::decode(value.value())
                    .map_err(|error| DbError::record("places", error))?;
                let file = match &place {
                    PlaceRecord::Owned => None,
                    PlaceRecord::Path(path) => tables::file(&files, path)?,
                };
                let problem = problems.get(&tables::problem_key(number, entry))?.is_some();
                found.push(Candidate {
                    number,
                    entry,
                    place,
                    file,
                    problem,
                });
                if found.iter().filter(|candidate| !candidate.problem).count() >= MAX_TRIED {
                    break;
                }
            }
            found.sort_by_key(|candidate| candidate.problem);
            found.truncate(MAX_TRIED);
            Ok((Some(record), small, found))
        })
    }

    fn try_candidate(
        &self,
        hash: &Hash,
        record: &BlobRecord,
        small: Option<&Vec<u8>>,
        candidate: &Candidate,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), Failure> {
        let bytes = self.open_bytes(hash, record, small, candidate)?;
        let tree = self.open_tree(hash, record);
        let geometry = Geometry::new(record.size);
        let number = candidate.number;
        let opened = OpenBlob {
            geometry,
            tree,
            bytes,
            number,
        };
        let read = opened.read(hash, span, out);
        if !matches!(read, Err(Failure::Tree)) {
            read?;
            self.touches.used(&opened);
            self.blobs.put(*hash, Arc::new(opened));
            return Ok(());
        }
        // The tree is lost or damaged. The file may still be right: then it gives the tree again. One
        // that was wrong before is not hashed at every request.
        if candidate.problem {
            return Err(Failure::Source(What::Changed));
        }
        let Bytes::File { file, path, .. } = &opened.bytes else {
            return Err(Failure::Tree);
        };
        let source = Source {
            file,
            size: record.size,
            copy: None,
        };
        let hashed = hash_one(self, &source, &Control::default(), &mut Buffer::new());
        let hashed = hashed.map_err(|failure| match failure {
            HashFailure::Read(error) => judge(error, path),
            HashFailure::Fault(fault) => Failure::Fault(fault),
            HashFailure::Short | HashFailure::Stopped => Failure::Source(What::Changed),
        })?;
        if hashed.hash != *hash {
            return Err(Failure::Source(What::Changed));
        }
        let place = hashed.tree.keep(self, hash, true).map_err(Failure::Fault)?;
        self.record_tree(hash, &place).map_err(Failure::Fault)?;
        let record = BlobRecord {
            tree: place,
            ..record.clone()
        };
        let tree = self.open_tree(hash, &record);
        let opened = OpenBlob { tree, ..opened };
        opened.read(hash, span, out)?;
        self.blobs.put(*hash, Arc::new(opened));
        Ok(())
    }

    /// Opens the tree of a blob. One that is gone reads as empty, and is built anew.
    pub(crate) fn open_tree(&self, hash: &Hash, record: &BlobRecord) -> Tree {
        match &record.tree {
            TreePlace::None => Tree::None,
            TreePlace::Inline(tree) => Tree::Inline(tree.clone()),
            TreePlace::File => {
                sys::open_source(&self.tree_path(hash)).map_or(Tree::None, Tree::File)
            }
        }
    }

    fn open_bytes(
        &self,
        hash: &Hash,
        record: &BlobRecord,
        small: Option<&Vec<u8>>,
        candidate: &Candidate,
    ) -> Result<Bytes, Failure> {
        let path = self.candidate_path(hash, candidate);
        if candidate.place == PlaceRecord::Owned && record.home == Home::Database {
            return Ok(Bytes::Memory(
                small.cloned().ok_or(Failure::Source(What::Missing))?,
            ));
        }
        let file = sys::open_source(&path).map_err(|error| judge(error, &path))?;
        let metadata = file.metadata().map_err(|error| judge(error, &path))?;
        let facts = sys::facts_of(&metadata);
        let (stamp, identity) = (facts.stamp, Identity::of(&facts));
        if stamp.size != record.size {
            return Err(Failure::Source(What::Changed));
        }
        let all = self.blobs.is_hashed(hash, &identity);
        let geometry = Geometry::new(record.size);
        let trust = Trust::new(&file, geometry, self.blobs.min_age(), all);
        if candidate.place == PlaceRecord::Owned {
            return Ok(Bytes::File {
                file,
                path,
                identity,
                touched: false,
                trust,
            });
        }
        let known = candidate.file.filter(|known| known.hash == *hash);
        let mut touched = known.is_none_or(|known| known.stamp != stamp);
        if touched && record.size <= MAX_HEALED_AT_ONCE {
            self.heal(
                hash,
                &Source {
                    file: &file,
                    size: record.size,
                    copy: None,
                },
                &path,
            )?;
            let settled = false;
            self.touches.healed(
                &path,
                FileRecord {
                    hash: *hash,
                    stamp,
                    settled,
                },
                &self.db,
            );
            touched = false;
        }
        Ok(Bytes::File {
            file,
            path,
            identity,
            touched,
            trust,
        })
    }

    /// Hashes a small file that looks touched. An error when it is no longer the same.
    fn heal(
        &self,
        hash: &Hash,
        source: &Source<'_>,
        path: &std::path::Path,
    ) -> Result<(), Failure> {
        match hash_one(self, source, &Control::default(), &mut Buffer::new()) {
            Ok(hashed) if hashed.hash == *hash => Ok(()),
            Ok(_) => Err(Failure::Source(What::Changed)),
            Err(HashFailure::Read(error)) => Err(judge(error, path)),
            Err(HashFailure::Fault(fault)) => Err(Failure::Fault(fault)),
            Err(HashFailure::Short | HashFailure::Stopped) => Err(Failure::Source(What::Changed)),
        }
    }

    fn record_tree(&self, hash: &Hash, tree: &TreePlace) -> Result<(), Fault> {
        self.db.write(|transaction| {
            let mut blobs = transaction.open_table(tables::BLOBS)?;
            let Some(record) = tables::blob(&blobs, hash.as_bytes())? else {
                return Ok(());
            };
            let record = BlobRecord {
                tree: tree.clone(),
                ..record
            };
            blobs.insert(hash.as_bytes(), record.encode().as_slice())?;
            Ok(())
        })
    }
}
