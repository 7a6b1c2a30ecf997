//! Records of the metadata database: a disk may have been altered by anyone.

use std::path::PathBuf;

use potluck_content::{Hash, PieceSet};
use potluck_store::records::{
    BlobRecord, FileRecord, Home, PartialRecord, PeerRecord, PlaceRecord, ProblemRecord, Purpose,
    RecordError, RootRecord, Stage, Stamp, TorrentFileRecord, TorrentOwnerRecord, TorrentRecord,
    TreePlace,
};
use potluck_store::{Origin, What};

use crate::seeds::seed;

/// Reads the input, after a first byte that picks the kind, and writes what it read.
type Again = fn(&[u8]) -> Result<Vec<u8>, RecordError>;

const KINDS: [Again; 10] = [
    |bytes| Ok(BlobRecord::decode(bytes)?.encode()),
    |bytes| Ok(FileRecord::decode(bytes)?.encode()),
    |bytes| Ok(PartialRecord::decode(bytes)?.encode()),
    |bytes| Ok(PeerRecord::decode(bytes)?.encode()),
    |bytes| Ok(PlaceRecord::decode(bytes)?.encode()),
    |bytes| Ok(ProblemRecord::decode(bytes)?.encode()),
    |bytes| Ok(RootRecord::decode(bytes)?.encode()),
    |bytes| Ok(TorrentRecord::decode(bytes)?.encode()),
    |bytes| Ok(TorrentFileRecord::decode(bytes)?.encode()),
    |bytes| Ok(TorrentOwnerRecord::decode(bytes)?.encode()),
];

/// A record that is taken is written back byte for byte.
pub fn stored_records(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let again = KINDS[usize::from(*kind) % KINDS.len()];
    if let Ok(written) = again(bytes) {
        assert_eq!(written, bytes);
    }
}

/// Records of each kind and variant.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let kinds = [
        blobs(),
        files(),
        partials(),
        peers(),
        places(),
        problems(),
        roots(),
    ];
    let mut seeds = Vec::new();
    for (kind, records) in (0_u8..).zip(kinds) {
        for (name, record) in records {
            seeds.push(seed(name, [vec![kind], record].concat()));
        }
    }
    seeds.push(seed("torrent-owner", [vec![9], torrent_owner()].concat()));
    seeds
}

fn torrent_owner() -> Vec<u8> {
    let record = TorrentOwnerRecord {
        ratio_goal_milli: Some(2000),
        time_goal_seconds: Some(0),
        down_rate: None,
        up_rate: Some(1 << 20),
        seeded_seconds: 90_000,
        uploaded_before: 1 << 33,
    };
    record.encode()
}

type Records = Vec<(&'static str, Vec<u8>)>;

fn some_pieces() -> PieceSet {
    let mut set = PieceSet::new(100);
    set.insert_range(10..40);
    set
}

fn blobs() -> Records {
    let blob = |tree, home| {
        BlobRecord {
            size: 70_000,
            tree,
            home,
        }
        .encode()
    };
    vec![
        ("blob-elsewhere", blob(TreePlace::File, Home::Elsewhere)),
        (
            "blob-inline",
            blob(TreePlace::Inline(vec![7; 128]), Home::Database),
        ),
        ("blob-owned", blob(TreePlace::None, Home::File)),
    ]
}

fn files() -> Records {
    let stamp = Stamp {
        size: 5,
        mtime: 1_700_000_000,
        mtime_nanos: 1,
        ctime: 1_700_000_001,
        ctime_nanos: 999_999_999,
        inode: 77,
    };
    vec![(
        "file",
        FileRecord {
            hash: Hash::of(b"hello"),
            stamp,
            settled: true,
        }
        .encode(),
    )]
}

fn partials() -> Records {
    let fetch = Purpose::Fetch {
        selection: Some(some_pieces()),
    };
    vec![
        ("partial", partial(fetch, Stage::Running)),
        (
            "repair",
            partial(Purpose::Repair, Stage::Finishing { serve: true }),
        ),
    ]
}

fn peers() -> Records {
    let addrs = [
        "/ip4/192.0.2.7/tcp/4771",
        "/ip6/2001:db8::1/udp/4771/quic-v1",
    ];
    let addrs = addrs.map(str::to_owned).to_vec();
    vec![(
        "peer",
        PeerRecord {
            addrs,
            last_seen_unix: 1_700_000_000,
        }
        .encode(),
    )]
}

fn places() -> Records {
    vec![
        ("place-owned", PlaceRecord::Owned.encode()),
        (
            "place-path",
            PlaceRecord::Path(b"/srv/film.mkv".to_vec()).encode(),
        ),
    ]
}

fn problems() -> Records {
    let (hash, path) = (Hash::of(b"hello"), b"a/b".to_vec());
    vec![(
        "problem",
        ProblemRecord {
            hash,
            what: What::Changed,
            path,
        }
        .encode(),
    )]
}

fn roots() -> Records {
    let shared = Origin::Shared {
        paths: vec!["/srv/a".into(), "/srv/b".into()],
    };
    vec![
        ("root-shared", root(shared, None)),
        ("root-copied", root(Origin::Copied, None)),
        (
            "root-fetched",
            root(
                Origin::Fetched {
                    path: "/srv/c".into(),
                },
                Some(some_pieces()),
            ),
        ),
    ]
}

fn root(origin: Origin, selected: Option<PieceSet>) -> Vec<u8> {
    let record = RootRecord {
        number: 3,
        name: "día 🎉".to_owned(),
        bytes: 1 << 40,
        files: 12,
        root_size: 900,
        pinned: true,
        origin,
        created_unix: 1_700_000_000,
        selected,
    };
    record.encode()
}

fn partial(purpose: Purpose, stage: Stage) -> Vec<u8> {
    let record = PartialRecord {
        id: 9,
        number: 3,
        name: "film.mkv".to_owned(),
        root_size: 1 << 30,
        dest: PathBuf::from("/srv/film.mkv"),
        part: PathBuf::from("/srv/.film.mkv.0123abcd.potluck-part"),
        inode: 0,
        created_unix: 1_700_000_000,
        purpose,
        stage,
    };
    record.encode()
}
