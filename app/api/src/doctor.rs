use serde::{Deserialize, Serialize};

/// How a check of `potluck doctor` came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, with a drawback.
    Warning,
    /// Will not work.
    Bad,
}

/// One check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DoctorCheck {
    /// What was looked at, e.g. `disk space`.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub found: String,
    /// What to do; empty when nothing needs doing.
    pub advice: String,
}

/// Answer of `GET /api/v1/doctor`, and what `potluck doctor --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The checks, in a fixed order.
    pub checks: Vec<DoctorCheck>,
    /// The worst of the verdicts.
    pub verdict: Verdict,
}
