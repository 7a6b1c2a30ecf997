//! Reading to and writing from several places with one call.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;

/// Places that systems take in one call.
const MAX_PLACES: usize = 1024;

/// Fills places, one after the other, with the bytes from an offset on.
pub(crate) fn read_exact_vectored_at(
    file: &File,
    places: &mut [IoSliceMut<'_>],
    offset: u64,
) -> io::Result<()> {
    let mut done = 0;
    for places in places.chunks_mut(MAX_PLACES) {
        let length: usize = places.iter().map(|place| place.len()).sum();
        let read = read_vectored_at(file, places, offset + done)?;
        if read < length {
            // A signal, or the end of the file, came in between.
            read_rest(file, places, read, offset + done)?;
        }
        done += length as u64;
    }
    Ok(())
}

/// As [`read_exact_vectored_at`], if all of it is in memory. False when a disk would have to be waited
/// for, or when the system can't tell.
#[cfg(all(target_os = "linux", not(target_os = "android")))]
pub(crate) fn read_cached_vectored_at(
    file: &File,
    places: &mut [IoSliceMut<'_>],
    offset: u64,
) -> io::Result<bool> {
    use rustix::io::{Errno, ReadWriteFlags};
    let length: usize = places.iter().map(|place| place.len()).sum();
    match rustix::io::preadv2(file, places, offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(read == length),
        Err(Errno::AGAIN | Errno::INTR | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// As [`read_exact_vectored_at`], if all of it is in memory, which can't be told here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_cached_vectored_at(
    _: &File,
    _: &mut [IoSliceMut<'_>],
    _: u64,
) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(target_vendor = "apple"))]
fn read_vectored_at(file: &File, places: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    match rustix::io::preadv(file, places, offset) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

#[cfg(target_vendor = "apple")]
fn read_vectored_at(_: &File, _: &mut [IoSliceMut<'_>], _: u64) -> io::Result<usize> {
    // Not in all versions of the system: each place is read by itself.
    Ok(0)
}

fn read_rest(
    file: &File,
    places: &mut [IoSliceMut<'_>],
    mut skip: usize,
    mut offset: u64,
) -> io::Result<()> {
    for place in places {
        let done = skip.min(place.len());
        let rest = place.get_mut(done..).unwrap_or_default();
        file.read_exact_at(rest, offset + done as u64)?;
        skip -= done;
        offset += place.len() as u64;
    }
    Ok(())
}

/// Writes parts, one after the other, from an offset on.
pub(crate) fn write_all_vectored_at(
    file: &File,
    parts: &[IoSlice<'_>],
    offset: u64,
) -> io::Result<()> {
    let mut done = 0;
    for parts in parts.chunks(MAX_PLACES) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let written = write_vectored_at(file, parts, offset + done)?;
        if written < length {
            write_rest(file, parts, written, offset + done)?;
        }
        done += length as u64;
    }
    Ok(())
}

#[cfg(not(target_vendor = "apple"))]
fn write_vectored_at(file: &File, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    match rustix::io::pwritev(file, parts, offset) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

#[cfg(target_vendor = "apple")]
fn write_vectored_at(_: &File, _: &[IoSlice<'_>], _: u64) -> io::Result<usize> {
    // Not in all versions of the system: each part is written by itself.
    Ok(0)
}

/// Writes what a signal, or a disk that is nearly full, left over.
fn write_rest(
    file: &File,
    parts: &[IoSlice<'_>],
    mut skip: usize,
    mut offset: u64,
) -> io::Result<()> {
    for part in parts {
        let done = skip.min(part.len());
        let rest = part.get(done..).unwrap_or_default();
        file.write_all_at(rest, offset + done as u64)?;
        skip -= done;
        offset += part.len() as u64;
    }
    Ok(())
}
