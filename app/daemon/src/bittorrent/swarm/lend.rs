//! Peers of this torrent that are asked on behalf of another one, which has files in common with it.

use super::super::PeerKey;
use super::super::content::{Content, Files};
use super::super::fetching::Borrower;
use super::super::loan::{Borrowed, LoanView};
use super::{Request, Swarm};
use potluck_bittorrent::Overlap;
use potluck_content::PieceSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often peers are offered that a borrower did not take: it may not have begun, or had no room.
const OFFER_EVERY: Duration = Duration::from_secs(1);

/// A peer that is lent.
pub(super) struct LoanOut {
    overlap: Arc<Overlap>,
    ended: CancellationToken,
    view: watch::Sender<LoanView>,
}

impl LoanOut {
    /// Whether the borrower wants anything that the peer has.
    pub(super) fn is_wanted(&self) -> bool {
        !self.view.is_closed() && !self.view.borrow().claims.is_empty()
    }
}

impl Swarm {
    /// Lends all peers to a torrent that has files in common with this one.
    pub(super) fn lend_to(&mut self, borrower: Borrower) {
        if borrower.ended.is_cancelled() {
            return;
        }
        if self.content.is_none() {
            let Some(metainfo) = self.learning.known() else {
                return;
            };
            self.know(Arc::new(Content::new(metainfo, Files::Nowhere)));
        }
        self.borrowers.push(borrower);
        let keys: Vec<PeerKey> = self.members.keys().copied().collect();
        for key in keys {
            self.lend(key, None);
        }
        self.interest();
    }

    /// Tells borrowers what a peer can do for them now: with one piece more, or all anew.
    pub(super) fn lend(&mut self, key: PeerKey, more: Option<u32>) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if member.guest.is_some() {
            return;
        }
        // Those that were not taken, or not kept, are offered again.
        member.loans.retain(|loan| !loan.view.is_closed());
        for borrower in &self.borrowers {
            let known = member
                .loans
                .iter()
                .find(|loan| Arc::ptr_eq(&loan.overlap, &borrower.overlap));
            match (known, more) {
                (Some(loan), Some(piece)) => loan.view.send_modify(|view| {
                    add(borrower, &member.claims, piece, &mut view.claims);
                }),
                (Some(loan), None) => {
                    let view = view(borrower, &member.claims, member.chokes);
                    loan.view.send_if_modified(|known| {
                        let is_new = *known != view;
                        *known = view;
                        is_new
                    });
                }
                (None, _) => {
                    let (sender, receiver) =
                        watch::channel(view(borrower, &member.claims, member.chokes));
                    let borrowed = Borrowed {
                        view: receiver,
                        lender: member.commands(),
                        overlap: Arc::clone(&borrower.overlap),
                        name: member.name(),
                        client: member.client.clone(),
                        way: format!("{}, of another torrent", member.way),
                        address: member.address,
                    };
                    // One that has no room for it now is asked again with the next news of the peer.
                    let request = Request::Borrow(Box::new(borrowed));
                    if borrower.requests.try_send(request).is_ok() {
                        member.loans.push(LoanOut {
                            overlap: Arc::clone(&borrower.overlap),
                            ended: borrower.ended.clone(),
                            view: sender,
                        });
                    }
                }
            }
        }
    }

    /// A file of ours turned out to be the same as one of a torrent that is being fetched.
    pub(super) fn proved(&mut self, twin: &Arc<Content>, file: usize) {
        let of_it = |borrower: &&mut Borrower| Arc::ptr_eq(&borrower.content, twin);
        for borrower in self.borrowers.iter_mut().filter(of_it) {
            borrower.prove(file);
        }
        let keys: Vec<PeerKey> = self.members.keys().copied().collect();
        for key in keys {
            self.lend(key, None);
        }
        self.interest();
    }

    /// Forgets borrowers that are fetched no longer, and offers peers again that were not taken.
    pub(super) fn tick_loans(&mut self) {
        if self.borrowers.is_empty() {
            return;
        }
        if self.offered.elapsed() >= OFFER_EVERY {
            self.offered = Instant::now();
            let open = |loan: &&LoanOut| !loan.view.is_closed();
            let wanted = self.borrowers.len();
            let idle = self.members.iter().filter(|(_, member)| {
                member.guest.is_none() && member.loans.iter().filter(open).count() < wanted
            });
            let idle: Vec<PeerKey> = idle.map(|(key, _)| *key).collect();
            for key in idle {
                self.lend(key, None);
            }
        }
        let before = self.borrowers.len();
        self.borrowers
            .retain(|borrower| !borrower.ended.is_cancelled());
        if self.borrowers.len() == before {
            return;
        }
        for member in self.members.values_mut() {
            member.loans.retain(|loan| !loan.ended.is_cancelled());
        }
        self.interest();
    }

    /// Bytes came from a peer on behalf of another torrent: it is good for something.
    pub(super) fn lent(&mut self, key: PeerKey, bytes: u64) {
        if let Some(member) = self.members.get_mut(&key) {
            member.received += bytes;
        }
        let now = self.now();
        self.choker.received(now, key, bytes);
    }
}

fn view(borrower: &Borrower, claims: &PieceSet, chokes: bool) -> LoanView {
    LoanView {
        claims: borrower.claims(claims),
        chokes,
    }
}

fn add(borrower: &Borrower, theirs: &PieceSet, piece: u32, claims: &mut PieceSet) {
    for touched in borrower.overlap.touched(piece) {
        if borrower.lendable.contains(touched) && borrower.overlap.covers(touched, theirs) {
            claims.insert(touched);
        }
    }
}
