//! Pieces of a torrent on their way from blocks of several peers to verified bytes on the disk.
//!
//! Blocks are written as they come, so that no piece is kept in memory. They are hashed in their order:
//! those that come early are read back when their turn comes. A piece that turns out wrong is fetched
//! again, and once it is right, whoever sent other bytes than those is known.

use super::PeerKey;
use potluck_bittorrent::wire::{BLOCK_BYTES, Block};
use potluck_bittorrent::{Layout, Metainfo, PieceDigester};
use potluck_content::Hash;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wrong pieces whose blocks are remembered, at most.
const MAX_SUSPECTED: usize = 256;
/// Pieces that are under way, at most; what came of others is fetched again.
const MAX_OPEN: usize = 1024;

/// Where the bytes of pieces are.
pub(super) trait Place: Send + Sync {
    /// Why bytes can't be kept or had.
    type Error;
    /// Writes bytes of a piece that is not complete.
    fn write(&self, piece: u32, begin: u64, data: &[u8]) -> Result<(), Self::Error>;
    /// Reads bytes of a piece.
    fn read(&self, piece: u32, begin: u64, out: &mut [u8]) -> Result<(), Self::Error>;
    /// A piece was verified.
    fn complete(&self, piece: u32) -> Result<(), Self::Error>;
}

/// What came of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was here already, or is no block of the piece as it is cut here.
    Needless,
    /// It is kept; more of its piece is to come.
    Kept,
    /// Its piece is whole and right. Who sent wrong blocks for it before is known now.
    Whole { liars: Vec<PeerKey> },
    /// Its piece was whole and wrong, and is to be fetched again. The one who sent all of it.
    Wrong { liar: Option<PeerKey> },
}

/// The pieces that are under way.
#[derive(Default)]
pub(super) struct Assemblies {
    open: Mutex<BTreeMap<u32, Arc<Mutex<Assembly>>>>,
    suspects: Mutex<BTreeMap<u32, Vec<Suspect>>>,
}

/// A block of a piece that was wrong.
struct Suspect {
    begin: u64,
    hash: Hash,
    from: PeerKey,
}

struct Assembly {
    /// Who sent each block; padding came from nobody.
    blocks: Vec<Option<Sent>>,
    left: usize,
    /// Blocks that are hashed.
    hashed: usize,
    digester: PieceDigester,
    /// Verified, by whoever had the lock before.
    ended: bool,
}

#[derive(Clone, Copy)]
enum Sent {
    By(PeerKey),
    Padding,
}

/// What a piece is, for the one who assembles it.
pub(super) struct Shape<'a> {
    pub(super) metainfo: &'a Metainfo,
    pub(super) layout: &'a Layout,
    pub(super) piece: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shape<'_> {
    /// Bytes of the piece.
    pub(super) fn bytes(&self) -> u64 {
        let spans = self.layout.spans(self.piece.into());
        spans.map(|span| span.bytes).sum()
    }

    fn block(&self, index: usize) -> (u64, usize) {
        let begin = index as u64 * u64::from(BLOCK_BYTES);
        let left = self.bytes().saturating_sub(begin);
        let bytes = left.min(u64::from(BLOCK_BYTES));
        (begin, usize::try_from(bytes).unwrap_or_default())
    }

    /// The parts of a range of the piece, and whether each is padding.
    fn parts(&self, begin: u64, bytes: u64) -> impl Iterator<Item = (u64, bool)> {
        let (mut at, end) = (0, begin + bytes);
        self.layout
            .spans(self.piece.into())
            .filter_map(move |span| {
                let start = at;
                at += span.bytes;
                let (from, to) = (start.max(begin), at.min(end));
                (from < to).then(|| (to - from, span.file.is_none()))
            })
    }

    /// Whether a block is nothing but padding, which nobody needs to send.
    pub(super) fn is_padding_block(&self, begin: u32) -> bool {
        self.is_padding((begin / BLOCK_BYTES) as usize)
    }

    fn is_padding(&self, index: usize) -> bool {
        let (begin, bytes) = self.block(index);
        self.parts(begin, bytes as u64).all(|(_, padding)| padding)
    }

    /// Which hashes decide: those of version 2 when they are known.
    pub(super) fn digester(&self) -> PieceDigester {
        let v2 = self.metainfo.has_v2_piece(self.layout, self.piece);
        PieceDigester::new(!v2, v2)
    }

    fn push(&self, digester: &mut PieceDigester, begin: u64, data: &[u8]) {
        let mut rest = data;
        for (bytes, padding) in self.parts(begin, data.len() as u64) {
            let bytes = usize::try_from(bytes).unwrap_or(rest.len());
            let (part, after) = rest.split_at(bytes.min(rest.len()));
            if padding {
                digester.push_padding(part.len() as u64);
            } else {
                digester.push(part);
            }
            rest = after;
        }
    }

    /// Whether what was hashed is the piece.
    pub(super) fn is_right(&self, digester: &mut PieceDigester) -> bool {
        let owner = self.layout.owner(self.piece.into());
        let file_bytes = owner.map_or(0, |(_, size, _)| size);
        let found = digester.finish(file_bytes, self.layout.piece_bytes());
        self.metainfo.is_piece(self.layout, self.piece, &found)
    }
}

impl Assembly {
    fn new(shape: &Shape<'_>) -> Self {
        let count = shape.bytes().div_ceil(u64::from(BLOCK_BYTES));
        let count = usize::try_from(count).unwrap_or_default();
        let mut blocks = vec![None; count];
        for (index, block) in blocks.iter_mut().enumerate() {
            if shape.is_padding(index) {
                *block = Some(Sent::Padding);
            }
        }
        Self {
            left: blocks.iter().filter(|block| block.is_none()).count(),
            blocks,
            hashed: 0,
            digester: shape.digester(),
            ended: false,
        }
    }

    /// Hashes what is next, from memory or read back.
    fn hash<P: Place>(
        &mut self,
        shape: &Shape<'_>,
        place: &P,
        (at, data): (usize, &[u8]),
    ) -> Result<(), P::Error> {
        let mut buffer = Vec::new();
        while let Some(Some(sent)) = self.blocks.get(self.hashed) {
            let (begin, bytes) = shape.block(self.hashed);
            match sent {
                Sent::Padding => self.digester.push_padding(bytes as u64),
                Sent::By(_) if self.hashed == at => shape.push(&mut self.digester, begin, data),
                Sent::By(_) => {
                    buffer.resize(bytes, 0);
                    place.read(shape.piece, begin, &mut buffer)?;
                    shape.push(&mut self.digester, begin, &buffer);
                }
            }
            self.hashed += 1;
        }
        Ok(())
    }

    fn senders(&self) -> BTreeSet<PeerKey> {
        let sent = self.blocks.iter().flatten();
        let by = sent.filter_map(|sent| match sent {
            Sent::By(peer) => Some(*peer),
            Sent::Padding => None,
        });
        by.collect()
    }
}

impl Assemblies {
    /// Whether a block of a piece that is not complete is still to come.
    pub(super) fn is_missing(&self, block: Block) -> bool {
        let open = lock(&self.open).get(&block.piece).cloned();
        let Some(open) = open else {
            return true;
        };
        let assembly = lock(&open);
        let index = (block.begin / BLOCK_BYTES) as usize;
        !assembly.ended && matches!(assembly.blocks.get(index), Some(None))
    }

    /// Takes a block of a piece that is not complete. `is_complete` is asked while nobody else can
    /// complete it.
    pub(super) fn take<P: Place>(
        &self,
        shape: &Shape<'_>,
        place: &P,
        (begin, data): (u32, &[u8]),
        from: PeerKey,
        is_complete: impl Fn() -> bool,
    ) -> Result<Taken, P::Error> {
        let open = self.open(shape);
        let mut assembly = lock(&open);
        let index = (begin / BLOCK_BYTES) as usize;
        let is_cut_so = shape.block(index) == (u64::from(begin), data.len());
        let is_open = matches!(assembly.blocks.get(index), Some(None));
        if assembly.ended || is_complete() {
            drop(assembly);
            self.close(shape.piece, &open);
            return Ok(Taken::Needless);
        }
        if !is_cut_so || !is_open {
            return Ok(Taken::Needless);
        }
        place.write(shape.piece, begin.into(), data)?;
        assembly.blocks[index] = Some(Sent::By(from));
        assembly.left -= 1;
        assembly.hash(shape, place, (index, data))?;
        if assembly.left > 0 {
            return Ok(Taken::Kept);
        }
        if shape.is_right(&mut assembly.digester) {
            place.complete(shape.piece)?;
            assembly.ended = true;
            let liars = self.liars(shape, place)?;
            drop(assembly);
            self.close(shape.piece, &open);
            return Ok(Taken::Whole { liars });
        }
        let senders = assembly.senders();
        let liar = senders.first().copied().filter(|_| senders.len() == 1);
        if liar.is_none() {
            self.suspect(shape, place, &assembly)?;
        }
        *assembly = Assembly::new(shape);
        Ok(Taken::Wrong { liar })
    }

    fn open(&self, shape: &Shape<'_>) -> Arc<Mutex<Assembly>> {
        let mut open = lock(&self.open);
        if open.len() >= MAX_OPEN && !open.contains_key(&shape.piece) {
            let idle = open.iter().find(|(_, one)| Arc::strong_count(one) == 1);
            if let Some(piece) = idle.map(|(piece, _)| *piece) {
                open.remove(&piece);
            }
        }
        let new = || Arc::new(Mutex::new(Assembly::new(shape)));
        Arc::clone(open.entry(shape.piece).or_insert_with(new))
    }

    fn close(&self, piece: u32, which: &Arc<Mutex<Assembly>>) {
        let mut open = lock(&self.open);
        if open
            .get(&piece)
            .is_some_and(|open| Arc::ptr_eq(open, which))
        {
            open.remove(&piece);
        }
    }

    /// Remembers who sent what of a wrong piece.
    fn suspect<P: Place>(
        &self,
        shape: &Shape<'_>,
        place: &P,
        assembly: &Assembly,
    ) -> Result<(), P::Error> {
        let mut blocks = Vec::new();
        let mut buffer = Vec::new();
        for (index, sent) in assembly.blocks.iter().enumerate() {
            if let Some(Sent::By(from)) = sent {
                let (begin, bytes) = shape.block(index);
                buffer.resize(bytes, 0);
                place.read(shape.piece, begin, &mut buffer)?;
                let hash = Hash::of(&buffer);
                let from = *from;
                blocks.push(Suspect { begin, hash, from });
            }
        }
        let mut suspects = lock(&self.suspects);
        if suspects.len() >= MAX_SUSPECTED {
            suspects.pop_first();
        }
        suspects.entry(shape.piece).or_default().extend(blocks);
        Ok(())
    }

    /// Who sent other bytes of a piece than those that are right.
    fn liars<P: Place>(&self, shape: &Shape<'_>, place: &P) -> Result<Vec<PeerKey>, P::Error> {
        let Some(suspects) = lock(&self.suspects).remove(&shape.piece) else {
            return Ok(Vec::new());
        };
        let mut liars = BTreeSet::new();
        let mut buffer = Vec::new();
        for suspect in suspects {
            let index = usize::try_from(suspect.begin / u64::from(BLOCK_BYTES));
            let (begin, bytes) = shape.block(index.unwrap_or_default());
            buffer.resize(bytes, 0);
            place.read(shape.piece, begin, &mut buffer)?;
            if Hash::of(&buffer) != suspect.hash {
                liars.insert(suspect.from);
            }
        }
        Ok(liars.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
