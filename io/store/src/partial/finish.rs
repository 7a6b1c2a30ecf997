//! Giving a download its final name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::checkpoint::Dirty;
use super::parts::{DATA, Targets};
use super::running::{Running, lock};
use super::settle::Settling;
use crate::errors::{Fault, FinishError};
use crate::records::{PartialRecord, Purpose, Stage};
use crate::sys::Dir;

impl Running {
    pub(super) fn finish(&self, serve: bool, now_unix: u64) -> Result<PathBuf, FinishError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let _syncing = lock(&self.syncing);
        {
            let state = lock(&self.state);
            if state.ended {
                return Err(FinishError::Ended);
            }
            let mut missing = self.wanted.clone();
            missing.subtract(&state.have);
            if !missing.is_empty() {
                return Err(FinishError::Incomplete {
                    missing: missing.count(),
                });
            }
        }
        let record = lock(&self.record).clone();
        if record.purpose == Purpose::Repair {
            self.finish_repair(&record)?;
        } else {
            self.finish_fetch(&record, serve, now_unix)?;
        }
        lock(&self.state).ended = true;
        Ok(self.dest.clone())
    }

    fn finish_fetch(
        &self,
        record: &PartialRecord,
        serve: bool,
        now_unix: u64,
    ) -> Result<(), FinishError> {
        let finishing = PartialRecord {
            stage: Stage::Finishing { serve },
            ..record.clone()
        };
        // An earlier try may have got as far as the name and met a full disk after it.
        if record.stage == Stage::Running {
            if std::fs::symlink_metadata(&self.dest).is_ok() {
                return Err(FinishError::DestExists {
                    dest: self.dest.clone(),
                });
            }
            self.shape(record)?;
            *lock(&self.dirty) = Dirty::all();
            self.checkpoint_locked(Some(&finishing))?;
            self.parts.close();
            if let Err(error) = self.rename() {
                self.inner.put_partial_record(&self.address, record)?;
                return Err(error);
            }
            lock(&self.record).stage = finishing.stage;
        }
        let settling = Settling {
            inner: &self.inner,
            address: &self.address,
            described: &self.described,
            record: &finishing,
            trees: &self.trees,
            created_unix: now_unix,
        };
        Ok(settling.settle(serve)?)
    }

    /// The one step that makes the download appear.
    pub(super) fn rename(&self) -> Result<(), FinishError> {
        let io = |error| Fault::io("create", &self.dest, error);
        let (parent, name) = split(&self.dest);
        let to = Dir::open(parent).map_err(io)?;
        let part = self.part_path.parent().unwrap_or(&self.part_path);
        let (part_parent, part_name) = split(part);
        let from = match &self.parts.targets {
            Targets::Single { part } => part.again(),
            Targets::Folder { .. } | Targets::Repair { .. } => {
                Dir::open(part_parent).and_then(|dir| dir.open_child(part_name))
            }
        };
        let from = from.map_err(io)?;
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

pub(crate) fn split(path: &Path) -> (&Path, &OsStr) {
    (
        path.parent().unwrap_or(path),
        path.file_name().unwrap_or_default(),
    )
}
