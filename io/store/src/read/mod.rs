//! Reading verified spans: of files in place, of copies, of running downloads.
//!
//! A span is checked against the blob's hash right after it was read, unless it was found right
//! before and the file shows no change since (see [`trust`]). The stamps of files tell sooner and
//! cheaper that a file was changed, and what to tell its owner.

mod alike;
mod cache;
mod opened;
mod resolve;
mod target;
mod touches;
mod trust;

use std::io::{self, IoSliceMut};
use std::ops::Range;

use potluck_content::{GROUP_BYTES, Hash};

pub(crate) use cache::BlobCache;
pub(crate) use opened::read_checked;
pub(crate) use target::Target;
pub(crate) use touches::Touches;
pub(crate) use trust::Identity;

use crate::MAX_SPAN_BYTES;
use crate::errors::{Fault, ReadError};
use crate::open::{Inner, Store};
use crate::tables;
use crate::types::{SpanBuf, What};

/// Why one source of a blob did not deliver.
#[derive(Debug)]
pub(crate) enum Failure {
    BadSpan,
    /// The file was replaced since it was opened: look again.
    Stale,
    /// A disk would have to be waited for, and is not to be.
    Waits,
    /// The file does not hold the blob.
    Source(What),
    /// The hash tree is damaged.
    Tree,
    Fault(Fault),
}

impl Store {
    /// Reads groups of a blob with their proof. What is delivered was checked against the hash: now, or
    /// earlier by this process if the file shows no change since.
    ///
    /// When a file turns out to have been changed, that is recorded as a problem of its root; another
    /// file with the same bytes is used where there is one.
    pub fn read_span(
        &self,
        hash: &Hash,
        span: Range<u64>,
        out: &mut SpanBuf,
    ) -> Result<(), ReadError> {
        self.inner.read(hash, &span, &mut Target::Buffer(out))
    }

    /// As [`Self::read_span`], with the bytes read straight to the places where the caller needs them:
    /// `data` is filled in order, and is exactly as long as the span in all (else
    /// [`ReadError::BadSpan`]). `proof` holds the proof and nothing else afterwards. After an error the
    /// places may hold anything, and none of it may be used.
    pub fn read_span_into(
        &self,
        hash: &Hash,
        span: Range<u64>,
        proof: &mut Vec<u8>,
        data: &mut [IoSliceMut<'_>],
    ) -> Result<(), ReadError> {
        let mut target = Target::Places { proof, data };
        self.inner.read(hash, &span, &mut target)
    }

    /// As [`Self::read_span`], if that can be had without waiting for a disk. False otherwise, whatever
    /// the reason is; `out` may then hold anything.
    #[must_use]
    pub fn read_span_cached(&self, hash: &Hash, span: Range<u64>, out: &mut SpanBuf) -> bool {
        if span.start >= span.end || (span.end - span.start) > MAX_SPAN_BYTES / GROUP_BYTES {
            return false;
        }
        let Some(opened) = self.inner.blobs.get(hash) else {
            return false;
        };
        let read = opened.read_cached(hash, &span, &mut Target::Buffer(out));
        if read.is_ok() {
            self.inner.touches.used(&opened);
        }
        read.is_ok()
    }

    /// Hashes what is read of a blob next, and does not rely on having found it right before: for a
    /// blob of which a peer refused bytes.
    pub fn doubt(&self, hash: &Hash) {
        self.inner.blobs.doubt(hash);
    }

    /// Whether the store holds a blob (not counting running downloads).
    pub fn has_blob(&self, hash: &Hash) -> Result<bool, Fault> {
        Ok(self.held_size(hash)?.is_some())
    }

    /// The size of a blob that the store holds, whole or in a running download.
    pub fn blob_size(&self, hash: &Hash) -> Result<Option<u64>, Fault> {
        match self.held_size(hash)? {
            Some(size) => Ok(Some(size)),
            None => Ok(self.inner.running.blob_size(hash)),
        }
    }

    fn held_size(&self, hash: &Hash) -> Result<Option<u64>, Fault> {
        self.inner.db.read(|transaction| {
            let blobs = transaction.open_table(tables::BLOBS)?;
            let Some(record) = tables::blob(&blobs, hash.as_bytes())? else {
                return Ok(None);
            };
            let places = transaction.open_table(tables::PLACES)?;
            let first = tables::place_key(hash, 0, 0);
            let last = tables::place_key(hash, u64::MAX, u32::MAX);
            let held = places
                .range::<&tables::PlaceKey>(&first..=&last)?
                .next()
                .is_some();
            Ok(held.then_some(record.size))
        })
    }
}

impl Inner {
    fn read(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), ReadError> {
        let held = self.read_held(hash, span, out);
        if !matches!(held, Err(ReadError::NotHave | ReadError::Changed { .. })) {
            return held;
        }
        // A download that is running may have what the files no longer have.
        match self.running.read_span(hash, span, out) {
            Some(Ok(())) => Ok(()),
            Some(Err(Failure::Fault(fault))) => Err(fault.into()),
            Some(Err(Failure::BadSpan)) => Err(ReadError::BadSpan),
            Some(Err(_)) | None => held,
        }
    }

    /// As [`Store::read_span`], from finished files only.
    pub(crate) fn read_held(
        &self,
        hash: &Hash,
        span: &Range<u64>,
        out: &mut Target<'_, '_>,
    ) -> Result<(), ReadError> {
        if span.start >= span.end || (span.end - span.start) > MAX_SPAN_BYTES / GROUP_BYTES {
            return Err(ReadError::BadSpan);
        }
        if let Some(opened) = self.blobs.get(hash) {
            match opened.read(hash, span, out) {
                Ok(()) => {
                    self.touches.used(&opened);
                    return Ok(());
                }
                Err(Failure::BadSpan) => return Err(ReadError::BadSpan),
                Err(_) => self.blobs.forget(hash),
            }
        }
        self.read_resolving(hash, span, out)
    }
}

/// What a failed file operation says of the file: something about it, or about this machine.
pub(crate) fn judge(error: io::Error, path: &std::path::Path) -> Failure {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Failure::Source(What::Missing),
        // A link or something special stands where the file was.
        ErrorKind::IsADirectory | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
            Failure::Source(What::Changed)
        }
        _ if is_link(&error) => Failure::Source(What::Changed),
        ErrorKind::OutOfMemory => Failure::Fault(Fault::io("read", path, error)),
        _ if is_out_of_handles(&error) => Failure::Fault(Fault::io("read", path, error)),
        _ => Failure::Source(What::Unreadable),
    }
}

/// A symbolic link stands where a file was.
fn is_link(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// Too many open files, here or in the whole system: no fault of the file.
fn is_out_of_handles(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        let limits = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
        limits
            .iter()
            .any(|limit| error.raw_os_error() == Some(limit.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}
