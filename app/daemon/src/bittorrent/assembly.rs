//! Pieces of a torrent on their way from blocks of several peers to verified bytes on the disk.
//!
//! Blocks are written as they come, so that no piece is kept in memory. A piece that is full is read
//! back and hashed at once, by whoever has the time. One that turns out wrong is fetched again, and
//! once it is right, whoever sent other bytes than those is known.

use super::PeerKey;
use potluck_bittorrent::Layout;
use potluck_bittorrent::wire::{BLOCK_BYTES, Block};
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
    /// Hashes a piece, and completes it if it is right. Whether it is.
    fn verify(&self, piece: u32) -> Result<bool, Self::Error>;
}

/// What came of a block.
pub(super) enum Taken {
    /// It was here already, or is no block of the piece as it is cut here.
    Needless,
    /// As are all of its piece, which is being checked for another peer.
    Checking,
    /// It is kept; more of its piece is to come.
    Kept,
    /// It is kept, and its piece is to be checked: nothing else of it comes until that is done.
    Full(Full),
}

/// A piece all blocks of which are here, and that is to be given to [`Assemblies::check`].
pub(super) struct Full(Arc<Mutex<Assembly>>);

/// What came of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is right. Who sent wrong blocks for it before is known now.
    Right { liars: Vec<PeerKey> },
    /// It is wrong, and is to be fetched again. The one who sent all of it.
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
    /// Verified.
    ended: bool,
}

#[derive(Clone, Copy)]
enum Sent {
    By(PeerKey),
    Padding,
}

/// What a piece is, for the one who assembles it.
pub(super) struct Shape<'a> {
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
            ended: false,
        }
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

    /// Whether all of a piece came and is being checked.
    pub(super) fn is_checking(&self, piece: u32) -> bool {
        let open = lock(&self.open).get(&piece).cloned();
        open.is_some_and(|open| {
            let assembly = lock(&open);
            !assembly.ended && assembly.left == 0
        })
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
        if assembly.left == 0 {
            return Ok(Taken::Checking);
        }
        if !is_cut_so || !is_open {
            return Ok(Taken::Needless);
        }
        place.write(shape.piece, begin.into(), data)?;
        assembly.blocks[index] = Some(Sent::By(from));
        assembly.left -= 1;
        let is_full = assembly.left == 0;
        drop(assembly);
        Ok(if is_full {
            Taken::Full(Full(open))
        } else {
            Taken::Kept
        })
    }

    /// Checks a piece that is full. Whoever asks for what is missing meanwhile isn't held up.
    pub(super) fn check<P: Place>(
        &self,
        shape: &Shape<'_>,
        place: &P,
        Full(open): &Full,
    ) -> Result<Verdict, P::Error> {
        let verified = place.verify(shape.piece);
        let mut assembly = lock(open);
        if let Ok(true) = verified {
            assembly.ended = true;
            drop(assembly);
            self.close(shape.piece, open);
            let liars = self.liars(shape, place)?;
            return Ok(Verdict::Right { liars });
        }
        let senders = assembly.senders();
        let liar = senders.first().copied().filter(|_| senders.len() == 1);
        // Nobody writes to the piece before its blocks are remembered.
        let suspected = match liar {
            None => self.suspect(shape, place, &assembly),
            Some(_) => Ok(()),
        };
        *assembly = Assembly::new(shape);
        verified?;
        suspected?;
        Ok(Verdict::Wrong { liar })
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
