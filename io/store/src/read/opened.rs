//! One source of a blob, open for reading.

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::PathBuf;
use std::time::SystemTime;

use potluck_content::tree::{Geometry, check, prove_into};
use potluck_content::{GROUP_BYTES, Hash};

use super::trust::{Identity, Trust};
use super::{Failure, Target, judge};
use crate::MAX_SPAN_BYTES;
use crate::sys::{self, EntryKind};
use crate::trees::{Tree, TreeReader};
use crate::types::What;

/// Fills places with the bytes of a file from an offset on; false when it would have to wait and is not to.
type FromFile = fn(&File, &mut [IoSliceMut<'_>], u64) -> std::io::Result<bool>;

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
        identity: Identity,
        /// It looked otherwise when it was hashed.
        touched: bool,
        trust: Trust,
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
        let wait: FromFile =
            |file, places, offset| sys::read_exact_vectored_at(file, places, offset).map(|()| true);
        self.read_from(hash, span, wait, out)
    }

    /// As [`Self::read`], without waiting for a disk to give the bytes: [`Failure::Waits`] when it would
    /// have to be.
    pub(super) fn read_cached(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), Failure> {
        self.read_from(hash, span, sys::read_cached_vectored_at, out)
    }

    fn read_from(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        from_file: FromFile,
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
            Bytes::File { .. } => self.read_file(hash, span, from_file, out),
        }
    }

    fn read_file(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        from_file: FromFile,
        out: &mut Target<'_, '_>,
    ) -> Result<(), Failure> {
        let Bytes::File {
            file,
            path,
            identity,
            touched,
            trust,
        } = &self.bytes
        else {
            return Err(Failure::Stale);
        };
        let looks_the_same = || -> Result<bool, Failure> {
            let metadata = fs::symlink_metadata(path).map_err(|error| judge(error, path))?;
            let now = sys::facts_of(&metadata);
            Ok(now.kind == EntryKind::File && Identity::of(&now) == *identity)
        };
        if !looks_the_same()? {
            return Err(Failure::Stale);
        }
        let now = SystemTime::now();
        let trusted = trust.covers(span);
        let read = read_span(
            hash,
            self.geometry,
            span,
            &self.tree.reader(),
            &mut |places, offset| match from_file(file, places, offset) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Failure::Waits),
                Err(error) => Err(judge(error, path)),
            },
            &mut || trusted && looks_the_same().unwrap_or(false),
            out,
        );
        match read {
            Err(Failure::Source(What::Corrupt)) if *touched => Err(Failure::Source(What::Changed)),
            Ok(false) if looks_the_same().unwrap_or(false) => {
                trust.found_right(span, identity, now);
                Ok(())
            }
            other => other.map(|_| ()),
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
    read_span(hash, geometry, span, tree, read, &mut || false, out).map(|_| ())
}

/// Reads a span and its proof, and checks the proof. The bytes are checked unless `is_known`, asked
/// after they were read, says that they need not be. Gives that answer.
fn read_span(
    hash: &Hash,
    geometry: Geometry,
    span: &Range<u64>,
    tree: &TreeReader<'_>,
    read: &mut ReadAt<'_>,
    is_known: &mut dyn FnMut() -> bool,
    out: &mut Target<'_, '_>,
) -> Result<bool, Failure> {
    if !geometry.contains(span) || span.end - span.start > MAX_SPAN_BYTES / GROUP_BYTES {
        return Err(Failure::BadSpan);
    }
    let proof = out.proof();
    prove_into(geometry, tree, span.clone(), proof).map_err(|_| Failure::Tree)?;
    let length = usize::try_from(geometry.span_len(span.clone())).map_err(|_| Failure::BadSpan)?;
    let mut known = false;
    out.fill(length, |proof, places| {
        let verified = check(hash, geometry, span.clone(), proof).map_err(|_| Failure::Tree)?;
        read(places, geometry.group_offset(span.start))?;
        known = is_known();
        if known {
            return Ok(());
        }
        let parts = places.iter().map(|place| &**place);
        verified
            .check_parts(span.start, parts)
            .map_err(|_| Failure::Source(What::Corrupt))
    })?;
    Ok(known)
}
