//! Shaped networks between real processes, for benchmarks.
//!
//! A [`Lab`] gives each node a network namespace with one interface. All interfaces are joined by a
//! switch in user space, which gives each node its upload and download rate, a queue in front of both, a
//! one-way delay and random loss, and can turn a node's path dark for a while. It needs root and a Linux
//! with TUN devices, and no queueing discipline of the kernel.
//!
//! Namespaces have no names, and devices live in them: all of it is gone with the process that made it,
//! however that ends. What was started by [`Lab::command`] goes with the thread that started it.
//!
//! ```text
//! process ─ eth0 ─ uplink(rate, queue) ─ loss ─ delay ─ downlink(rate, queue) ─ eth0 ─ process
//! ```

mod fabric;
mod kernel;
mod lab;
mod packet;
mod switch;

pub use fabric::{Link, Traffic};
pub use lab::{Lab, LabError, Plan};
