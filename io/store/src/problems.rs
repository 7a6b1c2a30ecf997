//! What is wrong with files: noticed on reading or by verifying, kept until it is right again.

use std::ops::Range;
use std::path::PathBuf;

use potluck_content::{Hash, PieceSet};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::MAX_PROBLEMS_LISTED;
use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Inner;
use crate::records::{PlaceRecord, ProblemRecord};
use crate::sys;
use crate::tables;
use crate::types::{Problem, What};

/// A place that did not deliver.
pub(crate) struct Noticed {
    pub(crate) hash: Hash,
    pub(crate) number: u64,
    pub(crate) entry: u32,
    pub(crate) what: What,
    pub(crate) place: PlaceRecord,
    /// The groups that were read.
    pub(crate) span: Range<u64>,
}

impl Inner {
    /// Records problems, and that their pieces are not available if no other file of the root is left
    /// that should hold them.
    pub(crate) fn notice(&self, all: &[Noticed]) -> Result<(), Fault> {
        let mut found = Vec::with_capacity(all.len());
        for noticed in all {
            let path = match &noticed.place {
                PlaceRecord::Owned => sys::path_to_bytes(&self.blob_path(&noticed.hash)),
                PlaceRecord::Path(path) => path.clone(),
            };
            let shown = sys::bytes_to_path(&path);
            tracing::warn!(path = %shown.display(), "a file of a share {}", noticed.what);
            let record = ProblemRecord {
                hash: noticed.hash,
                what: noticed.what,
                path,
            };
            found.push((noticed, record, self.pieces_of(noticed)?));
        }
        self.db.write(|transaction| {
            let numbers = transaction.open_table(tables::NUMBERS)?;
            for (noticed, record, _) in &found {
                if numbers.get(noticed.number)?.is_none() {
                    // The root was removed meanwhile.
                    continue;
                }
                let mut problems = transaction.open_table(tables::PROBLEMS)?;
                let key = tables::problem_key(noticed.number, noticed.entry);
                problems.insert(&key, record.encode().as_slice())?;
            }
            for (noticed, _, bad) in &found {
                if let Some((pieces, bad)) = bad
                    && !has_other_place(transaction, noticed)?
                {
                    add_bad(transaction, noticed.number, *pieces, bad.clone())?;
                }
            }
            Ok(())
        })
    }

    /// The pieces of the root that a problem touches, after the number of all its pieces.
    fn pieces_of(&self, noticed: &Noticed) -> Result<Option<(u32, Range<u32>)>, Fault> {
        let Some(address) = self.address_of_number(noticed.number)? else {
            return Ok(None);
        };
        let Some(described) = self.describe(&address)? else {
            return Ok(None);
        };
        let layout = described.layout;
        let Some(blob) = layout.find_blob(&noticed.hash) else {
            return Ok(None);
        };
        let range = match noticed.what {
            What::Corrupt => layout.pieces_covering(blob, noticed.span.clone()),
            What::Changed | What::Missing | What::Unreadable => layout.pieces_of_blob(blob),
        };
        Ok(Some((layout.pieces(), range)))
    }
}

/// Whether another place of the blob in the same root has no known problem.
fn has_other_place(transaction: &WriteTransaction, noticed: &Noticed) -> Result<bool, DbError> {
    let places = transaction.open_table(tables::PLACES)?;
    let problems = transaction.open_table(tables::PROBLEMS)?;
    let first = tables::place_key(&noticed.hash, noticed.number, 0);
    let last = tables::place_key(&noticed.hash, noticed.number, u32::MAX);
    for item in places.range::<&tables::PlaceKey>(&first..=&last)? {
        let (number, entry) = tables::place_owner(item?.0.value());
        if problems.get(&tables::problem_key(number, entry))?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn add_bad(
    transaction: &WriteTransaction,
    number: u64,
    pieces: u32,
    bad: Range<u32>,
) -> Result<(), DbError> {
    let mut table = transaction.open_table(tables::BAD)?;
    let mut all = match table.get(number)? {
        Some(value) => decode_bad(pieces, value.value())?,
        None => PieceSet::new(pieces),
    };
    all.insert_range(bad);
    table.insert(number, all.to_bytes().as_slice())?;
    Ok(())
}

pub(crate) fn decode_bad(pieces: u32, bytes: &[u8]) -> Result<PieceSet, DbError> {
    PieceSet::from_bytes(pieces, bytes)
        .map_err(|error| Fault::corrupt(format!("a set of bad pieces: {error}")).into())
}

/// The problems of a root, the first [`MAX_PROBLEMS_LISTED`].
pub(crate) fn list(transaction: &ReadTransaction, number: u64) -> Result<Vec<Problem>, DbError> {
    let problems = transaction.open_table(tables::PROBLEMS)?;
    let first = tables::problem_key(number, 0);
    let last = tables::problem_key(number, u32::MAX);
    let mut found = Vec::new();
    for item in problems
        .range::<&tables::ProblemKey>(&first..=&last)?
        .take(MAX_PROBLEMS_LISTED)
    {
        let (_, value) = item?;
        let record = ProblemRecord::decode(value.value())
            .map_err(|error| DbError::record("problems", error))?;
        let path: PathBuf = sys::bytes_to_path(&record.path);
        found.push(Problem {
            path,
            what: record.what,
        });
    }
    Ok(found)
}
