//! The tables of the metadata database and their keys.
//!
//! [`PlaceRecord`]: crate::records::PlaceRecord
//! [`ProblemRecord`]: crate::records::ProblemRecord
//! [`PeerRecord`]: crate::records::PeerRecord
//! [`TorrentFileRecord`]: crate::records::TorrentFileRecord
//! [`TorrentOwnerRecord`]: crate::records::TorrentOwnerRecord
//!
//! | table | key | value |
//! |---|---|---|
//! | `counters` | name | number |
//! | `roots` | address | [`RootRecord`] |
//! | `numbers` | root number | address |
//! | `blobs` | hash | [`BlobRecord`] |
//! | `small` | hash | bytes of small blobs that the node owns |
//! | `places` | hash ‖ root number ‖ entry | [`PlaceRecord`] |
//! | `files` | path | [`FileRecord`] |
//! | `problems` | root number ‖ entry | [`ProblemRecord`] |
//! | `bad` | root number | set of pieces that no file of the root holds |
//! | `used` | root number | when it was last read, as a count of uses |
//! | `partials` | address | [`PartialRecord`] |
//! | `bitmaps` | address | set of pieces that are synced to disk |
//! | `peers` | peer id | [`PeerRecord`] |
//! | `torrents` | torrent | [`TorrentRecord`] |
//! | `metainfos` | torrent | its torrent file |
//! | `torrent_bitmaps` | torrent | set of pieces that are synced to disk |
//! | `torrent_files` | torrent ‖ file | [`TorrentFileRecord`] of each file of one that is complete |
//! | `torrent_totals` | torrent | bytes uploaded, bytes fetched, bytes of wanted files that are here |
//! | `torrent_owners` | torrent | [`TorrentOwnerRecord`] of one for which the owner has wishes, or that was seeded |
//! | `watched` | torrent | when one of the watched folder was fetched, in Unix seconds; stays when the torrent goes |

use potluck_content::{Address, Hash, Kind};
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::db::DbError;
use crate::records::{
    BlobRecord, FileRecord, PartialRecord, RecordError, RootRecord, TorrentOwnerRecord,
    TorrentRecord,
};

pub(crate) type AddressKey = [u8; 33];
pub(crate) type PlaceKey = [u8; 44];
pub(crate) type ProblemKey = [u8; 12];
pub(crate) type TorrentId = [u8; 20];
pub(crate) type TorrentFileKey = [u8; 24];
/// Bytes uploaded, bytes fetched, bytes of wanted files that are here.
pub(crate) type Totals = (u64, u64, u64);
type Table<K> = TableDefinition<'static, K, &'static [u8]>;

pub(crate) const COUNTERS: TableDefinition<'static, &str, u64> = TableDefinition::new("counters");
pub(crate) const ROOTS: Table<&AddressKey> = TableDefinition::new("roots");
pub(crate) const NUMBERS: Table<u64> = TableDefinition::new("numbers");
pub(crate) const BLOBS: Table<&[u8; 32]> = TableDefinition::new("blobs");
pub(crate) const SMALL: Table<&[u8; 32]> = TableDefinition::new("small");
pub(crate) const PLACES: Table<&PlaceKey> = TableDefinition::new("places");
pub(crate) const FILES: Table<&[u8]> = TableDefinition::new("files");
pub(crate) const PROBLEMS: Table<&ProblemKey> = TableDefinition::new("problems");
pub(crate) const BAD: Table<u64> = TableDefinition::new("bad");
pub(crate) const USED: TableDefinition<'static, u64, u64> = TableDefinition::new("used");
pub(crate) const PARTIALS: Table<&AddressKey> = TableDefinition::new("partials");
pub(crate) const BITMAPS: Table<&AddressKey> = TableDefinition::new("bitmaps");
pub(crate) const PEERS: Table<&[u8]> = TableDefinition::new("peers");
pub(crate) const TORRENTS: Table<&TorrentId> = TableDefinition::new("torrents");
pub(crate) const METAINFOS: Table<&TorrentId> = TableDefinition::new("metainfos");
pub(crate) const TORRENT_BITMAPS: Table<&TorrentId> = TableDefinition::new("torrent_bitmaps");
pub(crate) const TORRENT_FILES: Table<&TorrentFileKey> = TableDefinition::new("torrent_files");
pub(crate) const TORRENT_TOTALS: TableDefinition<'static, &TorrentId, Totals> =
    TableDefinition::new("torrent_totals");
pub(crate) const TORRENT_OWNERS: Table<&TorrentId> = TableDefinition::new("torrent_owners");
pub(crate) const WATCHED: TableDefinition<'static, &TorrentId, u64> =
    TableDefinition::new("watched");

/// The entry number of the copy that the node owns of a blob.
pub(crate) const OWNED_ENTRY: u32 = u32::MAX;

/// Makes sure that every table exists, so that readers may take them for granted.
pub(crate) fn create_all(transaction: &WriteTransaction) -> Result<(), DbError> {
    transaction.open_table(COUNTERS)?;
    transaction.open_table(ROOTS)?;
    transaction.open_table(NUMBERS)?;
    transaction.open_table(BLOBS)?;
    transaction.open_table(SMALL)?;
    transaction.open_table(PLACES)?;
    transaction.open_table(FILES)?;
    transaction.open_table(PROBLEMS)?;
    transaction.open_table(BAD)?;
    transaction.open_table(USED)?;
    transaction.open_table(PARTIALS)?;
    transaction.open_table(BITMAPS)?;
    transaction.open_table(PEERS)?;
    transaction.open_table(TORRENTS)?;
    transaction.open_table(METAINFOS)?;
    transaction.open_table(TORRENT_BITMAPS)?;
    transaction.open_table(TORRENT_FILES)?;
    transaction.open_table(TORRENT_TOTALS)?;
    transaction.open_table(TORRENT_OWNERS)?;
    transaction.open_table(WATCHED)?;
    Ok(())
}

/// Takes the next value of a counter.
pub(crate) fn next_number(
    transaction: &WriteTransaction,
    counter: &'static str,
) -> Result<u64, DbError> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let next = counters.get(counter)?.map_or(1, |value| value.value());
    counters.insert(counter, next.saturating_add(1))?;
    Ok(next)
}

pub(crate) fn address_key(address: &Address) -> AddressKey {
    let mut key = [0; 33];
    key[0] = match address.kind {
        Kind::Blob => 0,
        Kind::Folder => 1,
    };
    key[1..].copy_from_slice(address.hash.as_bytes());
    key
}

pub(crate) fn address_of(key: &[u8]) -> Result<Address, DbError> {
    let key: &AddressKey = key.try_into().map_err(|_| bad_key("addresses"))?;
    let mut hash = [0; 32];
    hash.copy_from_slice(&key[1..]);
    let hash = Hash::from_bytes(hash);
    match key[0] {
        0 => Ok(Address::blob(hash)),
        1 => Ok(Address::folder(hash)),
        _ => Err(bad_key("addresses")),
    }
}

fn bad_key(table: &'static str) -> DbError {
    DbError::record(table, RecordError::Bounds("a key"))
}

pub(crate) fn place_key(hash: &Hash, number: u64, entry: u32) -> PlaceKey {
    let mut key = [0; 44];
    key[..32].copy_from_slice(hash.as_bytes());
    key[32..40].copy_from_slice(&number.to_be_bytes());
    key[40..].copy_from_slice(&entry.to_be_bytes());
    key
}

/// The root number and the entry in a key of `places`.
pub(crate) fn place_owner(key: &PlaceKey) -> (u64, u32) {
    let mut number = [0; 8];
    let mut entry = [0; 4];
    number.copy_from_slice(&key[32..40]);
    entry.copy_from_slice(&key[40..]);
    (u64::from_be_bytes(number), u32::from_be_bytes(entry))
}

pub(crate) fn problem_key(number: u64, entry: u32) -> ProblemKey {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&entry.to_be_bytes());
    key
}

/// The entry in a key of `problems`.
pub(crate) fn problem_entry(key: &ProblemKey) -> u32 {
    let mut entry = [0; 4];
    entry.copy_from_slice(&key[8..]);
    u32::from_be_bytes(entry)
}

pub(crate) fn torrent_file_key(torrent: &TorrentId, file: u32) -> TorrentFileKey {
    let mut key = [0; 24];
    key[..20].copy_from_slice(torrent);
    key[20..].copy_from_slice(&file.to_be_bytes());
    key
}

macro_rules! getters {
    ($($name:ident: $key:ty => $record:ty, $table:literal;)*) => {$(
        #[doc = concat!("The record of `", $table, "` under a key.")]
        pub(crate) fn $name(
            table: &impl ReadableTable<&'static $key, &'static [u8]>,
            key: &$key,
        ) -> Result<Option<$record>, DbError> {
            let Some(value) = table.get(key)? else { return Ok(None) };
            let record = <$record>::decode(value.value());
            record.map(Some).map_err(|error| DbError::record($table, error))
        }
    )*};
}

getters! {
    root: AddressKey => RootRecord, "roots";
    blob: [u8; 32] => BlobRecord, "blobs";
    file: [u8] => FileRecord, "files";
    partial: AddressKey => PartialRecord, "partials";
    torrent: TorrentId => TorrentRecord, "torrents";
    torrent_owner: TorrentId => TorrentOwnerRecord, "torrent_owners";
}
