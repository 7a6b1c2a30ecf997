//! Failures of the rooms below in the words that a person gets: what happened, what to do, which
//! exit code.

use potluck_api::{ErrorBody, ExitCode};
use potluck_store::{
    BeginError, Fault, FinishError, OpenError, ShareError, VerifyError, WriteError,
};

/// A malformed request.
pub(crate) fn usage(message: impl Into<String>, hint: &str) -> ErrorBody {
    ErrorBody::new(ExitCode::Usage, message, hint)
}

/// A failure without a code of its own.
pub(crate) fn failed(message: impl Into<String>, hint: &str) -> ErrorBody {
    ErrorBody::new(ExitCode::Failed, message, hint)
}

/// What was asked for is not there.
pub(crate) fn not_found(message: impl Into<String>, hint: &str) -> ErrorBody {
    ErrorBody::new(ExitCode::NotFound, message, hint)
}

/// The user stopped it.
pub(crate) fn interrupted(hint: &str) -> ErrorBody {
    ErrorBody::new(ExitCode::Interrupted, "interrupted", hint)
}

/// The node is going down.
pub(crate) fn stopping() -> ErrorBody {
    failed("the node is stopping", "start it again with 'potluck up'")
}

/// The start of a text that may be long or hostile.
pub(crate) fn clip(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if clean.len() < text.len() {
        format!("{clean}…")
    } else {
        clean
    }
}

/// Failures below the store.
pub(crate) fn fault(fault: &Fault) -> ErrorBody {
    let hint = match fault {
        Fault::NoSpace { .. } => {
            "free some space there and run the same command again; nothing finished is lost"
        }
        Fault::Io { .. } => "check the disk and the permissions of that path",
        Fault::Database { .. } => "check the disk; 'potluck doctor' looks at the data directory",
        Fault::Corrupt { .. } => "'potluck verify' re-checks what this node holds",
    };
    failed(fault.to_string(), hint)
}

/// Failures to open the data directory.
pub(crate) fn open(error: &OpenError) -> ErrorBody {
    match error {
        OpenError::Locked { .. } => failed(
            error.to_string(),
            "another node uses this data directory: stop it, or give this one its own with --data",
        ),
        OpenError::Newer { .. } => failed(
            error.to_string(),
            "install the newer version of potluck, or use another data directory with --data",
        ),
        OpenError::Fault(inner) if is_damage(inner) => failed(
            inner.to_string(),
            "move the data directory away, or use another with --data; files that you shared or fetched stay as they are",
        ),
        OpenError::Fault(inner) => fault(inner),
    }
}

/// Whether what is in the data directory makes no sense, rather than cannot be had.
fn is_damage(fault: &Fault) -> bool {
    match fault {
        Fault::Corrupt { .. } | Fault::Database { .. } => true,
        Fault::Io { source, .. } => source.kind() == std::io::ErrorKind::InvalidData,
        Fault::NoSpace { .. } => false,
    }
}

/// Failures to share.
pub(crate) fn share(error: &ShareError) -> ErrorBody {
    let hint = match error {
        ShareError::NotFound { .. } => "check the path",
        ShareError::Unreadable { .. } => {
            "change its permissions, or leave it out with --skip-unreadable"
        }
        ShareError::Changing { .. } => "wait until nothing writes to it and share it again",
        ShareError::Special { .. } => "share a file or a folder",
        ShareError::BadName { .. } => "rename it, or give another name with --name",
        ShareError::SameName { .. } => "share them one by one, or put them in one folder",
        ShareError::OwnDirectory { .. } => {
            "share what is beside it, one by one; or keep the data directory elsewhere, with --data"
        }
        ShareError::Nothing => "name at least one file or folder",
        ShareError::TooLarge { .. } => "share parts of it one by one",
        ShareError::Quota { .. } => {
            "raise limits.storage with 'potluck config set', or share in place without --copy"
        }
        ShareError::Stopped => {
            return interrupted("run it again to go on; what is indexed is kept");
        }
        ShareError::Fault(inner) => return fault(inner),
    };
    let code = match error {
        ShareError::BadName { .. } | ShareError::OwnDirectory { .. } | ShareError::Nothing => {
            ExitCode::Usage
        }
        _ => ExitCode::Failed,
    };
    ErrorBody::new(code, error.to_string(), hint)
}

/// Failures to begin a download.
pub(crate) fn begin(error: &BeginError) -> ErrorBody {
    let hint = match error {
        BeginError::DestExists { .. } => "choose another destination with -o, or move that away",
        BeginError::Busy { .. } => "wait for it; 'potluck status' shows how far it is",
        BeginError::OtherDest { .. } => {
            "use the same -o as before to resume, or drop it with 'potluck rm'"
        }
        BeginError::BadDest { .. } => "choose another destination with -o",
        BeginError::BadContent(_) => "the link leads to something this version cannot hold",
        BeginError::NotHave => "'potluck ls' lists what this node holds",
        BeginError::InPlace => "potluck never writes to files that you shared in place",
        BeginError::Fault(inner) => return fault(inner),
    };
    failed(error.to_string(), hint)
}

/// Failures to keep verified bytes.
pub(crate) fn write(error: &WriteError) -> ErrorBody {
    match error {
        WriteError::NoSpace { .. } => no_space(error.to_string()),
        WriteError::Fault(inner) => fault(inner),
        WriteError::BadRange | WriteError::Ended => {
            failed(error.to_string(), "run the command again")
        }
    }
}

/// A full disk.
pub(crate) fn no_space(message: String) -> ErrorBody {
    failed(
        message,
        "free some space there and run the same command again; it goes on where it stopped",
    )
}

/// Failures to finish a download.
pub(crate) fn finish(error: &FinishError) -> ErrorBody {
    match error {
        FinishError::DestExists { .. } => failed(
            error.to_string(),
            "it came to be while the download ran; move it away and run the same command again",
        ),
        FinishError::Tampered { .. } => ErrorBody::new(
            ExitCode::Verification,
            error.to_string(),
            "run the same command again; only what is wrong is fetched again",
        ),
        FinishError::Incomplete { .. } | FinishError::Ended => {
            failed(error.to_string(), "run the same command again")
        }
        FinishError::Fault(inner) => fault(inner),
    }
}

/// Failures to verify.
pub(crate) fn verify(error: &VerifyError) -> ErrorBody {
    match error {
        VerifyError::NotHave => {
            not_found(error.to_string(), "'potluck ls' lists what this node holds")
        }
        VerifyError::Stopped => interrupted(""),
        VerifyError::Fault(inner) => fault(inner),
    }
}
