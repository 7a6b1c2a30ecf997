use super::*;
use potluck_bittorrent::{Builder, Metainfo, NewFile, PieceDigester, Version};
use std::cell::Cell;

/// Pieces in memory.
struct Memory {
    metainfo: Metainfo,
    piece_bytes: u64,
    bytes: Mutex<Vec<u8>>,
    complete: Mutex<BTreeSet<u32>>,
}

impl Place for Memory {
    type Error = std::convert::Infallible;

    fn write(&self, piece: u32, begin: u64, data: &[u8]) -> Result<(), Self::Error> {
        let at = usize::try_from(u64::from(piece) * self.piece_bytes + begin).unwrap();
        lock(&self.bytes)[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        let at = usize::try_from(u64::from(piece) * self.piece_bytes + begin).unwrap();
        out.copy_from_slice(&lock(&self.bytes)[at..at + out.len()]);
        Ok(())
    }

    fn verify(&self, piece: u32) -> Result<bool, Self::Error> {
        let layout = self.metainfo.info().layout();
        let v2 = self.metainfo.has_v2_piece(&layout, piece);
        let mut digester = PieceDigester::new(!v2, v2);
        let mut begin = 0;
        for span in layout.spans(piece.into()) {
            let mut data = vec![0; usize::try_from(span.bytes).unwrap()];
            self.read(piece, begin, &mut data)?;
            begin += span.bytes;
            match span.file {
                Some(_) => digester.push(&data),
                None => digester.push_padding(span.bytes),
            }
        }
        let size = layout.owner(piece.into()).map_or(0, |(_, size, _)| size);
        let digest = digester.finish(size, layout.piece_bytes());
        let right = self.metainfo.is_piece(&layout, piece, &digest);
        if right {
            lock(&self.complete).insert(piece);
        }
        Ok(right)
    }
}

/// What came of a block, and of its piece if that was full.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Needless,
    Checking,
    Kept,
    Full(Verdict),
}

struct Torrent {
    metainfo: Metainfo,
    layout: Layout,
    /// Its pieces, padding included.
    bytes: Vec<u8>,
}

const PIECE: u64 = 64 * 1024;

/// Two files of 100,000 and 90,000 bytes.
fn torrent(version: Version) -> Torrent {
    let file = |name: &str, size| NewFile {
        path: name.parse().unwrap(),
        size,
        executable: false,
        root: None,
        layer: Vec::new(),
    };
    let files = vec![file("a", 100_000), file("b", 90_000)];
    let builder = Builder::folder("x", files, PIECE, version).unwrap();
    let layout = builder.layout();
    let byte = |n: u64| u8::try_from(n * n % 251).unwrap();
    let mut bytes = Vec::new();
    let mut digests = Vec::new();
    let (v1, v2) = builder.needs();
    let mut digester = PieceDigester::new(v1, v2);
    for piece in 0..layout.pieces() {
        for span in layout.spans(piece) {
            let data: Vec<u8> = match span.file {
                Some(_) => (span.offset..span.offset + span.bytes).map(byte).collect(),
                None => vec![0; usize::try_from(span.bytes).unwrap()],
            };
            match span.file {
                Some(_) => digester.push(&data),
                None => digester.push_padding(span.bytes),
            }
            bytes.extend(data);
        }
        let size = layout.owner(piece).map_or(0, |(_, size, _)| size);
        digests.push(digester.finish(size, PIECE));
        if version == Version::V2 {
            bytes.resize(usize::try_from((piece + 1) * PIECE).unwrap(), 0);
        }
    }
    let metainfo = builder.finish_with(&digests).unwrap();
    let layout = metainfo.info().layout();
    Torrent {
        metainfo,
        layout,
        bytes,
    }
}

impl Torrent {
    fn shape(&self, piece: u32) -> Shape<'_> {
        Shape {
            layout: &self.layout,
            piece,
        }
    }

    fn memory(&self) -> Memory {
        Memory {
            metainfo: self.metainfo.clone(),
            piece_bytes: PIECE,
            bytes: Mutex::new(vec![0xee; self.bytes.len()]),
            complete: Mutex::default(),
        }
    }

    fn block(&self, piece: u32, index: usize) -> (u32, Vec<u8>) {
        let (begin, bytes) = self.shape(piece).block(index);
        let at = usize::try_from(u64::from(piece) * PIECE + begin).unwrap();
        let data = self.bytes[at..at + bytes].to_vec();
        (u32::try_from(begin).unwrap(), data)
    }

    fn blocks(&self, piece: u32) -> usize {
        usize::try_from(self.shape(piece).bytes().div_ceil(16_384)).unwrap()
    }
}

fn give(
    torrent: &Torrent,
    to: &Assemblies,
    memory: &Memory,
    (piece, index, from): (u32, usize, u64),
    wrong: bool,
) -> Came {
    let (begin, mut data) = torrent.block(piece, index);
    if wrong {
        data[0] ^= 1;
    }
    let complete = || lock(&memory.complete).contains(&piece);
    let block = (begin, data.as_slice());
    let Ok(taken) = to.take(
        &torrent.shape(piece),
        memory,
        block,
        PeerKey(from),
        complete,
    );
    match taken {
        Taken::Needless => Came::Needless,
        Taken::Checking => Came::Checking,
        Taken::Kept => Came::Kept,
        Taken::Full(full) => {
            let Ok(verdict) = to.check(&torrent.shape(piece), memory, &full);
            Came::Full(verdict)
        }
    }
}

#[test]
fn blocks_in_any_order_of_any_version_make_the_pieces() {
    let versions = [
        Version::V1 { aligned: false },
        Version::V1 { aligned: true },
        Version::V2,
        Version::Hybrid,
    ];
    for version in versions {
        let torrent = torrent(version);
        let (memory, all) = (torrent.memory(), Assemblies::default());
        let seed = Cell::new(7u64);
        let pieces = u32::try_from(torrent.layout.pieces()).unwrap();
        for piece in 0..pieces {
            let mut order: Vec<usize> = (0..torrent.blocks(piece)).collect();
            order.retain(|index| !torrent.shape(piece).is_padding(*index));
            for at in (1..order.len()).rev() {
                seed.set(seed.get().wrapping_mul(6_364_136_223_846_793_005) + 1);
                order.swap(at, usize::try_from(seed.get() >> 33).unwrap() % (at + 1));
            }
            for (done, index) in order.iter().enumerate() {
                let taken = give(&torrent, &all, &memory, (piece, *index, 1), false);
                let whole = done + 1 == order.len();
                let liars = Vec::new();
                let expected = if whole {
                    Came::Full(Verdict::Right { liars })
                } else {
                    Came::Kept
                };
                assert_eq!(taken, expected, "{version:?} {piece} {index}");
                let again = give(&torrent, &all, &memory, (piece, *index, 2), true);
                assert_eq!(again, Came::Needless, "{version:?} {piece} {index}");
            }
        }
        assert_eq!(lock(&memory.complete).len(), pieces as usize);
        assert!(lock(&all.open).is_empty());
        let piece_len = usize::try_from(PIECE).unwrap();
        let kept = lock(&memory.bytes);
        for (piece, kept) in (0..pieces).zip(kept.chunks(piece_len)) {
            for index in 0..torrent.blocks(piece) {
                let (begin, data) = torrent.block(piece, index);
                let padding = torrent.shape(piece).is_padding(index);
                let found = &kept[begin as usize..begin as usize + data.len()];
                assert!(padding || found == data, "{version:?} {piece} {index}");
            }
        }
    }
}

#[test]
fn who_sent_all_of_a_wrong_piece_is_known_at_once() {
    let torrent = torrent(Version::V1 { aligned: false });
    let (memory, all) = (torrent.memory(), Assemblies::default());
    for index in 0..3 {
        give(&torrent, &all, &memory, (0, index, 5), index == 1);
    }
    let taken = give(&torrent, &all, &memory, (0, 3, 5), false);
    let liar = Some(PeerKey(5));
    assert_eq!(taken, Came::Full(Verdict::Wrong { liar }));
    assert!(lock(&memory.complete).is_empty());
    assert!(all.is_missing(Block {
        piece: 0,
        begin: 16_384,
        length: 16_384
    }));
}

#[test]
fn one_of_several_who_lied_is_known_once_the_piece_is_right() {
    let torrent = torrent(Version::V1 { aligned: false });
    let (memory, all) = (torrent.memory(), Assemblies::default());
    for index in 0..4 {
        let from = 1 + index as u64 % 2;
        let taken = give(&torrent, &all, &memory, (0, index, from), index == 1);
        if index == 3 {
            assert_eq!(taken, Came::Full(Verdict::Wrong { liar: None }));
        }
    }
    for index in 0..4 {
        let taken = give(&torrent, &all, &memory, (0, index, 3), false);
        if index == 3 {
            let liars = vec![PeerKey(2)];
            assert_eq!(taken, Came::Full(Verdict::Right { liars }));
        }
    }
}

#[test]
fn blocks_that_are_cut_otherwise_are_not_taken() {
    let torrent = torrent(Version::V1 { aligned: false });
    let (memory, all) = (torrent.memory(), Assemblies::default());
    let shape = torrent.shape(0);
    for (begin, bytes) in [(0, 100), (1, 16_384), (65_536, 16_384), (16_384, 16_385)] {
        let data = vec![0; bytes];
        let block = (begin, data.as_slice());
        let Ok(taken) = all.take(&shape, &memory, block, PeerKey(1), || false);
        assert!(matches!(taken, Taken::Needless), "{begin} {bytes}");
    }
    assert!(lock(&memory.bytes).iter().all(|byte| *byte == 0xee));
}

#[test]
fn a_piece_that_is_full_takes_nothing_until_it_is_checked() {
    let torrent = torrent(Version::V1 { aligned: false });
    let (memory, all) = (torrent.memory(), Assemblies::default());
    let shape = torrent.shape(0);
    let mut full = None;
    for index in 0..4 {
        let (begin, data) = torrent.block(0, index);
        let block = (begin, data.as_slice());
        let Ok(taken) = all.take(&shape, &memory, block, PeerKey(1), || false);
        if let Taken::Full(last) = taken {
            full = Some(last);
        }
    }
    let again = give(&torrent, &all, &memory, (0, 2, 2), true);
    assert_eq!(again, Came::Checking);
    let block = |begin| Block {
        piece: 0,
        begin,
        length: 16_384,
    };
    assert!((0..4).all(|index| !all.is_missing(block(index * 16_384))));
    let Ok(verdict) = all.check(&shape, &memory, &full.unwrap());
    let liars = Vec::new();
    assert_eq!(verdict, Verdict::Right { liars });
}
