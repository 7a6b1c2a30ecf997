//! Addresses in other networks, against what `ipfs-unixfs-importer` 17 (rawLeaves, 1 MiB chunks,
//! balanced, 1024 links) and libtorrent 2 (`create_torrent`, pieces of 256 KiB) say of the same files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use potluck_content::foreign::{Assembler, Cut, ForeignAddresses, layer_root};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const MIB: usize = 1024 * 1024;

fn sample(size: usize) -> Vec<u8> {
    let byte = |at: usize| (at * 31 + (at >> 8) * 17 + (at >> 16) * 7) & 0xff;
    (0..size)
        .map(|at| u8::try_from(byte(at)).unwrap())
        .collect()
}

/// Digests a file whose bytes come in parts of `step`.
fn addresses(data: &[u8], cut: Cut, step: usize) -> ForeignAddresses {
    let mut assembler = Assembler::new(cut);
    let run_bytes = usize::try_from(cut.run_bytes()).unwrap();
    for run in 0..usize::try_from(cut.runs()).unwrap() {
        let mut digester = cut.digester();
        let end = (run * run_bytes + run_bytes).min(data.len());
        for part in data[run * run_bytes..end].chunks(step) {
            digester.push(part);
        }
        assembler.push(&digester.finish()).unwrap();
    }
    assembler.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(hashes: &[impl AsRef<[u8]>]) -> String {
    let mut hasher = Sha256::new();
    for hash in hashes {
        hasher.update(hash);
    }
    hex(hasher.finalize().as_ref())
}

#[test]
fn ipfs_addresses_are_those_that_others_compute() {
    for (size, cid) in [
        (
            0,
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        ),
        (
            1,
            "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
        ),
        (
            16_384,
            "bafkreihvxgph4vtmzg62k7kj3q2uiyxmxwhop7l2kstgmqruqq5ct2rjxy",
        ),
        (
            MIB,
            "bafkreifd6cdnwm6y2izhtuhyqdbgptjshwyvso4wbir3g6j7e3hpx5iffa",
        ),
        (
            MIB + 1,
            "bafybeignt2ocbtaf4vzdhsjbgfr34rczj2jwn5rqguyimrgixajgffjrfa",
        ),
        (
            3 * MIB + 5,
            "bafybeicwr6mt3ft7zimmfds3i2t4k7w6ec2pbwisljrxcko4qppktdcp2y",
        ),
        (
            2_621_440,
            "bafybeibicnuqsj3ivb6u6kjxxppmq7kuhupaerddwu2h5oje7qc4zysje4",
        ),
    ] {
        let found = addresses(&sample(size), Cut::new(size as u64), 256 * 1024);
        assert_eq!(found.ipfs.to_string(), cid, "{size}");
    }
}

/// Zeros, so that one run stands for all: a node that is exactly full, and one link more.
#[test]
fn a_full_node_gets_another_above_only_when_more_follows() {
    for (runs, cid) in [
        (
            1024,
            "bafybeibqawkaltgjfdebq4no6nmfcvkcw7k52xqzclkwfmrkn6oxw7srmy",
        ),
        (
            1025,
            "bafybeigt7wofv4vnxbg3titijasuw4ptg5kfztec4smsk7opdt7z6djoxq",
        ),
    ] {
        let cut = Cut::with_pieces(runs * MIB as u64, MIB as u64).unwrap();
        let mut digester = cut.digester();
        digester.push(&vec![0; MIB]);
        let run = digester.finish();
        let mut assembler = Assembler::new(cut);
        for _ in 0..runs {
            assembler.push(&run).unwrap();
        }
        assert_eq!(assembler.finish().unwrap().ipfs.to_string(), cid);
    }
}

#[test]
fn torrents_are_those_that_others_make() {
    let none = digest(&[] as &[[u8; 32]]);
    for (size, v1, root, layer) in [
        (
            1,
            "a3ee033823f8827decfbfc7e0c0f219e816a55bf4f47ca4dd0ad709d2e4620f8",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            none.as_str(),
        ),
        (
            16_384,
            "56e250311dd74a0067b62961a7a6743d3e4a41fe82883f073133c7bd2da9506f",
            "f5b99e7e566cc9bda57d49dc354462ecbd8ee7fd7a54a6664234843a29ea29be",
            none.as_str(),
        ),
        (
            MIB + 1,
            "9d2141c1b5e7455a9f61f430bd93f7b0d35441332fbcd2dadd8bcf00c4d121c9",
            "e9a2a3f0c1242af4d58c9a7d8c59313e49e40d4655956c1eb3d4e7c3c6418503",
            "e7eb3b4bfa153fdd55555c3f3a2c0785748562154d959404a735cc918f438a12",
        ),
        (
            3 * MIB + 5,
            "3fc9ba46cec4048a4099169088efe66f3d6f2bbb05e9a31c367c5edaa8cf11bf",
            "0a172f3b10d4460532d0751dc8387a8691f5d1d341bbf5b1a01cff881d42a97f",
            "e1b35a0f22f28244b2528f1afc74974f2a0d64c07fa9e468d0511a4e95871c8b",
        ),
        (
            2_621_440,
            "d86440fb394df8a60db6aa3e741e34acf21d5f370a7d1b2b8ce472b832291820",
            "ac843ecee97c7b280fd6993e5c070e57be0f9765a5cdbe56509538b533a1758d",
            "b6c6272be20a8386a1fdec727e14f8d13cd81ee2d47a386ec39917f4f104b70a",
        ),
    ] {
        let cut = Cut::with_pieces(size as u64, 256 * 1024).unwrap();
        let found = addresses(&sample(size), cut, 100_000);
        assert_eq!(digest(&found.v1_pieces), v1, "{size}");
        assert_eq!(hex(&found.v2_root.unwrap()), root, "{size}");
        assert_eq!(digest(&found.v2_layer), layer, "{size}");
    }
    let cut = Cut::with_pieces(3 * MIB as u64, 256 * 1024).unwrap();
    let found = addresses(&sample(3 * MIB), cut, 100_000);
    assert_eq!(
        layer_root(&found.v2_layer, cut.piece_bytes()),
        found.v2_root
    );
    assert_eq!(layer_root(&[], cut.piece_bytes()), None);
    for wrong in [0, 8192, 16_385] {
        assert_eq!(layer_root(&found.v2_layer, wrong), None);
    }
    let empty = addresses(&[], Cut::new(0), 1);
    assert_eq!((empty.v2_root, empty.v1_pieces.len()), (None, 0));
}

#[test]
fn runs_out_of_order_or_cut_short_are_refused() {
    let cut = Cut::with_pieces(2 * MIB as u64 + 1, 16 * 1024).unwrap();
    let run = |bytes: usize| {
        let mut digester = cut.digester();
        digester.push(&sample(bytes));
        digester.finish()
    };
    let mut assembler = Assembler::new(cut);
    assert!(assembler.push(&run(1)).is_err());
    assembler.push(&run(MIB)).unwrap();
    assert!(assembler.push(&run(MIB - 1)).is_err());
    assembler.push(&run(MIB)).unwrap();
    assert_eq!(assembler.clone().finish().unwrap_err().run, 2);
    assembler.push(&run(1)).unwrap();
    assert!(assembler.push(&run(1)).is_err());
    assembler.finish().unwrap();
}

#[test]
fn pieces_suit_the_file() {
    assert_eq!(Cut::new(1).piece_bytes(), 256 * 1024);
    assert_eq!(Cut::new(1 << 30).piece_bytes(), 512 * 1024);
    assert_eq!(Cut::new(1 << 50).piece_bytes(), 16 * 1024 * 1024);
    for wrong in [0, 8192, 16_385, 1 << 25] {
        assert_eq!(Cut::with_pieces(1, wrong), None);
    }
}

proptest! {
    #[test]
    fn how_the_bytes_come_makes_no_difference(
        size in 0..3_000_000_usize,
        step in 1..400_000_usize,
        piece in 14..22_u32,
    ) {
        let data = sample(size);
        let cut = Cut::with_pieces(size as u64, 1 << piece).unwrap();
        let whole = addresses(&data, cut, size.max(1));
        prop_assert_eq!(addresses(&data, cut, step), whole);
    }
}
