//! What connections tell, passed on to the machines.

use super::super::PeerKey;
use super::super::addresses::From;
use super::super::news::{Command, News, PeerNews};
use super::Swarm;
use potluck_bittorrent::session::Claim;
use potluck_bittorrent::wire::extended::{Pex, PexVerdict};
use potluck_transfer::{Failure, Input};

impl Swarm {
    pub(super) fn heard(&mut self, news: PeerNews) {
        let PeerNews { peer: key, what } = news;
        // A piece may be checked when its last sender is gone, and is here no less.
        let is_of_files = matches!(
            what,
            News::Piece { .. } | News::Wrong { .. } | News::Unwritable(..)
        );
        if !is_of_files && !self.members.contains_key(&key) {
            return;
        }
        match what {
            News::Choke(chokes) => self.choke(key, chokes),
            News::Interested(are) => {
                if let Some(member) = self.members.get_mut(&key) {
                    member.interested = are;
                }
                let now = self.now();
                self.choker.set_interested(now, key, are);
            }
            News::Claims(claim) => self.claims(key, claim),
            News::Handshake(handshake) => self.introduced(key, &handshake),
            News::Pex(pex) => self.pex(key, &pex),
            News::Holepunch(punch) => self.holepunch(key, punch),
            News::Metadata {
                piece,
                total_bytes,
                data,
            } => self.metadata(key, piece, total_bytes, &data),
            News::NoMetadata { piece } => self.no_metadata(key, piece),
            News::Hashes { request, hashes } => self.hashes(key, &request, &hashes),
            News::NoHashes { request } => self.no_hashes(key, &request),
            News::Reserved(pieces) => self.reserve(&pieces),
            News::Proved { twin, file } => self.proved(&twin, file),
            News::Lent { bytes } => self.lent(key, bytes),
            News::Received { order, bytes } => self.received(key, order, bytes),
            News::Wasted { bytes } => self.totals.wasted += bytes,
            News::Piece {
                order,
                piece,
                liars,
            } => {
                self.piece(key, order, piece);
                for liar in liars {
                    self.ban(liar, "sent wrong blocks");
                }
            }
            News::Wrong { order, piece, liar } => self.wrong(key, order, piece, liar),
            News::Done { order } => {
                self.plan_input(key, order, |source, request| Input::RequestDone {
                    source,
                    request,
                });
            }
            News::Refused { order } => self.failed(key, order, Failure::Busy),
            News::Sent { piece, bytes } => {
                self.totals.sent += bytes;
                self.showed(key, piece);
                if let Some(member) = self.members.get_mut(&key) {
                    member.sent += bytes;
                }
                self.choker.sent(key, bytes);
            }
            News::Unwritable(message, no_space) => {
                self.failure.get_or_insert((message, no_space));
            }
            News::Unreadable(piece) => tracing::warn!(piece, "a file of a torrent has changed"),
            News::Closed(reason) => self.gone(key, &reason),
        }
    }

    /// A peer lets us ask, or no more.
    fn choke(&mut self, key: PeerKey, chokes: bool) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        member.chokes = chokes;
        let was_asked = std::mem::take(&mut member.asked) && member.guest.is_none();
        let received = member.received;
        if !chokes {
            member.vain.begin(received);
        } else if member.vain.end(received, was_asked) {
            return self.ban(key, "lets others ask and never answers");
        }
        self.join_plan(key);
        self.lend(key, None);
    }

    fn claims(&mut self, key: PeerKey, claim: Claim) {
        let Some(content) = &self.content else { return };
        let pieces = content.geometry.pieces();
        self.spread(key, &claim);
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let one = match &claim {
            Claim::Piece(piece) => Some(*piece),
            _ => None,
        };
        match claim {
            Claim::All => member.claims = potluck_content::PieceSet::full(pieces),
            Claim::None => member.claims = potluck_content::PieceSet::new(pieces),
            Claim::Only(set) => member.claims = set,
            Claim::Piece(piece) => {
                member.claims.insert(piece);
            }
            Claim::Gone(piece) => {
                member.claims.remove(piece);
            }
        }
        let is_local = member.is_local();
        let (source, claims) = (member.source, member.claims.clone());
        let now = self.now();
        self.choker.set_upload_only(now, key, claims.is_full());
        if let (Some(plan), Some(source)) = (&mut self.plan, source) {
            let now = self.ctx.clock.now();
            match one {
                Some(piece) if plan.reserved.contains(piece) && !is_local => {}
                Some(piece) => {
                    let change = potluck_transfer::Availability::Add(
                        std::iter::once(piece..piece + 1).collect(),
                    );
                    plan.planner
                        .handle(now, Input::Availability { source, change });
                }
                None => plan.claims(now, source, &claims, is_local),
            }
        }
        self.lend(key, one);
        self.interest();
        if self.is_seed() && claims.is_full() {
            self.part_from(key);
        }
    }

    fn received(&mut self, key: PeerKey, order: u32, bytes: u64) {
        if let Some(member) = self.members.get_mut(&key) {
            member.received += bytes;
            self.totals.received += if member.is_local() { 0 } else { bytes };
        }
        let now = self.now();
        self.choker.received(now, key, bytes);
        self.plan_input(key, order, |source, request| Input::Received {
            source,
            request,
            bytes,
        });
    }

    fn wrong(&mut self, key: PeerKey, order: u32, piece: u32, liar: Option<PeerKey>) {
        let bytes = self
            .content
            .as_ref()
            .map_or(0, |content| content.piece_bytes(piece));
        self.totals.wasted += bytes;
        for member in self.members.values_mut() {
            member.tell(Command::Wrong(piece));
        }
        match liar {
            Some(liar) => self.ban(liar, &format!("sent wrong bytes (piece {piece})")),
            None => self.failed(key, order, Failure::Cancelled),
        }
    }

    fn pex(&mut self, key: PeerKey, pex: &Pex) {
        let now = self.now();
        let is_private = self
            .content
            .as_ref()
            .is_some_and(|content| content.metainfo.info().is_private());
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        match member.pex_gate.admit(now) {
            PexVerdict::Take if !is_private => {
                if member.takes_holepunch {
                    self.introductions.told(key, pex);
                }
                let found = pex.added.iter().map(|peer| peer.addr).collect();
                self.found_at(found, From::Pex);
            }
            PexVerdict::Take | PexVerdict::Ignore => {}
            PexVerdict::Abuse => self.ban(key, "told of peers far too often"),
        }
    }
}
