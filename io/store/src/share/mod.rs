//! Sharing: files are hashed where they are, and stay there.

mod batch;
mod commit;
mod file;
mod index;
mod walk;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use potluck_content::safe_name;

use crate::errors::ShareError;
use crate::hashing::Control;
use crate::open::{Inner, Store};
use crate::types::{ShareProgress, ShareRequest, Shared, Skipped};
use crate::{MAX_SKIPPED_LISTED, records};

use index::Indexer;
use walk::Walk;

/// Rounds of hashing before giving up on files that other operations keep removing.
const MAX_ROUNDS: usize = 3;

impl Store {
    /// Shares files and folders: hashes them (those that are known and unchanged are not read again),
    /// remembers where they are, and gives the root.
    ///
    /// Hashes are kept as they come, so that a share that is stopped or killed goes on where it was.
    /// A relative symbolic link that stays in the folder is listed as a link and never followed; other
    /// links, special files and names that other systems can't hold are left out and reported. A link
    /// that is itself named as a path to share is followed. `progress` is called about ten times a
    /// second.
    pub fn share(
        &self,
        request: &ShareRequest,
        progress: &mut dyn FnMut(&ShareProgress) -> ControlFlow<()>,
    ) -> Result<Shared, ShareError> {
        let mut task = Task {
            inner: &self.inner,
            request,
            control: Control::default(),
            seen: ShareProgress {
                walking: true,
                ..ShareProgress::default()
            },
            known_bytes: 0,
            skips: Skips::default(),
            report: progress,
        };
        let walk = Walk::run(&mut task)?;
        task.seen.walking = false;
        let mut indexer = Indexer::new(&walk);
        for _ in 0..MAX_ROUNDS {
            indexer.run(&mut task, &walk)?;
            if let Some(root) = commit::commit(&mut task, &walk, &mut indexer)? {
                let hashed_bytes = indexer.hashed_bytes;
                let Skips { list, count } = task.skips;
                return Ok(Shared {
                    root,
                    skipped: list,
                    skipped_count: count,
                    hashed_bytes,
                });
            }
        }
        Err(ShareError::Changing {
            path: request.paths.first().cloned().unwrap_or_default(),
        })
    }
}

/// A share that is under way.
struct Task<'a> {
    inner: &'a Inner,
    request: &'a ShareRequest,
    control: Control,
    seen: ShareProgress,
    /// Bytes of files that needed no hashing.
    known_bytes: u64,
    skips: Skips,
    report: &'a mut dyn FnMut(&ShareProgress) -> ControlFlow<()>,
}

impl Task<'_> {
    /// Tells the caller how far it is.
    fn tick(&mut self) -> ControlFlow<()> {
        let hashed = self
            .control
            .bytes
            .load(std::sync::atomic::Ordering::Relaxed);
        // A file that changed and was read twice counts twice; never show more than there is.
        self.seen.bytes_done = (self.known_bytes + hashed).min(self.seen.bytes);
        (self.report)(&self.seen)
    }

    fn threads(&self) -> usize {
        match self.request.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads.min(256),
        }
    }
}

/// What was left out.
#[derive(Default)]
struct Skips {
    list: Vec<Skipped>,
    count: u64,
}

impl Skips {
    fn add(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.count += 1;
        if self.list.len() < MAX_SKIPPED_LISTED {
            self.list.push(Skipped {
                path,
                reason: reason.into(),
            });
        }
    }
}

/// The name that people see of a share.
fn display_name(request: &ShareRequest, path: Option<&Path>) -> String {
    let name = match &request.name {
        Some(name) => name.clone(),
        None => path.and_then(Path::file_name).map_or_else(
            || "shared".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
    };
    let mut name = safe_name(&name);
    while name.len() > records::MAX_NAME {
        name.pop();
    }
    name
}
