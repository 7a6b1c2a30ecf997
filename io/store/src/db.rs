//! The metadata database, which heals itself.
//!
//! After a failed write redb refuses everything until it is opened again. A full disk must not end
//! the node, so [`Db`] opens it again by itself: the failed transaction is undone, what was committed
//! before stays, and readers go on.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::errors::{Fault, is_no_space};
use crate::records::RecordError;
use crate::tables;

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
        let slot = RwLock::new(Slot {
            database: None,
            opened: 0,
        });
        let db = Self {
            path: path.to_path_buf(),
            cache_bytes,
            slot,
        };
        db.reopen(0)?;
        db.write(tables::create_all)?;
        Ok(db)
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
                Some(database) => match run(database) {
                    Ok(value) => return Ok(value),
                    Err(DbError::Fault(fault)) => return Err(fault),
                    Err(DbError::Redb(error)) => Some(*error),
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
        if slot.database.take().is_some() {
            tracing::warn!(path = %self.path.display(), "opening the metadata again after a failure");
        }
        let database = Database::builder()
            .set_cache_size(self.cache_bytes)
            .create(&self.path);
        match database {
            Ok(database) => {
                slot.database = Some(database);
                slot.opened += 1;
                Ok(())
            }
            Err(error) => Err(self.fault(Some(error.into()))),
        }
    }

    fn fault(&self, error: Option<redb::Error>) -> Fault {
        match error {
            Some(redb::Error::Io(error)) if is_no_space(&error) => Fault::NoSpace {
                dir: self.path.parent().unwrap_or(&self.path).to_path_buf(),
            },
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

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
