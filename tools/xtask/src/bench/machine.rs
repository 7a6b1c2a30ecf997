//! The machine that a figure was measured on.

use serde::Serialize;

/// What a reader needs to place a figure.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

impl Machine {
    /// Reads `/proc`; what is not told there is `unknown` or 0.
    pub(crate) fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal")
            .and_then(|value| {
                value
                    .split(' ')
                    .next()
                    .and_then(|number| number.parse().ok())
            })
            .unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            memory_mib: memory_kib / 1024,
            kernel: match kernel.trim() {
                "" => unknown(),
                release => format!("{} {release}", read("/proc/sys/kernel/ostype").trim()),
            },
        }
    }

    /// Cores of this machine.
    pub(crate) fn cores() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// One sentence for the Markdown page.
    pub(crate) fn describe(&self) -> String {
        let Self {
            cores,
            cpu,
            memory_mib,
            kernel,
        } = self;
        format!("{cores} cores of {cpu}, {memory_mib} MiB of memory, {kernel}")
    }
}

/// CPU seconds that all cores together were busy since the machine started, where `/proc` tells.
pub(crate) fn busy_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    parse_busy(&stat).map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Ticks of the first line but those of idling and waiting for disks.
fn parse_busy(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .take(8)
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    let all: u64 = ticks.iter().sum();
    all.checked_sub(ticks.get(3)? + ticks.get(4)?)
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n";
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(field(text, "absent"), None);
    }
}
