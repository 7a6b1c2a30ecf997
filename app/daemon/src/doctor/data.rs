//! The data directory: there, ours, of our version, with room, and who uses it.

use super::{check, size};
use potluck_api::{API_FILE, ApiFile, DoctorCheck, Verdict};
use potluck_store::FORMAT;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;
const NO_SPACE: u64 = 64 * 1024 * 1024;

pub(super) fn directory(data: &Path) -> DoctorCheck {
    let name = "data directory";
    let shown = data.display();
    let meta = match fs::metadata(data) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return absent(data),
        Err(error) => {
            let advice = "check the folders above it and who may read them";
            return check(
                name,
                Verdict::Bad,
                format!("cannot look at {shown}: {error}"),
                advice,
            );
        }
    };
    if !meta.is_dir() {
        let advice = "choose another with --data, or move the file away";
        return check(
            name,
            Verdict::Bad,
            format!("{shown} is not a folder"),
            advice,
        );
    }
    if let Err(error) = try_write(data) {
        let advice = "make it writable for this user, or choose another with --data";
        return check(
            name,
            Verdict::Bad,
            format!("cannot write in {shown}: {error}"),
            advice,
        );
    }
    owner(data, &meta)
}

fn owner(data: &Path, meta: &Metadata) -> DoctorCheck {
    let name = "data directory";
    let shown = data.display();
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != user {
        let found = format!(
            "{shown} belongs to user {}, this is user {user}",
            meta.uid()
        );
        let advice = "run as its owner, so that no files of mixed owners come to lie there";
        return check(name, Verdict::Warning, found, advice);
    }
    if meta.mode() & 0o022 != 0 {
        let found = format!("others may write in {shown}, where the node's key lies");
        return check(name, Verdict::Warning, found, format!("chmod go-w {shown}"));
    }
    check(
        name,
        Verdict::Good,
        format!("{shown} is there and writable"),
        "",
    )
}

fn absent(data: &Path) -> DoctorCheck {
    let name = "data directory";
    let shown = data.display();
    match existing_parent(data) {
        Some(parent) if try_write(&parent).is_ok() => check(
            name,
            Verdict::Good,
            format!("{shown} will be made at the first start"),
            "",
        ),
        Some(parent) => {
            let found = format!(
                "{shown} is not there, and {} is not writable",
                parent.display()
            );
            check(name, Verdict::Bad, found, "choose another with --data")
        }
        None => {
            let found = format!("{shown} is not there, nor any folder above it");
            check(name, Verdict::Bad, found, "choose another with --data")
        }
    }
}

fn existing_parent(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .skip(1)
        .find(|parent| parent.is_dir())
        .map(Path::to_owned)
}

fn try_write(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".potluck-doctor-{}", std::process::id()));
    fs::write(&probe, b"x")?;
    fs::remove_file(&probe)
}

/// The version of what lies in the directory; nothing to say when nothing lies there yet.
pub(super) fn format(data: &Path) -> Option<DoctorCheck> {
    let name = "data format";
    let text = fs::read_to_string(data.join("version")).ok()?;
    let found: String = text.trim().chars().take(20).collect();
    Some(match found.parse::<u32>() {
        Ok(version) if version <= FORMAT => {
            check(name, Verdict::Good, format!("version {version}"), "")
        }
        Ok(version) => check(
            name,
            Verdict::Bad,
            format!("version {version}, made by a newer program"),
            "install that version of Potluck again, or choose another directory with --data",
        ),
        Err(_) => check(
            name,
            Verdict::Bad,
            format!("its version file says {:?}", found),
            "this is not a data directory of Potluck; choose another with --data",
        ),
    })
}

/// Who uses the data directory.
pub(super) enum Lock {
    Free,
    /// By a process that perhaps left its id.
    Held(Option<u32>, bool),
    Unknown(std::io::Error),
}

impl Lock {
    pub(super) fn look(data: &Path) -> Self {
        let mut file = match File::open(data.join("lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::Free,
            Err(error) => return Self::Unknown(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Self::Free,
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.by_ref().take(64).read_to_string(&mut text);
                Self::Held(text.trim().parse().ok(), api(data).is_some())
            }
            Err(TryLockError::Error(error)) => Self::Unknown(error),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(..))
    }

    pub(super) fn check(&self) -> DoctorCheck {
        let name = "in use";
        match self {
            Self::Free => check(
                name,
                Verdict::Good,
                "no node uses the data directory now",
                "",
            ),
            Self::Held(pid, true) => check(
                name,
                Verdict::Good,
                format!("by the node of {}", process(*pid)),
                "",
            ),
            Self::Held(pid, false) => check(
                name,
                Verdict::Warning,
                format!("by {}, which takes no commands", process(*pid)),
                "wait until it is up or done; if it hangs, end it",
            ),
            Self::Unknown(error) => check(
                name,
                Verdict::Warning,
                format!("cannot look at the lock: {error}"),
                "check who owns the data directory",
            ),
        }
    }
}

fn process(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => "this process".to_owned(),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

fn api(data: &Path) -> Option<ApiFile> {
    serde_json::from_slice(&fs::read(data.join(API_FILE)).ok()?).ok()
}

pub(super) fn disk_space(data: &Path) -> DoctorCheck {
    let name = "disk space";
    let place = if data.is_dir() {
        Some(data.to_owned())
    } else {
        existing_parent(data)
    };
    let Some(place) = place else {
        return check(
            name,
            Verdict::Warning,
            "nowhere to look",
            "choose a data directory",
        );
    };
    let stat = match rustix::fs::statvfs(&place) {
        Ok(stat) => stat,
        Err(error) => {
            return check(
                name,
                Verdict::Warning,
                format!("cannot tell: {error}"),
                "check the disk",
            );
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} free at {}", size(free), place.display());
    let advice = "free some space; downloads stop, and go on, when the disk is full";
    if free < NO_SPACE {
        check(name, Verdict::Bad, found, advice)
    } else if free < LITTLE_SPACE {
        check(name, Verdict::Warning, found, advice)
    } else if stat.f_files > 0 && stat.f_favail < 10_000 {
        let found = format!("{found}, but room for only {} files", stat.f_favail);
        check(
            name,
            Verdict::Warning,
            found,
            "remove files that are not needed",
        )
    } else {
        check(name, Verdict::Good, found, "")
    }
}
