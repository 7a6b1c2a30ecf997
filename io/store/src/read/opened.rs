//! One source of a blob, open for reading.

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::PathBuf;

use potluck_content::tree::{Geometry, check, prove_into};
use potluck_content::{GROUP_BYTES, Hash};

use super::{Failure, Target, judge};
use crate::MAX_SPAN_BYTES;
use crate::records::Stamp;
use crate::sys::{self, EntryKind};
use crate::trees::{Tree, TreeReader};
use crate::types::What;

/// A blob that is open for reading.
#[derive(Debug)]
pub(crate) struct OpenBlob {
    pub(super) geometry: Geometry,
    pub(super) tree: Tree,
    pub(super) bytes: Bytes,
    /// The root through which it was found.
    pub(super) number: u64,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Bytes {
    Memory(Vec<u8>),
    File {
        file: File,
        path: PathBuf,
        /// How the file looked when it was opened.
        stamp: Stamp,
        /// It looked otherwise when it was hashed.
        touched: bool,
    },
}

impl OpenBlob {
    /// Whether the node owns these bytes, so that their use matters for eviction.
    pub(super) fn root_number(&self) -> u64 {
        self.number
    }

    pub(super) fn read(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), Failure> {
        match &self.bytes {
            Bytes::Memory(bytes) => read_checked(
                hash,
                self.geometry,
                span,
                &self.tree.reader(),
                &mut |places, offset| {
                    let from = usize::try_from(offset).unwrap_or(usize::MAX);
                    let mut rest = bytes.get(from..).unwrap_or_default();
                    for place in places {
                        let taken = rest.split_at_checked(place.len());
                        let (taken, after) = taken.ok_or(Failure::Source(What::Corrupt))?;
                        place.copy_from_slice(taken);
                        rest = after;
                    }
                    Ok(())
                },
                out,
            ),
            Bytes::File {
                file,
                path,
                stamp,
                touched,
            } => {
                let metadata = fs::symlink_metadata(path).map_err(|error| judge(error, path))?;
                let now = sys::facts_of(&metadata);
                if now.kind != EntryKind::File || now.stamp != *stamp {
                    return Err(Failure::Stale);
                }
                let read = read_checked(
                    hash,
                    self.geometry,
                    span,
                    &self.tree.reader(),
                    &mut |places, offset| {
                        let read = sys::read_exact_vectored_at(file, places, offset);
                        read.map_err(|error| judge(error, path))
                    },
                    out,
                );
                match read {
                    Err(Failure::Source(What::Corrupt)) if *touched => {
                        Err(Failure::Source(What::Changed))
                    }
                    other => other,
                }
            }
        }
    }
}

/// Fills places, one after the other, with the bytes from an offset on.
pub(crate) type ReadAt<'a> = dyn FnMut(&mut [IoSliceMut<'_>], u64) -> Result<(), Failure> + 'a;

/// Reads a span and its proof, and checks both against the hash.
pub(crate) fn read_checked(
    hash: &Hash,
    geometry: Geometry,
    span: &Range<u64>,
    tree: &TreeReader<'_>,
    read: &mut ReadAt<'_>,
    out: &mut Target<'_, '_>,
) -> Result<(), Failure> {
    if !geometry.contains(span) || span.end - span.start > MAX_SPAN_BYTES / GROUP_BYTES {
        return Err(Failure::BadSpan);
    }
    let proof = out.proof();
    prove_into(geometry, tree, span.clone(), proof).map_err(|_| Failure::Tree)?;
    let length = usize::try_from(geometry.span_len(span.clone())).map_err(|_| Failure::BadSpan)?;
    out.fill(length, |proof, places| {
        let verified = check(hash, geometry, span.clone(), proof).map_err(|_| Failure::Tree)?;
        read(places, geometry.group_offset(span.start))?;
        let parts = places.iter().map(|place| &**place);
        verified
            .check_parts(span.start, parts)
            .map_err(|_| Failure::Source(What::Corrupt))
    })
}
