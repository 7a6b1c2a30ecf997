//! One source of a blob, open for reading.

use std::fs::{self, File};
use std::ops::Range;
use std::path::PathBuf;

use potluck_content::tree::{Geometry, check, prove_into};
use potluck_content::{GROUP_BYTES, Hash};

use super::{Failure, judge};
use crate::MAX_SPAN_BYTES;
use crate::records::Stamp;
use crate::sys::{self, EntryKind};
use crate::trees::{Tree, TreeReader};
use crate::types::{SpanBuf, What};

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
        out: &mut SpanBuf,
    ) -> Result<(), Failure> {
        match &self.bytes {
            Bytes::Memory(bytes) => read_checked(
                hash,
                self.geometry,
                span,
                &self.tree.reader(),
                &mut |buffer, offset| {
                    let from = usize::try_from(offset).unwrap_or(usize::MAX);
                    let bytes = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
                    buffer.copy_from_slice(bytes.ok_or(Failure::Source(What::Corrupt))?);
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
                    &mut |buffer, offset| {
                        let read = sys::read_exact_at(file, buffer, offset);
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

/// Fills a buffer with the bytes at an offset.
pub(crate) type ReadAt<'a> = dyn FnMut(&mut [u8], u64) -> Result<(), Failure> + 'a;

/// Reads a span and its proof, and checks both against the hash.
pub(crate) fn read_checked(
    hash: &Hash,
    geometry: Geometry,
    span: &Range<u64>,
    tree: &TreeReader<'_>,
    read: &mut ReadAt<'_>,
    out: &mut SpanBuf,
) -> Result<(), Failure> {
    if !geometry.contains(span) || span.end - span.start > MAX_SPAN_BYTES / GROUP_BYTES {
        return Err(Failure::BadSpan);
    }
    out.data_len = 0;
    out.proof.clear();
    prove_into(geometry, tree, span.clone(), &mut out.proof).map_err(|_| Failure::Tree)?;
    let verified = check(hash, geometry, span.clone(), &out.proof).map_err(|_| Failure::Tree)?;
    let length = usize::try_from(geometry.span_len(span.clone())).map_err(|_| Failure::BadSpan)?;
    if out.data.len() < length {
        out.data.resize(length, 0);
    }
    let data = out.data.get_mut(..length).ok_or(Failure::BadSpan)?;
    read(data, geometry.group_offset(span.start))?;
    verified
        .check_groups(span.start, data)
        .map_err(|_| Failure::Source(What::Corrupt))?;
    out.data_len = length;
    Ok(())
}
