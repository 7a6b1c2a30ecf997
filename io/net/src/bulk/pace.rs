//! How much may lie unsent in the system's buffer.
//!
//! What lies there was given away and cannot be taken back: a scheduler that decides who gets the
//! next bytes decides too early by all of it. A buffer of a few dozen milliseconds keeps a link
//! busy as well as one of seconds.

use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::TcpStream;

/// What may lie unsent before anything is known of the link.
const FIRST_BYTES: u32 = 128 * 1024;
const MIN_BYTES: u32 = 32 * 1024;
const MAX_BYTES: u32 = 4 * 1024 * 1024;
/// For how long the buffer should keep the link busy.
const DEPTH: Duration = Duration::from_millis(20);
/// The rate is taken over at least this time, and over none in which nothing was sent for as long.
const WINDOW: Duration = Duration::from_millis(100);

/// Keeps the buffer of one socket as deep as its rate asks for.
pub(super) struct Pace {
    window: Option<Window>,
    /// What is set.
    bytes: u32,
}

struct Window {
    start: Instant,
    last: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            window: None,
            bytes: FIRST_BYTES,
        }
    }

    /// The system took bytes, and has room again.
    pub(super) fn sent(&mut self, socket: &TcpStream, bytes: usize) {
        if let Some(depth) = self.count(Instant::now(), bytes as u64)
            && (depth > self.bytes.saturating_mul(2) || depth < self.bytes / 2)
        {
            self.bytes = depth;
            set(socket, depth);
        }
    }

    /// The depth that a whole window speaks for.
    fn count(&mut self, now: Instant, bytes: u64) -> Option<u32> {
        let window = match &mut self.window {
            Some(window) if now.duration_since(window.last) < WINDOW => window,
            stale => {
                // What this call sent may have been waited for since before the window. Whoever
                // gets something now and then needs no buffer: its turn should last as long as the
                // link takes for it.
                let seldom = stale.is_some();
                *stale = Some(Window {
                    start: now,
                    last: now,
                    bytes: 0,
                });
                return seldom.then_some(MIN_BYTES);
            }
        };
        window.last = now;
        window.bytes += bytes;
        let elapsed = now.duration_since(window.start);
        if elapsed < WINDOW {
            return None;
        }
        let depth = u128::from(window.bytes) * DEPTH.as_nanos() / elapsed.as_nanos().max(1);
        *window = Window {
            start: now,
            last: now,
            bytes: 0,
        };
        let depth = u32::try_from(depth).unwrap_or(MAX_BYTES);
        Some(depth.clamp(MIN_BYTES, MAX_BYTES))
    }
}

/// Sets up a socket for a lane: `rtt` is how long the other side took to answer.
pub(super) fn prepare(socket: &TcpStream, rtt: Duration) {
    // Where one of these fails, the lane works as well, only less evenly.
    let _ = socket.set_nodelay(true);
    set(socket, FIRST_BYTES);
    if rtt < NEAR {
        near(socket);
    }
}

/// Another machine in the same building answers sooner.
const NEAR: Duration = Duration::from_millis(5);

#[cfg(target_os = "linux")]
fn near(socket: &TcpStream) {
    // The system may be set to BBR, whose pacing costs more than a path without losses is worth.
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, "cubic");
}

#[cfg(not(target_os = "linux"))]
fn near(_: &TcpStream) {}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn set(socket: &TcpStream, bytes: u32) {
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(bytes);
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn set(_: &TcpStream, _: u32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_follows_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new();
        let mut depth = None;
        for step in 0..=12 {
            let now = start + Duration::from_millis(10 * step);
            depth = pace.count(now, 50_000).or(depth);
        }
        // 50 kB in 10 ms make 100 kB in 20 ms.
        assert_eq!(depth, Some(100_000));
    }

    #[test]
    fn idle_time_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::new();
        for step in 0..20 {
            let now = start + WINDOW * step;
            let seldom = (step > 0).then_some(MIN_BYTES);
            assert_eq!(pace.count(now, 1_000_000), seldom);
        }
    }
}
