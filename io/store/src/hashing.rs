//! Hashing a file with one thread or many, in memory that does not grow with it.
//!
//! Threads claim blocks in order, read and hash them, and hand over the hashes of their groups; the
//! tree is built from those in order. Few hashes ever wait: blocks are claimed in order too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use potluck_content::tree::{Geometry, TreeBuilder, hash_groups};
use potluck_content::{GROUP_BYTES, Hash};

use crate::buffer::Buffer;
use crate::errors::Fault;
use crate::open::Inner;
use crate::sys;
use crate::trees::NewTree;
use crate::types::PlacedParent;

/// Groups that a thread reads and hashes at once: 256 KiB, which stay in the cache of one core.
const BLOCK_GROUPS: u64 = 16;
/// How often the caller hears of progress.
const TICK: Duration = Duration::from_millis(100);

/// Why a file could not be hashed.
#[derive(Debug)]
pub(crate) enum HashFailure {
    Read(io::Error),
    /// It ended before the size that it had.
    Short,
    Stopped,
    Fault(Fault),
}

impl From<Fault> for HashFailure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A hashed file.
#[derive(Debug)]
pub(crate) struct Hashed {
    pub(crate) hash: Hash,
    pub(crate) tree: NewTree,
}

/// What the hashing of files shares: when to stop, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) stop: AtomicBool,
    pub(crate) bytes: AtomicU64,
}

impl Control {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A file that is hashed, and copied on the way if asked for.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    pub(crate) size: u64,
    pub(crate) copy: Option<(&'a File, &'a Path)>,
}

struct Lane<'a> {
    source: &'a Source<'a>,
    geometry: Geometry,
    control: &'a Control,
    next_block: AtomicU64,
    failed: AtomicBool,
    order: Mutex<Order>,
}

/// Puts the hashes of blocks in order.
struct Order {
    builder: TreeBuilder,
    tree: NewTree,
    next: u64,
    waiting: BTreeMap<u64, Vec<[u8; 32]>>,
    parents: Vec<PlacedParent>,
    failure: Option<HashFailure>,
}

/// Hashes a file on this thread. `buffer` is reused from file to file.
pub(crate) fn hash_one(
    inner: &Inner,
    source: &Source<'_>,
    control: &Control,
    buffer: &mut Buffer,
) -> Result<Hashed, HashFailure> {
    let lane = Lane::new(inner, source, control)?;
    lane.work(buffer);
    lane.finish()
}

/// Hashes a large file on `threads` threads, while this one calls `tick`.
pub(crate) fn hash_parallel(
    inner: &Inner,
    source: &Source<'_>,
    control: &Control,
    threads: usize,
    tick: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Hashed, HashFailure> {
    let lane = Lane::new(inner, source, control)?;
    run_workers(threads, control, &|| lane.work(&mut Buffer::new()), tick);
    lane.finish()
}

/// Runs `work` on several threads, and `tick` on this one until they are done. When `tick` breaks,
/// the control says stop.
pub(crate) fn run_workers(
    threads: usize,
    control: &Control,
    work: &(dyn Fn() + Sync),
    tick: &mut dyn FnMut() -> ControlFlow<()>,
) {
    let running = Mutex::new(threads);
    let done = Condvar::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _leave = Leave {
                    running: &running,
                    done: &done,
                };
                work();
            });
        }
        let mut left = lock(&running);
        while *left > 0 {
            (left, _) = done
                .wait_timeout(left, TICK)
                .unwrap_or_else(PoisonError::into_inner);
            drop(left);
            if tick().is_break() {
                control.stop.store(true, Ordering::Relaxed);
            }
            left = lock(&running);
        }
    });
    let _ = tick();
}

/// Counts a worker out, also when it panics.
struct Leave<'a> {
    running: &'a Mutex<usize>,
    done: &'a Condvar,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *lock(self.running) -= 1;
        self.done.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Lane<'a> {
    fn new(inner: &Inner, source: &'a Source<'a>, control: &'a Control) -> Result<Self, Fault> {
        let builder = TreeBuilder::new(source.size);
        let geometry = builder.geometry();
        let tree = NewTree::create(inner, geometry)?;
        let order = Order {
            builder,
            tree,
            next: 0,
            waiting: BTreeMap::new(),
            parents: Vec::new(),
            failure: None,
        };
        Ok(Self {
            source,
            geometry,
            control,
            next_block: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            order: Mutex::new(order),
        })
    }

    fn work(&self, buffer: &mut Buffer) {
        if self.geometry.size() == 0 {
            return;
        }
        let blocks = self.geometry.groups().div_ceil(BLOCK_GROUPS);
        while !self.failed.load(Ordering::Relaxed) {
            let block = self.next_block.fetch_add(1, Ordering::Relaxed);
            if block >= blocks {
                return;
            }
            let result = self.block(block, buffer);
            let mut order = lock(&self.order);
            if let Err(failure) = result.and_then(|hashes| Ok(order.push(block, hashes)?)) {
                order.failure.get_or_insert(failure);
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Reads and hashes one block.
    fn block(&self, block: u64, buffer: &mut Buffer) -> Result<Vec<[u8; 32]>, HashFailure> {
        if self.control.stopped() {
            return Err(HashFailure::Stopped);
        }
        let first = block * BLOCK_GROUPS;
        let span = first..(first + BLOCK_GROUPS).min(self.geometry.groups());
        let length = self.geometry.span_len(span);
        let wanted = usize::try_from(length).unwrap_or(0);
        let bytes = buffer.room(wanted);
        let offset = first * GROUP_BYTES;
        sys::read_exact_at(self.source.file, bytes, offset).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                HashFailure::Short
            } else {
                HashFailure::Read(error)
            }
        })?;
        if let Some((copy, path)) = self.source.copy {
            sys::write_all_at(copy, bytes, offset)
                .map_err(|error| Fault::io("write", path, error))?;
        }
        let mut hashes = Vec::new();
        hash_groups(bytes, first, self.geometry, &mut hashes);
        self.control.bytes.fetch_add(length, Ordering::Relaxed);
        Ok(hashes)
    }

    fn finish(self) -> Result<Hashed, HashFailure> {
        let order = self
            .order
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = order.failure {
            return Err(failure);
        }
        let hash = order.builder.finish().map_err(|_| HashFailure::Short)?;
        let mut tree = order.tree;
        tree.seal()?;
        Ok(Hashed { hash, tree })
    }
}

impl Order {
    fn push(&mut self, block: u64, hashes: Vec<[u8; 32]>) -> Result<(), Fault> {
        self.waiting.insert(block, hashes);
        while let Some(hashes) = self.waiting.remove(&self.next) {
            self.next += 1;
            let pushed = self.builder.push_hashes(&hashes, &mut self.parents);
            pushed.map_err(|error| Fault::corrupt(format!("hashing: {error}")))?;
            self.tree.add(&self.parents)?;
            self.parents.clear();
        }
        Ok(())
    }
}
