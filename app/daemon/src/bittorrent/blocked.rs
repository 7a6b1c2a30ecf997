//! Addresses that are no peers, by a list that the owner keeps in a file.

use super::lock;
use crate::context::Context;
use crate::errors;
use arc_swap::ArcSwap;
use flate2::bufread::MultiGzDecoder;
use potluck_api::{BlocklistStatus, ErrorBody};
use potluck_bittorrent::blocklist::{Blocklist, BlocklistLines, BlocklistReader};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// How often it is looked whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Bytes that are read at once.
const READ: usize = 256 * 1024;
/// How a file begins that was packed with gzip (RFC 1952), as lists are published.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// See the module.
#[derive(Default)]
pub(super) struct Blocked {
    list: ArcSwap<Blocklist>,
    /// Changes with the list.
    version: AtomicU64,
    refused: AtomicU64,
    ignored: AtomicU64,
    /// Held while a file is read: two never are at a time.
    reading: AsyncMutex<()>,
    state: Mutex<State>,
}

/// What is known of the file.
#[derive(Clone, Default)]
struct State {
    /// The file that the list in force is from.
    path: Option<PathBuf>,
    lines: BlocklistLines,
    /// The file that was tried last, how it looked, and why it is of no use.
    tried: Option<(PathBuf, Option<Look>)>,
    trouble: Option<String>,
}

/// How a file looks: when any of it differs, it may have changed.
type Look = (u64, i64, i64, u64);

fn look(path: &Path) -> Option<Look> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ino(),
    ))
}

/// Opens a list, and unpacks it on the way if it is packed.
fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(READ, File::open(path)?);
    let is_packed = file.fill_buf()?.starts_with(&GZIP);
    Ok(match is_packed {
        // The reader of lists bounds what may come out of it.
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    })
}

fn read(path: &Path) -> Result<(Blocklist, BlocklistLines), String> {
    let mut file: Box<dyn Read> = open(path).map_err(|error| error.to_string())?;
    let mut reader = BlocklistReader::default();
    let mut buffer = vec![0; READ];
    loop {
        let bytes = file.read(&mut buffer).map_err(|error| error.to_string())?;
        let Some(data) = buffer.get(..bytes).filter(|data| !data.is_empty()) else {
            return reader.finish().map_err(|error| error.to_string());
        };
        reader.push(data).map_err(|error| error.to_string())?;
    }
}

impl Blocked {
    /// Whether an address is in the list. Who asks would not connect then, which is counted.
    pub(super) fn refuses(&self, address: IpAddr) -> bool {
        let refuses = self.covers(address);
        if refuses {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        refuses
    }

    /// Whether an address that somebody tells of is in the list, which is counted.
    pub(super) fn ignores(&self, address: IpAddr) -> bool {
        let ignores = self.covers(address);
        if ignores {
            self.ignored.fetch_add(1, Ordering::Relaxed);
        }
        ignores
    }

    /// Whether an address is in the list.
    pub(super) fn covers(&self, address: IpAddr) -> bool {
        self.list.load().contains(address)
    }

    /// A number that changes with the list.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts the owner's list in force, if it is not: read anew when its file changed.
    ///
    /// # Errors
    /// When the file can't be used and none of it is in force from before: better no torrents than the
    /// wrong peers.
    pub(super) async fn follow(&self, wanted: Option<PathBuf>) -> Result<(), ErrorBody> {
        let _alone = self.reading.lock().await;
        let Some(path) = wanted else {
            if lock(&self.state).tried.is_some() {
                self.put(Blocklist::default(), State::default());
            }
            return Ok(());
        };
        let before = lock(&self.state).clone();
        let (looked, found) = {
            let (path, tried) = (path.clone(), before.tried.clone());
            let reading = tokio::task::spawn_blocking(move || {
                let looked = look(&path);
                let is_known = tried == Some((path.clone(), looked));
                (looked, (!is_known).then(|| read(&path)))
            });
            reading.await.map_err(|_| errors::stopping())?
        };
        let tried = Some((path.clone(), looked));
        match found {
            None => {}
            Some(Ok((list, lines))) => {
                let (ranges, bad) = (list.ranges(), lines.bad);
                tracing::info!(path = %path.display(), ranges, bad, "the blocklist is in force");
                let state = State {
                    path: Some(path.clone()),
                    lines,
                    tried,
                    trouble: None,
                };
                self.put(list, state);
            }
            Some(Err(trouble)) => {
                tracing::warn!(path = %path.display(), %trouble, "the blocklist can't be used");
                let state = State {
                    tried,
                    trouble: Some(trouble),
                    ..before
                };
                *lock(&self.state) = state;
            }
        }
        let state = lock(&self.state).clone();
        match state.trouble {
            Some(trouble) if state.path.as_ref() != Some(&path) => Err(errors::failed(
                format!("the blocklist {} can't be used: {trouble}", path.display()),
                "mend the file, or do without it: 'potluck config unset bittorrent.blocklist'",
            )),
            _ => Ok(()),
        }
    }

    fn put(&self, list: Blocklist, state: State) {
        self.list.store(Arc::new(list));
        *lock(&self.state) = state;
        self.version.fetch_add(1, Ordering::Release);
    }

    /// What `status` tells; nothing without a list.
    pub(super) fn status(&self, wanted: Option<&Path>) -> Option<BlocklistStatus> {
        let state = lock(&self.state).clone();
        let path = wanted.or(state.path.as_deref())?;
        Some(BlocklistStatus {
            path: path.display().to_string(),
            ranges: self.list.load().ranges() as u64,
            bad_lines: state.lines.bad,
            first_bad_line: state.lines.first_bad,
            refused_connections: self.refused.load(Ordering::Relaxed),
            ignored_addresses: self.ignored.load(Ordering::Relaxed),
            trouble: state.trouble,
        })
    }
}

/// Puts the list that the settings name in force, before anything of a torrent is done.
pub(super) async fn ensure(ctx: &Context) -> Result<(), ErrorBody> {
    let wanted = ctx.config().bittorrent.rules.blocklist;
    ctx.torrents.blocked.follow(wanted).await
}

/// Follows the file and the settings until the node shuts down. A node within a command reads the list
/// only when it comes to torrents.
pub(crate) async fn keep_blocklist(ctx: Arc<Context>) {
    let mut rules = ctx.torrents.rules.subscribe();
    let mut is_first = true;
    loop {
        if !(is_first && ctx.torrents.settings().in_command) {
            // What is wrong was told by what puts it in force.
            let _ = ensure(&ctx).await;
        }
        is_first = false;
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            changed = rules.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_list_is_followed_and_one_that_breaks_stays_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let blocked = Blocked::default();
        assert!(blocked.status(None).is_none());
        let missing = blocked.follow(Some(path.clone())).await;
        assert!(missing.unwrap_err().hint.contains("unset"));
        std::fs::write(&path, "x:10.0.0.0-10.0.0.255\nrubbish\n").unwrap();
        blocked.follow(Some(path.clone())).await.unwrap();
        let version = blocked.version();
        assert!(blocked.refuses(ip("10.0.0.7")) && !blocked.refuses(ip("10.0.1.7")));
        assert!(blocked.ignores(ip("::ffff:10.0.0.7")));
        let status = blocked.status(Some(&path)).unwrap();
        assert_eq!((status.ranges, status.bad_lines), (1, 1));
        let counts = (status.refused_connections, status.ignored_addresses);
        assert_eq!((counts, status.trouble), ((1, 1), None));
        blocked.follow(Some(path.clone())).await.unwrap();
        assert_eq!(blocked.version(), version, "it did not change");
        std::fs::write(&path, "<html>").unwrap();
        blocked.follow(Some(path.clone())).await.unwrap();
        assert!(blocked.covers(ip("10.0.0.7")), "the old one holds");
        assert!(blocked.status(Some(&path)).unwrap().trouble.is_some());
        std::fs::write(&path, "11.0.0.0/8").unwrap();
        blocked.follow(Some(path.clone())).await.unwrap();
        assert!(blocked.covers(ip("11.0.0.7")) && !blocked.covers(ip("10.0.0.7")));
        let packed = std::fs::File::create(&path).unwrap();
        let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, b"some:12.0.0.0-12.0.0.255\n").unwrap();
        packed.finish().unwrap();
        blocked.follow(Some(path.clone())).await.unwrap();
        assert!(blocked.covers(ip("12.0.0.7")) && !blocked.covers(ip("11.0.0.7")));
        // One that was cut short is of no use, and the old one holds.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        blocked.follow(Some(path.clone())).await.unwrap();
        assert!(blocked.status(Some(&path)).unwrap().trouble.is_some());
        blocked.follow(None).await.unwrap();
        assert!(!blocked.covers(ip("12.0.0.7")) && blocked.status(None).is_none());
    }
}
