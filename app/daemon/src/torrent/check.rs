//! Holding files on disk against a torrent.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use potluck_api::{ErrorBody, FileState, FileVerdict, TorrentCheck};
use potluck_bittorrent::{FileKind, Info, Layout, Metainfo, PieceDigest};

use super::pieces::{Job, ReadFailure, hash_all};
use super::show::read_file;
use super::{Tick, stopped};
use crate::errors;

/// Reads what is at `place` and tells which pieces of the torrent are there. `place` is the file or
/// folder of the torrent, or the folder that it lies in under its own name. Nothing is changed.
///
/// # Errors
/// When the torrent can't be used, or there is nothing at `place`.
pub fn check(torrent: &Path, place: &Path, tick: &mut Tick<'_>) -> Result<TorrentCheck, ErrorBody> {
    let torrent = read_file(torrent)?;
    let info = torrent.info();
    let root = root(info, place)?;
    let layout = info.layout();
    let on_disk: Vec<OnDisk> = info
        .files()
        .iter()
        .map(|file| OnDisk::look(file_path(info, &root, file.path.as_str()), file.size))
        .collect();
    let paths: Vec<Option<PathBuf>> = on_disk.iter().map(|file| file.path.clone()).collect();
    let v2 = is_v2(&torrent)?;
    let job = Job {
        layout: &layout,
        paths: &paths,
        v1: !v2,
        v2,
    };
    let tally = Mutex::new(Tally {
        good_pieces: 0,
        bad_bytes: vec![0; info.files().len()],
        unreadable: BTreeSet::new(),
    });
    let take = |piece: u64, outcome: Result<PieceDigest, ReadFailure>| {
        let is_good = outcome.as_ref().is_ok_and(|digest| {
            u32::try_from(piece).is_ok_and(|piece| torrent.is_piece(&layout, piece, digest))
        });
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.count(&layout, piece, is_good);
        if let Err(failure) = outcome {
            tally.failed(&failure);
        }
        ControlFlow::Continue(())
    };
    if hash_all(&job, &take, tick).is_break() {
        return Err(stopped());
    }
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(told(&torrent, &root, &on_disk, &tally))
}

struct Tally {
    good_pieces: u64,
    /// Of each file, the bytes that lie in bad pieces.
    bad_bytes: Vec<u64>,
    /// Files that the system refused to read.
    unreadable: BTreeSet<usize>,
}

impl Tally {
    /// A file that is gone or short is judged by how it looks, others are as unreadable as they are.
    fn failed(&mut self, failure: &ReadFailure) {
        let kind = failure.error.kind();
        if !matches!(kind, ErrorKind::NotFound | ErrorKind::UnexpectedEof) {
            self.unreadable.insert(failure.file);
        }
    }

    fn count(&mut self, layout: &Layout, piece: u64, is_good: bool) {
        if is_good {
            self.good_pieces += 1;
            return;
        }
        for span in layout.spans(piece) {
            if let Some(bad) = span.file.and_then(|file| self.bad_bytes.get_mut(file)) {
                *bad += span.bytes;
            }
        }
    }
}

/// What is where a file should be.
struct OnDisk {
    /// None when it is not to be read.
    path: Option<PathBuf>,
    problem: Option<FileState>,
}

impl OnDisk {
    fn look(path: PathBuf, size: u64) -> Self {
        let (path, problem) = match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => (None, Some(FileState::Missing)),
            // A longer or shorter file may still have good pieces.
            Ok(metadata) if metadata.len() != size => (Some(path), Some(FileState::Size)),
            Ok(_) => (Some(path), None),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                (None, Some(FileState::Missing))
            }
            Err(_) => (None, Some(FileState::Unreadable)),
        };
        Self { path, problem }
    }
}

/// Whether to go by the hashes of version 2: they are the stronger ones, but a torrent can come without
/// some of them.
fn is_v2(torrent: &Metainfo) -> Result<bool, ErrorBody> {
    let hashes = torrent.info().hashes();
    let is_known = torrent.missing_layers().next().is_none();
    if hashes.v1.is_none() && !is_known {
        return Err(errors::failed(
            "the torrent lacks the hashes of its pieces (piece layers)",
            "get the torrent file again; one that was made from a magnet link alone can lack them",
        ));
    }
    Ok(hashes.v2.is_some() && is_known)
}

/// Where the torrent lies.
fn root(info: &Info, place: &Path) -> Result<PathBuf, ErrorBody> {
    let metadata = fs::metadata(place).map_err(|error| super::walk::unreadable(place, &error))?;
    if metadata.is_file() {
        if info.is_single() {
            return Ok(place.to_owned());
        }
        return Err(errors::usage(
            format!("the torrent is a folder, and {} is a file", place.display()),
            "name the folder that it was fetched to",
        ));
    }
    let named = place.join(info.name());
    // A folder can hold another of its own name: the one that looks more like the torrent it is.
    let looks = |root: &Path| {
        let files = info.files().iter();
        let is_there = |file: &&potluck_bittorrent::FileEntry| {
            let path = file_path(info, root, file.path.as_str());
            fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == file.size)
        };
        files.filter(is_there).count()
    };
    if info.is_single() || (named.is_dir() && looks(&named) >= looks(place)) {
        return Ok(named);
    }
    Ok(place.to_owned())
}

fn file_path(info: &Info, root: &Path, below: &str) -> PathBuf {
    if info.is_single() {
        return root.to_owned();
    }
    // The paths of a folder begin with its own name, and it may lie here under another.
    let (_, below) = below.split_once('/').unwrap_or(("", below));
    root.join(below)
}

fn told(torrent: &Metainfo, root: &Path, on_disk: &[OnDisk], tally: &Tally) -> TorrentCheck {
    let info = torrent.info();
    let mut files = Vec::new();
    for (index, ((file, seen), bad)) in info
        .files()
        .iter()
        .zip(on_disk)
        .zip(&tally.bad_bytes)
        .enumerate()
    {
        if file.kind != FileKind::Regular {
            continue;
        }
        let damaged = (*bad > 0).then_some(match tally.unreadable.contains(&index) {
            true => FileState::Unreadable,
            false => FileState::Damaged,
        });
        files.push(FileVerdict {
            path: file.path.to_string(),
            bytes: file.size,
            good_bytes: file.size - bad.min(&file.size),
            state: seen.problem.or(damaged).unwrap_or(FileState::Good),
        });
    }
    let whole = files.iter().all(|file| file.state == FileState::Good);
    TorrentCheck {
        name: info.name().to_owned(),
        place: root.display().to_string(),
        complete: whole && tally.good_pieces == u64::from(info.pieces()),
        pieces: info.pieces().into(),
        good_pieces: tally.good_pieces,
        bytes: files.iter().map(|file| file.bytes).sum(),
        good_bytes: files.iter().map(|file| file.good_bytes).sum(),
        files,
    }
}
