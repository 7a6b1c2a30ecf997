use std::path::PathBuf;

use potluck_bittorrent::{InfoHashV1, InfoHashV2, InfoHashes};
use potluck_content::{Hash, PieceSet};
use proptest::prelude::*;

use super::*;
use crate::types::{Origin, What};

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn path() -> impl Strategy<Value = PathBuf> {
    "[a-zé/ ]{0,40}".prop_map(PathBuf::from)
}

fn pieces() -> impl Strategy<Value = Option<PieceSet>> {
    proptest::option::of(
        proptest::collection::btree_set(0_u32..100, 0..20).prop_map(|members| {
            let mut set = PieceSet::new(100);
            for member in members {
                set.insert(member);
            }
            set
        }),
    )
}

fn stamp() -> impl Strategy<Value = Stamp> {
    any::<(u64, i64, i64, i64, i64, u64)>().prop_map(
        |(size, mtime, mtime_nanos, ctime, n, inode)| Stamp {
            size,
            mtime,
            mtime_nanos,
            ctime,
            ctime_nanos: n,
            inode,
        },
    )
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        proptest::collection::vec(path(), 0..4).prop_map(|paths| Origin::Shared { paths }),
        Just(Origin::Copied),
        path().prop_map(|path| Origin::Fetched { path }),
    ]
}

/// Every cut and every extension of a record is refused.
fn strict<T>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, RecordError>) {
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(decode(&longer).is_err(), "a byte more");
    let mut newer = bytes.to_vec();
    newer[0] = 9;
    assert!(matches!(decode(&newer), Err(RecordError::Version(9))));
}

proptest! {
    #[test]
    fn file_records_come_back(hash in hash(), stamp in stamp(), settled: bool) {
        let record = FileRecord { hash, stamp, settled };
        let bytes = record.encode();
        prop_assert_eq!(FileRecord::decode(&bytes), Ok(record));
        strict(&bytes, FileRecord::decode);
    }

    #[test]
    fn blob_records_come_back(size: u64, tree: Vec<u8>, tag in 0_u8..3, home in 0_u8..3) {
        let tree = match tag { 0 => TreePlace::None, 1 => TreePlace::Inline(tree), _ => TreePlace::File };
        let home = match home { 0 => Home::Elsewhere, 1 => Home::Database, _ => Home::File };
        let record = BlobRecord { size, tree, home };
        let bytes = record.encode();
        prop_assert_eq!(BlobRecord::decode(&bytes), Ok(record));
        strict(&bytes, BlobRecord::decode);
    }

    #[test]
    fn root_records_come_back(
        number: u64, name in ".{0,20}", sizes: (u64, u64, u64, u64), pinned: bool,
        origin in origin(), selected in pieces(),
    ) {
        let (bytes, files, root_size, created_unix) = sizes;
        let record =
            RootRecord { number, name, bytes, files, root_size, pinned, origin, created_unix, selected };
        let bytes = record.encode();
        prop_assert_eq!(RootRecord::decode(&bytes), Ok(record));
        strict(&bytes, RootRecord::decode);
    }

    #[test]
    fn partial_records_come_back(
        ids: (u64, u64, u64, u64, u64), name in ".{0,20}", dest in path(), part in path(),
        selection in pieces(), repair: bool, finishing: Option<bool>,
    ) {
        let purpose = if repair { Purpose::Repair } else { Purpose::Fetch { selection } };
        let stage = finishing.map_or(Stage::Running, |serve| Stage::Finishing { serve });
        let (id, number, root_size, inode, created_unix) = ids;
        let record =
            PartialRecord { id, number, name, root_size, dest, part, inode, created_unix, purpose, stage };
        let bytes = record.encode();
        prop_assert_eq!(PartialRecord::decode(&bytes), Ok(record));
        strict(&bytes, PartialRecord::decode);
    }

    #[test]
    fn torrent_records_come_back(
        numbers: (u64, u64, u64, u64), name in ".{0,20}", dest in path(), part in path(),
        wanted in pieces(), hashes: (Option<[u8; 20]>, Option<[u8; 32]>), completed_unix: Option<u64>,
        stage in 0_u8..3, seed: bool, stamp in stamp(),
    ) {
        let stage = match stage {
            0 => TorrentStage::Running,
            1 => TorrentStage::Finishing { seed },
            _ => TorrentStage::Complete { seed },
        };
        let hashes = InfoHashes {
            v1: hashes.0.map(InfoHashV1::from_bytes),
            v2: hashes.1.map(InfoHashV2::from_bytes),
        };
        let (id, inode, created_unix, wanted_bytes) = numbers;
        let record = TorrentRecord {
            id, name, hashes, dest, part, inode, created_unix, completed_unix, wanted, wanted_bytes, stage,
        };
        let bytes = record.encode();
        prop_assert_eq!(TorrentRecord::decode(&bytes), Ok(record));
        strict(&bytes, TorrentRecord::decode);
        let look = TorrentFileRecord::of(&stamp);
        prop_assert_eq!(TorrentFileRecord::decode(&look.encode()), Ok(look));
        strict(&look.encode(), TorrentFileRecord::decode);
    }

    #[test]
    fn owners_wishes_come_back(
        wishes: (Option<u64>, Option<u64>, Option<u64>, Option<u64>), seeded_seconds: u64, uploaded_before: u64,
    ) {
        let (ratio_goal_milli, time_goal_seconds, down_rate, up_rate) = wishes;
        let record = TorrentOwnerRecord {
            ratio_goal_milli, time_goal_seconds, down_rate, up_rate, seeded_seconds, uploaded_before,
        };
        let bytes = record.encode();
        prop_assert_eq!(TorrentOwnerRecord::decode(&bytes), Ok(record));
        strict(&bytes, TorrentOwnerRecord::decode);
    }

    #[test]
    fn small_records_come_back(hash in hash(), path: Vec<u8>, addrs in proptest::collection::vec(".{0,9}", 0..9), seen: u64) {
        let problem = ProblemRecord { hash, what: What::Corrupt, path: path.clone() };
        prop_assert_eq!(ProblemRecord::decode(&problem.encode()), Ok(problem.clone()));
        strict(&problem.encode(), ProblemRecord::decode);
        let place = PlaceRecord::Path(path);
        prop_assert_eq!(PlaceRecord::decode(&place.encode()), Ok(place.clone()));
        strict(&place.encode(), PlaceRecord::decode);
        strict(&PlaceRecord::Owned.encode(), PlaceRecord::decode);
        let peer = PeerRecord { addrs, last_seen_unix: seen };
        prop_assert_eq!(PeerRecord::decode(&peer.encode()), Ok(peer.clone()));
        strict(&peer.encode(), PeerRecord::decode);
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let mut versioned = vec![1];
        versioned.extend_from_slice(&bytes);
        for bytes in [bytes, versioned] {
            let _ = FileRecord::decode(&bytes);
            let _ = BlobRecord::decode(&bytes);
            let _ = RootRecord::decode(&bytes);
            let _ = PartialRecord::decode(&bytes);
            let _ = PeerRecord::decode(&bytes);
            let _ = ProblemRecord::decode(&bytes);
            let _ = PlaceRecord::decode(&bytes);
            let _ = TorrentRecord::decode(&bytes);
            let _ = TorrentFileRecord::decode(&bytes);
            let _ = TorrentOwnerRecord::decode(&bytes);
        }
    }
}
