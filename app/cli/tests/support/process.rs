//! What a process uses, as the system tells it.

use std::path::Path;
use std::time::Duration;

fn file(pid: u32, name: &str) -> String {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(name)).unwrap()
}

/// A number of `/proc/<pid>/status`, such as `VmRSS:` or `VmHWM:`, in bytes.
pub fn memory(pid: u32, field: &str) -> u64 {
    let text = file(pid, "status");
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Open sockets of a process.
pub fn sockets(pid: u32) -> usize {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten();
    links
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Processor time of a process so far.
pub fn processor(pid: u32) -> Duration {
    let text = file(pid, "stat");
    let (_, fields) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| -> u64 { fields[index].parse().unwrap() };
    // Ticks of a hundredth of a second, in user and in system mode.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
