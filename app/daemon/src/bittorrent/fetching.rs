//! Torrents that are being fetched now: one that begins later and has files in common with them leaves
//! those to them, lends them its peers, and takes the bytes from them.

use super::content::Content;
use super::copies::{Coming, Twin};
use super::lock;
use super::swarm::Request;
use potluck_bittorrent::{InfoHashes, Overlap};
use potluck_content::PieceSet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Default)]
pub(super) struct Fetching {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    /// In the order in which they began.
    by_number: BTreeMap<u64, Entry>,
}

struct Entry {
    content: Weak<Content>,
    requests: mpsc::Sender<Request>,
    ended: CancellationToken,
}

/// A torrent that began earlier and has files in common with ours.
pub(super) struct Sibling {
    /// To take from it.
    pub(super) twin: Arc<Twin>,
    /// To lend to it.
    pub(super) borrower: Borrower,
}

/// A torrent for which peers of another are asked.
#[derive(Clone)]
pub(super) struct Borrower {
    pub(super) content: Arc<Content>,
    /// Its files in common with the lender's.
    pub(super) overlap: Arc<Overlap>,
    /// Its pieces that peers of the lender are asked for: those of files that are proven to be the same.
    pub(super) lendable: PieceSet,
    /// Those that they could be asked for.
    possible: Arc<PieceSet>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) ended: CancellationToken,
}

impl Borrower {
    /// A torrent that wants what the lender's peers have of it. None if they have nothing in common that
    /// can be lent.
    pub(super) fn new(
        content: &Arc<Content>,
        lender: &Content,
        requests: mpsc::Sender<Request>,
        ended: CancellationToken,
    ) -> Option<Self> {
        let overlap = Overlap::new(content.metainfo.info(), lender.metainfo.info());
        let mut lendable = overlap.common();
        lendable.intersect_with(&content.wanted());
        for piece in lendable.clone().iter() {
            if !overlap.is_lendable(piece) {
                lendable.remove(piece);
            }
        }
        (!lendable.is_empty()).then(|| Self {
            content: Arc::clone(content),
            overlap: Arc::new(overlap),
            possible: Arc::new(lendable.clone()),
            lendable,
            requests,
            ended,
        })
    }

    /// The same, with files only that are known to be the same. Of others, peers would be taken for
    /// liars that are none.
    fn with_proven_files(mut self) -> Self {
        self.lendable = PieceSet::new(self.possible.len());
        let proven = self.overlap.files().filter(|file| file.is_proven);
        let proven: Vec<usize> = proven.map(|file| file.theirs).collect();
        for file in proven {
            self.prove(file);
        }
        self
    }

    /// A file of the lender, by its position there, turned out to be the same.
    pub(super) fn prove(&mut self, file: usize) {
        for piece in self.overlap.pieces_of_theirs(file) {
            if self.possible.contains(piece) {
                self.lendable.insert(piece);
            }
        }
    }

    /// What a peer of the lender with these pieces has for the borrower.
    pub(super) fn claims(&self, theirs: &PieceSet) -> PieceSet {
        let mut claims = self.overlap.covered(theirs);
        claims.intersect_with(&self.lendable);
        claims
    }
}

/// Keeps a torrent among those that are being fetched.
pub(super) struct Registered {
    fetching: Arc<Fetching>,
    number: u64,
    ended: CancellationToken,
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.fetching.entries).by_number.remove(&self.number);
        self.ended.cancel();
    }
}

impl Fetching {
    /// A torrent that is being fetched, by any of its names, and when that ends.
    pub(super) fn find(&self, hashes: &InfoHashes) -> Option<(Arc<Content>, CancellationToken)> {
        let wanted: Vec<_> = super::names(hashes).collect();
        let entries = lock(&self.entries);
        entries.by_number.values().find_map(|entry| {
            let content = entry.content.upgrade()?;
            let mut known = super::names(&content.metainfo.info().hashes());
            known
                .any(|name| wanted.contains(&name))
                .then(|| (content, entry.ended.clone()))
        })
    }

    /// Adds a torrent, and gives those that began earlier and have files in common with it.
    pub(super) fn begin(
        self: &Arc<Self>,
        content: &Arc<Content>,
        requests: mpsc::Sender<Request>,
    ) -> (Registered, Vec<Sibling>) {
        let ended = CancellationToken::new();
        let mut entries = lock(&self.entries);
        let earlier: Vec<_> = entries
            .by_number
            .values()
            .filter_map(|entry| {
                let content = entry.content.upgrade()?;
                Some((content, entry.requests.clone(), entry.ended.clone()))
            })
            .collect();
        let number = entries.next;
        entries.next += 1;
        let entry = Entry {
            content: Arc::downgrade(content),
            requests,
            ended: ended.clone(),
        };
        entries.by_number.insert(number, entry);
        drop(entries);
        let siblings = earlier.into_iter().filter_map(|(theirs, requests, ended)| {
            let borrower = Borrower::new(&theirs, content, requests, ended.clone());
            sibling(content, theirs, borrower, ended)
        });
        let registered = Registered {
            fetching: Arc::clone(self),
            number,
            ended,
        };
        (registered, siblings.collect())
    }
}

fn sibling(
    ours: &Arc<Content>,
    theirs: Arc<Content>,
    borrower: Option<Borrower>,
    ended: CancellationToken,
) -> Option<Sibling> {
    let borrower = borrower?;
    let mut overlap = Overlap::new(ours.metainfo.info(), theirs.metainfo.info());
    let wanted = theirs.wanted();
    overlap.retain(|file| {
        let start = theirs.metainfo.info().files().get(file.theirs);
        let start = start.map_or(0, |file| file.offset / theirs.layout.piece_bytes());
        wanted.contains(u32::try_from(start).unwrap_or(u32::MAX))
    });
    let lendable = (*borrower.possible).clone();
    let twin = Twin {
        content: theirs,
        overlap,
        coming: Some(Coming { lendable, ended }),
    };
    Some(Sibling {
        twin: Arc::new(twin),
        borrower: borrower.with_proven_files(),
    })
}
