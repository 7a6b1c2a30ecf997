//! Reading files and hashing the pieces of a torrent, on all processors.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use potluck_bittorrent::{Layout, PieceDigest, PieceDigester, Span};

use super::Tick;

/// Bytes that a thread reads at once. They stay in the cache of one core.
const BLOCK_BYTES: usize = 256 * 1024;
/// How often the caller hears of progress.
const TICK: Duration = Duration::from_millis(100);
/// Threads at most.
const MAX_THREADS: usize = 64;

/// What is to be hashed.
pub(super) struct Job<'a> {
    pub(super) layout: &'a Layout,
    /// Where each file of the layout is. None for one that is not to be read.
    pub(super) paths: &'a [Option<PathBuf>],
    /// Hashes of version 1.
    pub(super) v1: bool,
    /// Hashes of version 2.
    pub(super) v2: bool,
}

/// A file could not be read.
#[derive(Debug)]
pub(super) struct ReadFailure {
    /// Position of the file.
    pub(super) file: usize,
    pub(super) error: io::Error,
}

/// What came of one piece.
pub(super) type Outcome = Result<PieceDigest, ReadFailure>;

/// Hashes all pieces and gives each to `take`, in any order. Breaks when `tick` or `take` does.
pub(super) fn hash_all(
    job: &Job<'_>,
    take: &(dyn Fn(u64, Outcome) -> ControlFlow<()> + Sync),
    tick: &mut Tick<'_>,
) -> ControlFlow<()> {
    let work = Work {
        job,
        next: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let total = job.layout.file_bytes();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let pieces = usize::try_from(job.layout.pieces()).unwrap_or(usize::MAX);
    let threads = processors.min(MAX_THREADS).min(pieces.max(1));
    thread::scope(|scope| {
        // Nothing is ever sent: that all senders are gone says that all threads are done.
        let (running, done) = mpsc::sync_channel::<()>(0);
        for _ in 0..threads {
            let (running, work) = (running.clone(), &work);
            scope.spawn(move || {
                work.run(take);
                drop(running);
            });
        }
        drop(running);
        while done.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
            if tick(work.bytes.load(Ordering::Relaxed), total).is_break() {
                work.stop.store(true, Ordering::Relaxed);
            }
        }
    });
    if work.stop.load(Ordering::Relaxed) {
        return ControlFlow::Break(());
    }
    tick(total, total)
}

struct Work<'a> {
    job: &'a Job<'a>,
    /// The piece that nobody has taken yet.
    next: AtomicU64,
    bytes: AtomicU64,
    stop: AtomicBool,
}

impl Work<'_> {
    fn run(&self, take: &(dyn Fn(u64, Outcome) -> ControlFlow<()> + Sync)) {
        let mut reader = Reader {
            job: self.job,
            open: None,
            buffer: vec![0; BLOCK_BYTES],
            digester: PieceDigester::new(self.job.v1, self.job.v2),
        };
        while !self.stop.load(Ordering::Relaxed) {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= self.job.layout.pieces() {
                return;
            }
            let outcome = reader.digest(piece, &self.bytes, &self.stop);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if take(piece, outcome).is_break() {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// One thread's way to the bytes.
struct Reader<'a> {
    job: &'a Job<'a>,
    /// The file that was read last: most pieces are of the same as the one before.
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
    digester: PieceDigester,
}

impl Reader<'_> {
    fn digest(&mut self, piece: u64, done: &AtomicU64, stop: &AtomicBool) -> Outcome {
        let mut failure = None;
        for span in self.job.layout.spans(piece) {
            let Some(file) = span.file else {
                self.digester.push_padding(span.bytes);
                continue;
            };
            if let Err(error) = self.span(file, span, done, stop) {
                failure = Some(ReadFailure { file, error });
                break;
            }
        }
        let file_bytes = self.job.layout.owner(piece).map_or(0, |(_, size, _)| size);
        // Also after a failure, to make room for the next piece.
        let digest = self
            .digester
            .finish(file_bytes, self.job.layout.piece_bytes());
        match failure {
            Some(failure) => Err(failure),
            None => Ok(digest),
        }
    }

    /// Reads some bytes of a file. Stops between two blocks, with hashes that nobody will ask for.
    fn span(
        &mut self,
        index: usize,
        span: Span,
        done: &AtomicU64,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            let path = self.job.paths.get(index).and_then(Option::as_ref);
            let path = path.ok_or(io::ErrorKind::NotFound)?;
            self.open = Some((index, File::open(path)?));
        }
        let Some((_, file)) = &self.open else {
            return Ok(());
        };
        let (mut at, mut left) = (span.offset, span.bytes);
        while left > 0 && !stop.load(Ordering::Relaxed) {
            let room = self.buffer.len();
            let take = usize::try_from(left).map_or(room, |left| left.min(room));
            let Some(block) = self.buffer.get_mut(..take) else {
                break;
            };
            file.read_exact_at(block, at)?;
            self.digester.push(block);
            at += take as u64;
            left -= take as u64;
            done.fetch_add(take as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}
