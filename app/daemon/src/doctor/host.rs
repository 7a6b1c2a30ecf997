//! The machine: its clock and what the system lets a process have.

use super::{check, size};
use potluck_api::{DoctorCheck, Verdict};
use std::time::{Duration, SystemTime};

/// When this version was written; a clock before it is wrong.
const EARLIEST: Duration = Duration::from_secs(1_793_491_200);
const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn clock() -> DoctorCheck {
    let built = std::env::current_exe()
        .and_then(std::fs::metadata)
        .and_then(|meta| meta.modified());
    judge_clock(SystemTime::now(), built.ok())
}

/// `built` is when the program's file was written.
pub(super) fn judge_clock(now: SystemTime, built: Option<SystemTime>) -> DoctorCheck {
    let name = "clock";
    let advice = "set the clock, and let it be kept right (timedatectl set-ntp true)";
    let since_1970 = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let found = format!("it says {}", date(since_1970));
    if since_1970 < EARLIEST {
        let found = format!("{found}, before this program was written");
        check(name, Verdict::Bad, found, advice)
    } else if since_1970 > EARLIEST + HUNDRED_YEARS {
        check(
            name,
            Verdict::Bad,
            format!("{found}, which is far off"),
            advice,
        )
    } else if built.is_some_and(|built| now + DAY < built) {
        let found = format!("{found}, before this program was installed");
        check(name, Verdict::Warning, found, advice)
    } else {
        check(name, Verdict::Good, found, "")
    }
}

/// Day and time (UTC) so many seconds after 1970 (civil calendar from a day count).
pub(super) fn date(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    // Days counted from 1 March of year 0, so that a leap day is the last of its year.
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

pub(super) fn open_files() -> DoctorCheck {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    judge_open_files(limits.current, limits.maximum)
}

/// `None` is no limit.
pub(super) fn judge_open_files(now: Option<u64>, most: Option<u64>) -> DoctorCheck {
    let name = "open files";
    let Some(now) = now else {
        return check(name, Verdict::Good, "no limit", "");
    };
    let found = format!("at most {now}");
    let advice = match most {
        Some(most) if most <= now => "raise the hard limit (LimitNOFILE, limits.conf) to 4096",
        _ => "'ulimit -n 4096' before the start, or LimitNOFILE=4096 in the service",
    };
    if now < 256 {
        check(
            name,
            Verdict::Bad,
            format!("{found}, too few for peers and files"),
            advice,
        )
    } else if now < 1024 {
        check(
            name,
            Verdict::Warning,
            format!("{found}, few for many peers"),
            advice,
        )
    } else {
        check(name, Verdict::Good, found, "")
    }
}

pub(super) fn memory(max_memory: u64) -> DoctorCheck {
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    judge_memory(
        machine.as_deref().and_then(mem_total),
        group_limit(),
        max_memory,
    )
}

/// What the machine has, what the control group allows, and the node's own limit.
pub(super) fn judge_memory(
    machine: Option<u64>,
    group: Option<u64>,
    max_memory: u64,
) -> DoctorCheck {
    let name = "memory";
    let Some(least) = machine.into_iter().chain(group).min() else {
        return check(name, Verdict::Good, "the system does not tell", "");
    };
    let whose = if group == Some(least) {
        "this service may have"
    } else {
        "the machine has"
    };
    let found = format!("{whose} {}", size(least));
    let advice = "lower limits.max_memory, e.g. 'potluck config set limits.max_memory 256MiB'";
    if least < 128 * 1024 * 1024 {
        let advice = "give it at least 128 MiB";
        check(
            name,
            Verdict::Warning,
            format!("{found}, little to work with"),
            advice,
        )
    } else if max_memory != u64::MAX && max_memory > least / 10 * 9 {
        let found = format!("{found}, and limits.max_memory is {}", size(max_memory));
        check(name, Verdict::Warning, found, advice)
    } else {
        check(name, Verdict::Good, found, "")
    }
}

fn mem_total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The limit of the control group (version 2) that this process is in.
fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = std::path::Path::new("/sys/fs/cgroup").join(group);
    // A limit on any group above holds too.
    path.ancestors()
        .take_while(|path| path.starts_with("/sys/fs/cgroup"))
        .filter_map(|path| std::fs::read_to_string(path.join("memory.max")).ok())
        .filter_map(|text| text.trim().parse::<u64>().ok())
        .min()
}
