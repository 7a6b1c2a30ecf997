//! `ffmpeg` and `ffprobe`, where they are installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;

/// A list of encoders is told at once.
const TIME: Duration = Duration::from_secs(20);

/// Encoders of one `ffmpeg`, asked once.
static ENCODERS: Mutex<Option<(PathBuf, Arc<BTreeSet<String>>)>> = Mutex::new(None);

/// Both programs.
pub(super) struct Programs {
    pub(super) ffmpeg: PathBuf,
    pub(super) ffprobe: PathBuf,
}

impl Programs {
    /// Looked for each time: what is installed while the node runs is found without a restart.
    pub(super) fn find() -> Option<Self> {
        Some(Self {
            ffmpeg: find("ffmpeg")?,
            ffprobe: find("ffprobe")?,
        })
    }

    /// Names of what it can encode.
    pub(super) async fn encoders(&self) -> Result<Arc<BTreeSet<String>>, String> {
        let known = || ENCODERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, found)) = &*known()
            && *path == self.ffmpeg
        {
            return Ok(Arc::clone(found));
        }
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-encoders"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(TIME, command.output()).await;
        let output = match output {
            Ok(Ok(output)) if output.status.success() => output,
            Ok(Ok(output)) => return Err(format!("ffmpeg ended with {}", output.status)),
            Ok(Err(error)) => return Err(format!("ffmpeg cannot be started: {error}")),
            Err(_) => return Err("ffmpeg does not answer".to_owned()),
        };
        let found = Arc::new(encoders(&String::from_utf8_lossy(&output.stdout)));
        *known() = Some((self.ffmpeg.clone(), Arc::clone(&found)));
        Ok(found)
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // A relative folder is another one for each current folder; the node has none that matters.
    let mut folders = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| {
        let path = folder.join(name);
        is_program(&path).then_some(path)
    })
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

/// The second words of the lines below the one of dashes.
fn encoders(listed: &str) -> BTreeSet<String> {
    let lines = listed.lines().skip_while(|line| !line.contains("------"));
    let names = lines
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::encoders;

    #[test]
    fn encoders_are_read_from_the_list() {
        let listed = "Encoders:\n V..... = Video\n A..... = Audio\n ------\n \
            V....D libx264              libx264 H.264 (codec h264)\n A....D aac   AAC\n";
        let found: Vec<String> = encoders(listed).into_iter().collect();
        assert_eq!(found, ["aac", "libx264"]);
        assert!(encoders("").is_empty());
    }
}
