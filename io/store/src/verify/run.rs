//! Checking many files: small ones each on a thread, large ones on all.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Job, Outcome, Outcomes};
use crate::buffer::Buffer;
use crate::cache::Described;
use crate::errors::{Fault, VerifyError};
use crate::hashing::{Control, hash_one, hash_parallel, run_workers};
use crate::open::Inner;
use crate::types::VerifyProgress;

/// Files from this size on are hashed by all threads together.
const LARGE: u64 = 8 * 1024 * 1024;

/// What the threads share.
#[derive(Default)]
struct Found {
    outcomes: Outcomes,
    problems: u64,
    fault: Option<Fault>,
}

impl Found {
    fn take(&mut self, index: usize, result: Result<Option<Outcome>, Fault>, control: &Control) {
        match result {
            Ok(Some(outcome)) => {
                self.problems += u64::from(outcome.what.is_some());
                self.outcomes.insert(index, outcome);
            }
            Ok(None) => {}
            Err(fault) => {
                self.fault.get_or_insert(fault);
                control.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Inner {
    pub(super) fn run(
        &self,
        jobs: &[Job],
        described: &Described,
        threads: usize,
        progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Outcomes, VerifyError> {
        let control = Control::default();
        let found: Mutex<Found> = Mutex::default();
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = jobs.iter().map(|job| job.record.size).sum();
        let mut seen = VerifyProgress {
            bytes,
            ..VerifyProgress::default()
        };
        let mut tick = || {
            seen.problems = lock().problems;
            seen.bytes_done = control.bytes.load(Ordering::Relaxed).min(seen.bytes);
            progress(&seen)
        };
        let is_large = |job: &Job| job.record.size >= LARGE && threads > 1;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut buffer = Buffer::new();
            while !control.stopped() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { return };
                if is_large(job) {
                    continue;
                }
                let result = self.check(job, described, &control, &mut |source| {
                    hash_one(self, source, &control, &mut buffer)
                });
                lock().take(index, result, &control);
            }
        };
        run_workers(threads.min(jobs.len()), &control, &work, &mut tick);
        for (index, job) in jobs.iter().enumerate().filter(|(_, job)| is_large(job)) {
            if control.stopped() {
                break;
            }
            let result = self.check(job, described, &control, &mut |source| {
                hash_parallel(self, source, &control, threads, &mut tick)
            });
            lock().take(index, result, &control);
        }
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = found.fault {
            return Err(fault.into());
        }
        if control.stopped() {
            return Err(VerifyError::Stopped);
        }
        Ok(found.outcomes)
    }
}
