//! The metadata database, which heals itself.
//!
//! After a failed write redb refuses everything until it is opened again. A full disk must not end
//! the node, so [`Db`] opens it again by itself: the failed transaction is undone, what was committed
//! before stays, and readers go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::errors::{Fault, is_no_space};
use crate::records::RecordError;
use crate::tables;
use crate::trees::{sync_dir, sync_file};

/// Why a transaction failed.
pub(crate) enum DbError {
    Redb(Box<redb::Error>),
    Fault(Fault),
}

impl From<Fault> for DbError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for DbError {
            fn from(error: $error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        }
    )*};
}

from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError
);

impl DbError {
    /// A record of a table that makes no sense.
    pub(crate) fn record(table: &'static str, error: RecordError) -> Self {
        Self::Fault(Fault::corrupt(format!("a record of {table}: {error}")))
    }
}

/// The database and how to open it again.
pub(crate) struct Db {
    path: PathBuf,
    cache_bytes: usize,
    slot: RwLock<Slot>,
}

struct Slot {
    database: Option<Database>,
    /// Counts openings, so that of several threads that met one failure only one opens again.
    opened: u64,
}

impl Db {
    /// Opens or creates the database and its tables.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Self, Fault> {
        if !path.exists() {
            create(path, cache_bytes)?;
        }
        let db = Self::at(path, cache_bytes);
        db.reopen(0)?;
        // A later version may have tables that this file does not.
        db.write(tables::create_all)?;
        Ok(db)
    }

    /// Not open yet.
    fn at(path: &Path, cache_bytes: usize) -> Self {
        let slot = RwLock::new(Slot {
            database: None,
            opened: 0,
        });
        Self {
            path: path.to_path_buf(),
            cache_bytes,
            slot,
        }
    }

    /// Runs `run` on a snapshot; it runs again when the database had to be opened again.
    pub(crate) fn read<T>(
        &self,
        mut run: impl FnMut(&ReadTransaction) -> Result<T, DbError>,
    ) -> Result<T, Fault> {
        self.with(|database| run(&database.begin_read()?))
    }

    /// Runs `run` in a transaction and commits it. It may run twice, so it must only put and take.
    pub(crate) fn write<T>(
        &self,
        mut run: impl FnMut(&WriteTransaction) -> Result<T, DbError>,
    ) -> Result<T, Fault> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            match run(&transaction) {
                Ok(value) => {
                    transaction.commit()?;
                    Ok(value)
                }
                Err(error) => {
                    // A transaction that failed is dropped whole; the first error tells why.
                    let _ = transaction.abort();
                    Err(error)
                }
            }
        })
    }

    fn with<T>(&self, mut run: impl FnMut(&Database) -> Result<T, DbError>) -> Result<T, Fault> {
        let mut tried = false;
        loop {
            let guard = self.guard();
            let opened = guard.opened;
            let error = match &guard.database {
                Some(database) => match guarded(|| run(database)) {
                    Some(Ok(value)) => return Ok(value),
                    Some(Err(DbError::Fault(fault))) => return Err(fault),
                    Some(Err(DbError::Redb(error))) => Some(*error),
                    None => {
                        drop(guard);
                        self.reopen(opened)?;
                        return Err(self.damaged());
                    }
                },
                None => None,
            };
            drop(guard);
            let retry = match &error {
                None | Some(redb::Error::PreviousIo | redb::Error::DatabaseClosed) => true,
                Some(redb::Error::Io(_)) => false,
                Some(_) => return Err(self.fault(error)),
            };
            let reopened = self.reopen(opened);
            if !retry {
                // The transaction's own error says more than one of opening again: if that failed
                // too, the next call tries once more.
                return Err(self.fault(error));
            }
            reopened?;
            if tried {
                return Err(self.fault(error));
            }
            tried = true;
        }
    }

    fn guard(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens again, unless another thread has done so since `opened`.
    fn reopen(&self, opened: u64) -> Result<(), Fault> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.opened != opened {
            return Ok(());
        }
        let failed = slot.database.take();
        if failed.is_some() {
            tracing::warn!(path = %self.path.display(), "opening the metadata again after a failure");
        }
        let database = guarded(|| {
            drop(failed);
            Database::builder()
                .set_cache_size(self.cache_bytes)
                .open(&self.path)
        });
        match database {
            Some(Ok(database)) => {
                slot.database = Some(database);
                slot.opened += 1;
                Ok(())
            }
            Some(Err(error)) => Err(self.fault(Some(error.into()))),
            None => Err(self.damaged()),
        }
    }

    fn damaged(&self) -> Fault {
        Fault::corrupt(format!("{} is damaged", self.path.display()))
    }

    fn fault(&self, error: Option<redb::Error>) -> Fault {
        match error {
            Some(redb::Error::Io(error)) if is_no_space(&error) => Fault::NoSpace {
                dir: self.path.parent().unwrap_or(&self.path).to_path_buf(),
            },
            // That is how redb says that a file is not one of its own.
            Some(redb::Error::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                Fault::corrupt(format!("{}: {error}", self.path.display()))
            }
            Some(redb::Error::Corrupted(what)) => {
                Fault::corrupt(format!("{}: {what}", self.path.display()))
            }
            Some(redb::Error::Io(source)) => Fault::Io {
                action: "use",
                path: self.path.clone(),
                source,
            },
            Some(error) => Fault::Database {
                path: self.path.clone(),
                message: error.to_string(),
            },
            None => Fault::Database {
                path: self.path.clone(),
                message: "not open".to_owned(),
            },
        }
    }
}

/// Runs something of redb, which panics on some files that are damaged: those must not end the node.
/// Whatever state a panic leaves is dropped, and the file opened again.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// Creates a database. It gets its name once it is whole: one whose creation was cut short by a crash
/// could not be opened, nor told from a damaged one.
fn create(path: &Path, cache_bytes: usize) -> Result<(), Fault> {
    let new = path.with_extension("new");
    let io = |error| Fault::io("create", path, error);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let fault = |error: redb::Error| Db::at(path, cache_bytes).fault(Some(error));
    let mut builder = Database::builder();
    let database = builder.set_cache_size(cache_bytes).create(&new);
    database
        .and_then(Database::close)
        .map_err(|error| fault(error.into()))?;
    sync_file(&new)?;
    std::fs::rename(&new, path).map_err(io)?;
    sync_dir(path.parent().unwrap_or(path))
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
