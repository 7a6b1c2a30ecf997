//! What `potluck doctor` looks at: each check says what it found and what to do about it.

mod data;
mod host;
mod network;

use crate::config::{self, Config};
use potluck_api::{DoctorCheck, DoctorReport, ErrorBody, Status, Verdict};
use std::path::Path;

/// The checks that need no running node.
#[must_use]
pub fn offline(data: &Path) -> DoctorReport {
    let mut checks = base(data);
    checks.push(check(
        "node",
        Verdict::Good,
        "no node runs on this data directory, so peers and reachability were not checked",
        "start 'potluck up' and ask again",
    ));
    report(checks)
}

/// The checks of a node that runs on the data directory and reports this status.
#[must_use]
pub fn running(data: &Path, status: &Status) -> DoctorReport {
    let mut checks = base(data);
    checks.extend(network::running(status));
    report(checks)
}

fn base(data: &Path) -> Vec<DoctorCheck> {
    let loaded = config::load(data);
    let config = loaded.as_ref().cloned().unwrap_or_default();
    let mut checks = vec![
        check(
            "version",
            Verdict::Good,
            format!("potluck {}", env!("CARGO_PKG_VERSION")),
            "",
        ),
        data::directory(data),
    ];
    let lock = data::Lock::look(data);
    checks.extend(data::format(data));
    checks.push(lock.check());
    checks.push(configuration(data, loaded));
    checks.push(data::disk_space(data));
    checks.push(host::clock());
    checks.push(host::open_files());
    checks.push(host::memory(config.limits.max_memory_bytes));
    checks.extend(private_key(data, &config));
    checks.extend(network::ports(&config.net, lock.is_held()));
    checks
}

fn configuration(data: &Path, loaded: Result<Config, ErrorBody>) -> DoctorCheck {
    let path = config::path(data);
    match loaded {
        Err(error) => check("settings", Verdict::Bad, error.message, error.hint),
        Ok(_) if !path.exists() => check(
            "settings",
            Verdict::Good,
            "no config file, defaults hold",
            "",
        ),
        Ok(_) => check(
            "settings",
            Verdict::Good,
            format!("{} is valid", path.display()),
            "",
        ),
    }
}

fn private_key(data: &Path, config: &Config) -> Option<DoctorCheck> {
    let file = data.join(config.net.private_key_file.as_ref()?);
    let name = "private network";
    Some(match std::fs::read_to_string(&file) {
        Ok(_) => check(
            name,
            Verdict::Good,
            format!("its key is in {}", file.display()),
            "",
        ),
        Err(error) => check(
            name,
            Verdict::Bad,
            format!("cannot read its key {}: {error}", file.display()),
            "put the key file there, or 'potluck config unset net.private_key_file'",
        ),
    })
}

fn check(
    name: &str,
    verdict: Verdict,
    found: impl Into<String>,
    advice: impl Into<String>,
) -> DoctorCheck {
    DoctorCheck {
        name: name.to_owned(),
        verdict,
        found: found.into(),
        advice: advice.into(),
    }
}

fn report(checks: Vec<DoctorCheck>) -> DoctorReport {
    let verdict = checks
        .iter()
        .map(|check| check.verdict)
        .max()
        .unwrap_or(Verdict::Good);
    DoctorReport { checks, verdict }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let units = [
        (1_u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests;
