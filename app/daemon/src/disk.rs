//! File work within async tasks.
//!
//! Telling the runtime that a task is about to block makes it move its other tasks to another
//! thread: two threads are woken for each portion, however small, and a node with eight peers had 39
//! threads. So small portions are worked at in place for as long as that is quick.

use crate::clock::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

/// Bytes that are worked at in place.
const SMALL: usize = 128 * 1024;
/// Work that takes longer waits for a disk, not for a busy processor.
const LONG: Duration = Duration::from_millis(25);
/// For how long nothing is worked at in place then.
const WARY: Duration = Duration::from_secs(1);

/// What is known of how quick file work is; one for each node.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Microseconds of uptime until which work may be long.
    wary_until: AtomicU64,
}

impl Disk {
    /// Does file work with so many bytes.
    pub(crate) fn work<T>(&self, clock: &Clock, bytes: usize, work: impl FnOnce() -> T) -> T {
        let now = micros(clock.uptime());
        if bytes >= SMALL || now < self.wary_until.load(Ordering::Relaxed) {
            return block_in_place(work);
        }
        let began = Instant::now();
        let done = work();
        if began.elapsed() > LONG {
            let until = now.saturating_add(micros(WARY));
            self.wary_until.store(until, Ordering::Relaxed);
        }
        done
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_disk_that_is_slow_is_waited_for_elsewhere() {
        let (disk, clock) = (Disk::default(), Clock::start());
        assert_eq!(disk.work(&clock, 10, || 7), 7);
        assert_eq!(disk.wary_until.load(Ordering::Relaxed), 0);
        disk.work(&clock, 10, || std::thread::sleep(2 * LONG));
        assert!(disk.wary_until.load(Ordering::Relaxed) > micros(clock.uptime()));
        assert_eq!(disk.work(&clock, 10, || 7), 7);
    }
}
