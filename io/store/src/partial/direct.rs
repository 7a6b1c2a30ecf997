//! Large writes go to the disk past the page cache.
//!
//! The system copies what it caches, finds pages for it, and writes it to the disk on cores that a
//! fast download needs itself: a third of the receiver's time in a profile (ADR 0015). What comes
//! slowly is written in small portions, and stays in the cache, where others who ask for it find it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::running::lock;
use crate::buffer::Aligned;
use crate::sys::{ALIGNMENT, Direct};

/// A write of fewer bytes goes to the page cache: only a fast sender has so much on the way at once.
const LEAST_BYTES: usize = 128 * 1024;
/// Room on the disk is set aside in such portions.
const WINDOW_BYTES: u64 = 64 << 20;
/// A disk is judged after so many bytes,
const TRIAL_BYTES: u64 = 16 << 20;
/// and one that takes fewer bytes a second is left to the system, which sorts the writes.
const LEAST_RATE: u64 = 200_000_000;
/// Files that stay open.
const OPEN: NonZeroUsize = match NonZeroUsize::new(4) {
    Some(open) => open,
    None => NonZeroUsize::MIN,
};
/// Buffers that are kept.
const BUFFERS: usize = 4;

/// The direct writes of one download.
#[derive(Debug)]
pub(super) struct DirectWrites {
    open: Mutex<LruCache<u32, Option<Arc<Opened>>>>,
    buffers: Mutex<Vec<Aligned>>,
    off: AtomicBool,
    trial: Mutex<Trial>,
}

/// How fast the disk takes what is written, by all who write at the same time.
#[derive(Debug, Default)]
struct Trial {
    writers: usize,
    /// When the first of those who write now began.
    since: Option<Instant>,
    busy: Duration,
    bytes: u64,
}

impl Trial {
    fn begin(&mut self, now: Instant) {
        self.writers += 1;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant, bytes: u64) {
        self.bytes += bytes;
        self.writers -= 1;
        if self.writers == 0
            && let Some(since) = self.since.take()
        {
            self.busy += now.duration_since(since);
        }
    }

    /// Whether enough was seen to say that the disk is slow.
    fn is_slow(&self) -> bool {
        let nanos = self.busy.as_nanos().max(1);
        let rate = u128::from(self.bytes) * 1_000_000_000 / nanos;
        self.writers == 0 && self.bytes >= TRIAL_BYTES && rate < u128::from(LEAST_RATE)
    }
}

#[derive(Debug)]
struct Opened {
    direct: Direct,
    /// Windows that have room on the disk.
    reserved: Mutex<HashSet<u64>>,
}

impl DirectWrites {
    pub(super) fn new() -> Self {
        Self {
            open: Mutex::new(LruCache::new(OPEN)),
            buffers: Mutex::new(Vec::new()),
            off: AtomicBool::new(false),
            trial: Mutex::default(),
        }
    }

    /// Writes as many of the first bytes of `parts` as can be written so to a blob of `size` bytes,
    /// and says how many these are. The rest is the caller's.
    pub(super) fn write(
        &self,
        (blob, size): (u32, u64),
        file: &File,
        parts: &[IoSlice<'_>],
        offset: u64,
    ) -> io::Result<usize> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = length - length % ALIGNMENT;
        let aligned = offset.is_multiple_of(ALIGNMENT as u64);
        if length < LEAST_BYTES || !aligned || self.off.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let Some(opened) = self.opened(blob, file) else {
            return Ok(0);
        };
        if !opened.has_room(offset..offset + length as u64, size) {
            return Ok(0);
        }
        let mut buffer = lock(&self.buffers).pop().unwrap_or_default();
        let room = buffer.room(length);
        copy(parts, room);
        lock(&self.trial).begin(Instant::now());
        let written = opened.direct.write_all_at(room, offset);
        self.judge(length as u64);
        let mut buffers = lock(&self.buffers);
        if buffers.len() < BUFFERS {
            buffers.push(buffer);
        }
        drop(buffers);
        match written {
            Ok(()) => Ok(length),
            // The disk wants another alignment.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.off.store(true, Ordering::Relaxed);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn opened(&self, blob: u32, file: &File) -> Option<Arc<Opened>> {
        let mut open = lock(&self.open);
        let opened = open.get_or_insert(blob, || {
            Direct::of(file).map(|direct| {
                Arc::new(Opened {
                    direct,
                    reserved: Mutex::default(),
                })
            })
        });
        opened.clone()
    }

    fn judge(&self, bytes: u64) {
        let mut trial = lock(&self.trial);
        trial.end(Instant::now(), bytes);
        if trial.is_slow() {
            self.off.store(true, Ordering::Relaxed);
        }
    }

    /// Closes everything, before names change.
    pub(super) fn close(&self) {
        lock(&self.open).clear();
        lock(&self.buffers).clear();
    }
}

impl Opened {
    /// Whether there is room on the disk for a range of a file that will have `size` bytes.
    fn has_room(&self, range: Range<u64>, size: u64) -> bool {
        let mut reserved = lock(&self.reserved);
        for window in range.start / WINDOW_BYTES..range.end.div_ceil(WINDOW_BYTES) {
            if reserved.contains(&window) {
                continue;
            }
            let start = window * WINDOW_BYTES;
            let end = size.min(start + WINDOW_BYTES);
            if self.direct.reserve(start..end).is_err() {
                return false;
            }
            reserved.insert(window);
        }
        true
    }
}

/// Fills `room` with the first bytes of `parts`.
fn copy(parts: &[IoSlice<'_>], mut room: &mut [u8]) {
    for part in parts {
        let (now, rest) = room.split_at_mut(part.len().min(room.len()));
        now.copy_from_slice(&part[..now.len()]);
        room = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_all_who_write_at_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut trial = Trial::default();
        for _ in 0..8 {
            trial.begin(at(0));
        }
        for _ in 0..8 {
            trial.end(at(64), 8 << 20);
        }
        assert!(!trial.is_slow());
        trial.begin(at(1000));
        trial.end(at(3000), 1 << 20);
        assert!(trial.is_slow());
    }
}
