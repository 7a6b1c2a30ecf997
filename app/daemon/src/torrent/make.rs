//! Making a torrent file of files that are here.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use potluck_api::{ErrorBody, TorrentMade};
use potluck_bittorrent::{
    BuildError, Builder, MAX_FILE_BYTES, MAX_PIECES, Metainfo, NewFile, PieceDigest, Version,
};
use potluck_content::foreign::Cut;
use potluck_content::{EntryPath, MAX_TOTAL_BYTES};

use super::pieces::{Job, ReadFailure, hash_all};
use super::show::report;
use super::walk::{Look, Walk, unreadable};
use super::{Tick, stopped};
use crate::errors;

/// Shortest and longest piece that can be asked for: clients keep a whole one in memory.
const PIECE_BYTES: std::ops::RangeInclusive<u64> = 16 * 1024..=16 * 1024 * 1024;

/// In which versions a torrent describes its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 1 and 2.
    Hybrid,
    /// 1 alone, for clients that refuse the others.
    V1,
    /// 2 alone.
    V2,
}

/// A torrent that is to be made.
#[derive(Debug, Clone)]
pub struct NewTorrent {
    /// The file or folder, from the root of the file system.
    pub path: PathBuf,
    /// Where the torrent goes: a file, or a folder that is there.
    pub output: PathBuf,
    /// Replaces a torrent that is there.
    pub force: bool,
    /// Name of the torrent instead of that of the file or folder.
    pub name: Option<String>,
    /// In which versions.
    pub format: Format,
    /// Bytes of a piece; chosen by the size of all files when it is not given.
    pub piece_bytes: Option<u64>,
    /// Trackers in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Peers come from its trackers alone (BEP 27).
    pub private: bool,
    /// What to say about it.
    pub comment: Option<String>,
    /// Leaves out when it was made, so that the same files make the same torrent file.
    pub no_date: bool,
}

/// The length of a piece as people write it: `256KiB`, `1MiB`.
///
/// # Errors
/// When it is no power of two from 16 KiB to 16 MiB.
pub fn piece_size(text: &str) -> Result<u64, String> {
    let bytes = crate::config::parse_size(text).flatten();
    bytes
        .filter(|bytes| PIECE_BYTES.contains(bytes) && bytes.is_power_of_two())
        .ok_or_else(|| {
            "write a power of two from 16KiB to 16MiB, such as 256KiB or 1MiB".to_owned()
        })
}

/// Reads all files once and writes the torrent.
///
/// # Errors
/// When a file can't be read or changes meanwhile, there are no bytes to describe, an address is
/// none, or the torrent can't be written. Then nothing is written.
pub fn make(new: &NewTorrent, tick: &mut Tick<'_>) -> Result<TorrentMade, ErrorBody> {
    let addresses = new.trackers.iter().flatten().chain(&new.web_seeds);
    for address in addresses {
        check_address(address)?;
    }
    for seed in &new.web_seeds {
        if !seed.starts_with("http") {
            return Err(errors::usage(
                format!(
                    "'{}' is not the address of a web server",
                    errors::clip(seed)
                ),
                "write for example https://host/path",
            ));
        }
    }
    let walk = Walk::run(&new.path)?;
    let name = new.name.as_ref().unwrap_or(&walk.name);
    let output = if new.output.is_dir() {
        new.output.join(format!("{name}.torrent"))
    } else {
        new.output.clone()
    };
    if !new.force && output.symlink_metadata().is_ok() {
        return Err(taken(&output));
    }
    keep_sources(&walk, &output)?;
    let builder = builder(new, &walk, name)?;
    let pieces = hash(&walk, &builder, tick)?;
    let mut torrent = builder
        .finish_with(&pieces)
        .map_err(|error| refused(&error))?;
    torrent.trackers.clone_from(&new.trackers);
    torrent.web_seeds.clone_from(&new.web_seeds);
    torrent.comment.clone_from(&new.comment);
    torrent.created_by = Some(format!("potluck/{}", env!("CARGO_PKG_VERSION")));
    if !new.no_date {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        torrent.creation_date_seconds = now.ok().map(|now| now.as_secs());
    }
    let bytes = torrent.encode();
    // What others will read of it, not what was meant.
    let torrent = Metainfo::parse(&bytes).map_err(|error| refused(&error.into()))?;
    write(&output, &bytes, new.force)?;
    Ok(TorrentMade {
        file: output.display().to_string(),
        left_out: walk.left_out,
        left_out_count: walk.left_out_count,
        torrent: report(&torrent),
    })
}

/// The torrent must not replace what it is made of.
fn keep_sources(walk: &Walk, output: &Path) -> Result<(), ErrorBody> {
    let Ok(there) = Look::at(output) else {
        return Ok(());
    };
    if walk.files.iter().all(|file| file.look.node != there.node) {
        return Ok(());
    }
    Err(errors::usage(
        format!("{} is one of the files of the torrent", output.display()),
        "choose another place with -o, or move it away first",
    ))
}

fn builder(new: &NewTorrent, walk: &Walk, name: &str) -> Result<Builder, ErrorBody> {
    let sizes = walk.files.iter().map(|file| file.look.size);
    let bytes = sizes.fold(0_u64, u64::saturating_add);
    if bytes > MAX_TOTAL_BYTES
        || walk
            .files
            .iter()
            .any(|file| file.look.size > MAX_FILE_BYTES)
    {
        return Err(errors::failed(
            format!("{} is larger than a torrent can be", new.path.display()),
            "make a torrent of each part of it",
        ));
    }
    if bytes == 0 {
        return Err(errors::failed(
            format!("there are no bytes in {}", new.path.display()),
            "a torrent needs at least one file that is not empty",
        ));
    }
    let piece_bytes = new
        .piece_bytes
        .unwrap_or_else(|| Cut::new(bytes).piece_bytes());
    let version = match new.format {
        Format::Hybrid => Version::Hybrid,
        Format::V1 => Version::V1 { aligned: false },
        Format::V2 => Version::V2,
    };
    let mut files: Vec<NewFile> = walk.files.iter().map(|file| file.new_file()).collect();
    let made = match files.pop_if(|_| walk.is_single) {
        Some(mut file) => {
            if new.name.is_some() {
                file.path = EntryPath::new(name).map_err(|error| {
                    errors::usage(
                        format!("{name:?} can't be its name: {error}"),
                        "choose another --name",
                    )
                })?;
            }
            Builder::single(file, piece_bytes, version)
        }
        None => Builder::folder(name, files, piece_bytes, version),
    };
    let made = made.map_err(|error| match &error {
        BuildError::Name { name: bad } if new.name.as_ref() == Some(bad) => {
            errors::usage(error.to_string(), "choose another --name")
        }
        _ => refused(&error),
    });
    let builder = made?.private(new.private);
    let pieces = builder.layout().pieces();
    if pieces > u64::from(MAX_PIECES) {
        return Err(errors::usage(
            format!("{pieces} pieces are more than the {MAX_PIECES} that a torrent can have"),
            "make the pieces longer with --piece-size",
        ));
    }
    Ok(builder)
}

/// The hashes of all pieces, of files that stayed as they were all the time.
fn hash(
    walk: &Walk,
    builder: &Builder,
    tick: &mut Tick<'_>,
) -> Result<Vec<PieceDigest>, ErrorBody> {
    let layout = builder.layout();
    let (v1, v2) = builder.needs();
    // The files of the walk and of the builder are in the same order: that of their paths.
    let paths: Vec<_> = walk
        .files
        .iter()
        .map(|file| Some(file.path.clone()))
        .collect();
    let job = Job {
        layout: &layout,
        paths: &paths,
        v1,
        v2,
    };
    let count = usize::try_from(layout.pieces()).unwrap_or(0);
    let found = Mutex::new((vec![PieceDigest::default(); count], None));
    let take = |piece: u64, outcome: Result<PieceDigest, ReadFailure>| {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let (pieces, failure) = &mut *found;
        match outcome {
            Ok(digest) => {
                let at = usize::try_from(piece).ok();
                if let Some(place) = at.and_then(|at| pieces.get_mut(at)) {
                    *place = digest;
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    };
    let end = hash_all(&job, &take, tick);
    let (pieces, failure) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(ReadFailure { file, error }) = failure {
        let path = walk
            .files
            .get(file)
            .map_or(Path::new(""), |file| &file.path);
        return Err(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => changing(path),
            _ => unreadable(path, &error),
        });
    }
    if end.is_break() {
        return Err(stopped());
    }
    for file in &walk.files {
        let now = Look::at(&file.path).map_err(|error| unreadable(&file.path, &error))?;
        if now != file.look {
            return Err(changing(&file.path));
        }
    }
    Ok(pieces)
}

fn changing(path: &Path) -> ErrorBody {
    errors::failed(
        format!("{} changed while it was read", path.display()),
        "wait until nothing writes to it and run it again",
    )
}

fn refused(error: &BuildError) -> ErrorBody {
    let hint = match error {
        BuildError::Name { .. } => "rename it, or give the torrent a name with --name",
        _ => "make a torrent of each part of it",
    };
    errors::failed(format!("cannot make this torrent: {error}"), hint)
}

/// Refuses what no client takes for an address of a tracker or a web seed.
fn check_address(address: &str) -> Result<(), ErrorBody> {
    let schemes = ["http://", "https://", "udp://", "ws://", "wss://"];
    let host = schemes
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    let is_address = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        && address.len() <= potluck_bittorrent::MAX_URL_BYTES
        && !address.contains(|c: char| c.is_control() || c.is_whitespace());
    if is_address {
        return Ok(());
    }
    Err(errors::usage(
        format!("'{}' is not an address", errors::clip(address)),
        "write for example udp://tracker.example:6969/announce or https://host/path",
    ))
}

/// Writes the whole file or none, under its name only when it is whole.
fn write(output: &Path, bytes: &[u8], force: bool) -> Result<(), ErrorBody> {
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |error: std::io::Error| {
        errors::failed(
            format!("cannot write {}: {error}", output.display()),
            "choose another place with -o",
        )
    };
    let mut file = tempfile::Builder::new()
        .prefix(".potluck-")
        .suffix(".torrent")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let kept = if force {
        file.persist(output)
    } else {
        file.persist_noclobber(output)
    };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(taken(output)),
        Err(error) => Err(failed(error.error)),
    }
}

fn taken(output: &Path) -> ErrorBody {
    errors::failed(
        format!("{} is there already", output.display()),
        "choose another place with -o, or replace it with --force",
    )
}
