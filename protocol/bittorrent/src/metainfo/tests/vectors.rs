//! Infohashes of torrents of the same files, made by libtorrent 2.1.1 (`create_torrent`; hybrids and
//! aligned ones with `canonical_files_no_tail_padding`).

use super::*;

const V1: Version = Version::V1 { aligned: false };
const ALIGNED: Version = Version::V1 { aligned: true };

fn check(version: Version, v1: &str, v2: &str, builder: Builder) {
    let torrent = finish(builder);
    let hashes = torrent.info().hashes();
    let v1_hash = hashes.v1.map(|hash| hash.to_string()).unwrap_or_default();
    let v2_hash = hashes.v2.map(|hash| hash.to_string()).unwrap_or_default();
    assert_eq!(
        (v1_hash.as_str(), v2_hash.as_str()),
        (v1, v2),
        "{version:?}"
    );
    assert_eq!(torrent.missing_layers().count(), 0);
    assert_eq!(Metainfo::parse(&torrent.encode()).unwrap(), torrent);
}

#[test]
fn folders() {
    let files = || {
        [
            ("c.bin", 65_536),
            ("b/small.txt", 10),
            ("a.bin", 300_000),
            ("b/empty", 0),
        ]
        .map(|(path, size)| new_file(path, &sample(size), 32 * KIB))
        .to_vec()
    };
    for (version, v1, v2) in [
        (V1, "432524309d92ce6ee5d42720b3327641a8a53e38", ""),
        (ALIGNED, "5fd45833732e074cb3f7acf001dac3d8fab8bbc1", ""),
        (
            Version::V2,
            "",
            "c149703462d01e267f955c2511638712c7b77c1f9348ad9f42f7d1ba5e658249",
        ),
        (
            Version::Hybrid,
            "590420408e6f3bfc96a2dad4ae5a56b0bd93cabc",
            "26f65e2e2f58f086ab416956a16b4cdd800c533509f8d09b3e50e75b3c01d49b",
        ),
    ] {
        let builder = Builder::folder("set", files(), 32 * KIB, version).unwrap();
        check(version, v1, v2, builder);
    }
}

#[test]
fn single_files() {
    for (name, size, version, v1, v2) in [
        (
            "one.bin",
            100_000,
            V1,
            "699f8c368ca7a1d1f45b4b0c50ec1c47ebba84fd",
            "",
        ),
        (
            "one.bin",
            100_000,
            ALIGNED,
            "699f8c368ca7a1d1f45b4b0c50ec1c47ebba84fd",
            "",
        ),
        (
            "one.bin",
            100_000,
            Version::V2,
            "",
            "c13d04cc3fbe433ee3e83c4a9f6c924d4c24ea8ea4fbe2e10ca642852c570904",
        ),
        (
            "one.bin",
            100_000,
            Version::Hybrid,
            "f35d5814f719fc420279a55459379807163beee1",
            "ce008511ad8e1f502edb7419a6a71854cf23cc3019eaeeaf0cf98fc5ef54e9e2",
        ),
        (
            "tiny",
            5,
            V1,
            "7daa7ee082d1ace533a9869fc3a32d5a2858e87c",
            "",
        ),
        (
            "tiny",
            5,
            Version::Hybrid,
            "fe3f441a2188e45646533048f330ea1e59784204",
            "ce7a57b65fff392fe72010e2ad095a3f7a1306d490e2464c04b25999adff5112",
        ),
    ] {
        let file = new_file(name, &sample(size), 16 * KIB);
        let builder = Builder::single(file, 16 * KIB, version).unwrap();
        check(version, v1, v2, builder);
    }
}
