//! The thread that carries packets between the devices of the nodes.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::fabric::{Fabric, nanoseconds};

/// Deliveries within this time are made together: a tenth of the shortest delay that is of interest.
const TICK: Duration = Duration::from_micros(100);
/// How long a quiet switch sleeps before it looks whether it should end.
const QUIET: Duration = Duration::from_millis(50);
/// Packets that are read from one node before the others have their turn.
const BATCH: usize = 64;
/// The longest packet with its prefix: a whole train.
const LONGEST: usize = 65_536 + crate::packet::PREFIX;
/// Ahead of what is measured: a switch that waits for the processor changes the network.
const NICE: i32 = -15;

/// What the switch shares with its owner.
pub(crate) struct Shared {
    pub(crate) fabric: Mutex<Fabric>,
    pub(crate) stop: AtomicBool,
    /// The zero of the fabric's clock.
    pub(crate) start: Instant,
}

impl Shared {
    pub(crate) fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    pub(crate) fn fabric(&self) -> std::sync::MutexGuard<'_, Fabric> {
        self.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the devices; what comes from it is the first argument of [`run`].
pub(crate) fn watch(devices: &[File]) -> Result<OwnedFd, Errno> {
    let watcher = epoll::create(CreateFlags::CLOEXEC)?;
    for (index, device) in devices.iter().enumerate() {
        let data = EventData::new_u64(index as u64);
        epoll::add(&watcher, device, data, EventFlags::IN)?;
    }
    Ok(watcher)
}

/// Carries packets until it is told to stop.
pub(crate) fn run(watcher: &OwnedFd, devices: &[File], shared: &Arc<Shared>) -> Result<(), Errno> {
    // Where it is not allowed, the switch is a little less exact on a busy machine.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut packet = vec![0; LONGEST];
    let mut ready = Vec::with_capacity(devices.len().max(1));
    while !shared.stop.load(Ordering::Relaxed) {
        let wait = deliver(devices, shared);
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        ready.clear();
        match epoll::wait(
            watcher,
            rustix::buffer::spare_capacity(&mut ready),
            Some(&wait),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if ready.is_empty() {
            continue;
        }
        let mut fabric = shared.fabric();
        for event in &ready {
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            let Some(mut device) = devices.get(index) else {
                continue;
            };
            let now = shared.now();
            for _ in 0..BATCH {
                // An error says that there is nothing more for now.
                let Ok(length) = device.read(&mut packet) else {
                    break;
                };
                fabric.offer(now, index, &packet[..length]);
            }
        }
    }
    Ok(())
}

/// Hands over what has arrived. Gives the time until there will be more.
fn deliver(devices: &[File], shared: &Shared) -> Duration {
    let mut fabric = shared.fabric();
    let now = shared.now();
    while let Some((to, frame)) = fabric.next_arrived(now) {
        if let Some(mut device) = devices.get(to) {
            // A node whose interface is down misses its packets, as it would elsewhere.
            let _ = device.write(&frame);
        }
        fabric.recycle(frame);
    }
    let until = fabric
        .next_at()
        .map(|at| Duration::from_nanos(at.saturating_sub(shared.now())));
    until.unwrap_or(QUIET).clamp(TICK, QUIET)
}
