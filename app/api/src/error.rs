use serde::{Deserialize, Serialize};

/// Why a command ended; the numbers are the process exit codes and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done.
    Done = 0,
    /// It failed for a reason that no other code names.
    Failed = 1,
    /// The command line or a setting is malformed.
    Usage = 2,
    /// Nothing by that address, or no provider in time.
    NotFound = 3,
    /// Bytes did not match their address.
    Verification = 4,
    /// The node could not be reached.
    Unreachable = 5,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> u8 {
        code as u8
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        Ok(match code {
            0 => Self::Done,
            1 => Self::Failed,
            2 => Self::Usage,
            3 => Self::NotFound,
            4 => Self::Verification,
            5 => Self::Unreachable,
            130 => Self::Interrupted,
            other => return Err(format!("{other} is not an exit code of this program")),
        })
    }
}

/// A failure a person can act on: what happened in one line, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Exit code the command ends with.
    pub code: ExitCode,
    /// What happened, one line, no trailing full stop.
    pub message: String,
    /// What to do about it; empty when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl ErrorBody {
    /// A failure with its hint.
    pub fn new(code: ExitCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ErrorBody {}
