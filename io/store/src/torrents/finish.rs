//! Giving a torrent's files their final names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;

use potluck_bittorrent::{FileEntry, FileKind};

use super::running::Running;
use super::settle::settle;
use super::{link, shape};
use crate::errors::{Fault, FinishError};
use crate::partial::{DATA, Dirty, lock, remove_if_there, split};
use crate::records::{TorrentRecord, TorrentStage};
use crate::sys::Dir;

impl Running {
    pub(super) fn finish(&self, seed: bool, now_unix: u64) -> Result<PathBuf, FinishError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let _syncing = lock(&self.syncing);
        self.check_whole()?;
        let record = lock(&self.record).clone();
        let finishing = TorrentRecord {
            stage: TorrentStage::Finishing { seed },
            completed_unix: Some(now_unix),
            ..record.clone()
        };
        // An earlier try may have got as far as the name and met a full disk after it.
        if record.stage == TorrentStage::Running {
            if std::fs::symlink_metadata(&self.dest).is_ok() {
                return Err(FinishError::DestExists {
                    dest: self.dest.clone(),
                });
            }
            self.make_shape()?;
            *lock(&self.dirty) = Dirty::all();
            self.checkpoint_locked(Some(&finishing))?;
            self.files.close();
            if let Err(error) = self.rename() {
                self.inner.put_torrent_record(&self.key, &record)?;
                return Err(error);
            }
            lock(&self.record).stage = finishing.stage;
        }
        settle(&self.inner, &self.key, &self.metainfo(), &finishing, seed)?;
        lock(&self.state).ended = true;
        self.inner.torrents.release(&self.key, self);
        Ok(self.dest.clone())
    }

    fn check_whole(&self) -> Result<(), FinishError> {
        let state = lock(&self.state);
        if state.ended {
            return Err(FinishError::Ended);
        }
        let missing = self.wanted.difference(&state.have);
        if missing.is_empty() {
            return Ok(());
        }
        Err(FinishError::Incomplete {
            missing: missing.count(),
        })
    }

    /// Completes the part, and checks that nobody else changed it.
    pub(super) fn make_shape(&self) -> Result<(), FinishError> {
        let metainfo = self.metainfo();
        let info = metainfo.info();
        let wanted = |index: u32| {
            self.files
                .wants(usize::try_from(index).unwrap_or(usize::MAX))
        };
        let mut tampered = BTreeSet::new();
        for (index, file) in shape::stored(info).filter(|(index, _)| wanted(*index)) {
            if file.kind != FileKind::Regular {
                continue;
            }
            if file.size == 0 {
                self.files.create(index)?;
            }
            if self.files.length(index)? != Some(file.size) {
                tampered.insert(index);
            }
        }
        if let Some(first) = tampered.first() {
            let path = self.files.path_of(*first);
            let lost = self.pieces_of(|file| tampered.contains(&file));
            self.lose(&lost);
            return Err(FinishError::Tampered { path });
        }
        if info.is_single() {
            if info.files().first().is_some_and(|file| file.executable) {
                self.let_run()?;
            }
            return Ok(());
        }
        // Links come last: nothing is ever written where one could lead elsewhere.
        for (_, file) in shape::stored(info).filter(|(index, _)| wanted(*index)) {
            if let FileKind::Symlink {
                target: Some(target),
            } = &file.kind
            {
                let target = link::target(info, target.as_str());
                let text = link::text(shape::below_top(info, file.path.as_str()), target);
                self.link(file, &text)?;
            }
        }
        Ok(())
    }

    fn link(&self, file: &FileEntry, text: &str) -> Result<(), FinishError> {
        let metainfo = self.metainfo();
        let path = shape::path_at(metainfo.info(), &self.part_path, file);
        let io = |error| Fault::io("create", &path, error);
        let (dirs, name) = shape::below(metainfo.info(), file);
        let Some(dir) = self.files.dir(dirs, true)? else {
            return Ok(());
        };
        let name = OsStr::new(name);
        remove_if_there(dir.remove_file(name)).map_err(io)?;
        match dir.symlink(text, name) {
            // Some systems have none; the torrent is whole without them.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            other => Ok(other.map_err(io)?),
        }
    }

    /// Lets whoever may read the one file of the torrent run it. Other files are made so.
    fn let_run(&self) -> Result<(), FinishError> {
        #[cfg(unix)]
        if let Some(file) = self.files.open(0)? {
            use std::os::unix::fs::PermissionsExt;
            let io = |error| Fault::io("change the mode of", &self.part_path, error);
            let mut permissions = file.metadata().map_err(io)?.permissions();
            let mode = permissions.mode();
            permissions.set_mode(mode | ((mode & 0o444) >> 2));
            file.set_permissions(permissions).map_err(io)?;
        }
        Ok(())
    }

    /// The one step that makes the torrent appear.
    pub(super) fn rename(&self) -> Result<(), FinishError> {
        let io = |error| Fault::io("create", &self.dest, error);
        let (parent, name) = split(&self.dest);
        let to = Dir::open(parent).map_err(io)?;
        let from = self.files.part();
        let data = OsStr::new(DATA);
        let inode = lock(&self.record).inode;
        let found = from.facts(data).map_err(io)?;
        if found.is_none_or(|facts| facts.stamp.inode != inode) {
            return Err(FinishError::Tampered {
                path: self.part_path.clone(),
            });
        }
        match from.rename_new(data, &to, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(FinishError::DestExists {
                    dest: self.dest.clone(),
                })
            }
            other => {
                other.map_err(io)?;
                to.sync().map_err(io)?;
                Ok(())
            }
        }
    }
}
