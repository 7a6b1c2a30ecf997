//! SIGKILL at random moments: downloads go on where they stopped with right bytes, re-downloading
//! at most what was in flight, and nothing half-written ever stands under a final name. The same
//! for daemons killed while they index, fetch or serve.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::cast_precision_loss)]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod fetching;
mod indexing;
mod serving;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use support::{Bytes, Node, wait_for};

/// Bytes that may come twice for each kill.
const IN_FLIGHT: u64 = 32 * 1024 * 1024;

/// Exit code of a command whose daemon died.
const UNREACHABLE: i32 = 5;

/// Random moments. The seed is told, and `POTLUCK_TEST_SEED` sets it.
struct Dice(Bytes);

impl Dice {
    fn new(test: &str) -> Self {
        let seed = std::env::var("POTLUCK_TEST_SEED").ok();
        let seed = seed.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().subsec_nanos().into()
        });
        eprintln!("{test}: POTLUCK_TEST_SEED={seed}");
        Self(Bytes::new(seed))
    }

    fn below(&mut self, longest: Duration) -> Duration {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let micros = u64::from_le_bytes(bytes) % u64::try_from(longest.as_micros()).unwrap();
        Duration::from_micros(micros)
    }
}

/// Bytes that a provider has sent, once everyone who fetched from it is gone.
fn sent(giver: &Node) -> u64 {
    wait_for("the killed one to be gone", Duration::from_secs(20), || {
        let status = giver.status();
        let idle = status.peers.iter().all(|peer| !peer.connected);
        idle.then_some(status.rates.up_bytes)
    })
}

/// Looks again and again at a final name: whatever stands there has to be whole.
struct Lookout {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl Lookout {
    fn over(path: PathBuf, size: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(wrong) = size_of(&path).filter(|found| *found != size) {
                    return Some(wrong);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            None
        });
        Self { stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let wrong = self.thread.join().unwrap();
        assert_eq!(
            wrong, None,
            "a half-written file stood under the final name"
        );
    }
}

fn size_of(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|meta| meta.len())
}
