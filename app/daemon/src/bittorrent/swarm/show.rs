//! Showing pieces one by one while nobody else has them (BEP 16): others then spread what they got
//! instead of fetching the same from here.

use super::super::PeerKey;
use super::super::news::Command;
use super::Swarm;
use super::members::Member;
use crate::config::SuperSeeding;
use potluck_bittorrent::choke::SuperSeed;
use potluck_bittorrent::session::Claim;
use potluck_content::PieceSet;
use std::time::{Duration, Instant};

/// Who wants nothing for so long does not want what it is shown.
const BORED: Duration = Duration::from_secs(3);

impl Swarm {
    /// All of a torrent is here that this node did not fetch now, so others may have nothing yet.
    pub(super) fn begin_to_show(&mut self) {
        let wanted = match self.ctx.torrents.settings().super_seeding {
            SuperSeeding::On => true,
            // Web seeds are seeds.
            SuperSeeding::Auto => self.web_seeds.is_empty(),
            SuperSeeding::Off => false,
        };
        if let (true, Some(content)) = (wanted, &self.content) {
            self.showing = Some(SuperSeed::new(content.geometry.pieces()));
        }
    }

    /// Whether a new peer is told that nothing is here, and then shown pieces. One that is alone has
    /// nobody to spread them to, and may want a few only.
    pub(super) fn is_showing(&self) -> bool {
        let lacks = |member: &Member| member.guest.is_none() && !member.claims.is_full();
        let is_auto = self.ctx.torrents.settings().super_seeding == SuperSeeding::Auto;
        self.showing.is_some() && (!is_auto || self.members.values().any(lacks))
    }

    /// A peer was told that nothing is here.
    pub(super) fn show_to(&mut self, key: PeerKey) {
        if let (Some(showing), Some(member)) = (&mut self.showing, self.members.get_mut(&key)) {
            showing.add_peer(key, &member.claims);
            member.shown_since = Some(Instant::now());
        }
    }

    /// Peers that want nothing of what they are shown want something else: they see all.
    pub(super) fn tick_showing(&mut self) {
        let Some(showing) = &mut self.showing else {
            return;
        };
        for (key, member) in &mut self.members {
            let is_bored = |since: &mut Instant| since.elapsed() > BORED && !member.interested;
            if member.shown_since.take_if(is_bored).is_some() {
                showing.remove_peer(*key, &member.claims);
                member.tell(Command::ShowAll);
            }
            if member.interested && member.shown_since.is_some() {
                member.shown_since = Some(Instant::now());
            }
        }
    }

    /// A peer is gone that had these pieces.
    pub(super) fn shows_no_more(&mut self, key: PeerKey, had: &PieceSet) {
        if let Some(showing) = &mut self.showing {
            showing.remove_peer(key, had);
        }
    }

    /// A block was sent to a peer.
    pub(super) fn showed(&mut self, key: PeerKey, piece: u32) {
        let now = self.now();
        if let Some(showing) = &mut self.showing {
            showing.sent(now, key, piece);
        }
    }

    /// What a peer has is about to change.
    pub(super) fn spread(&mut self, key: PeerKey, claim: &Claim) {
        let (Some(showing), Some(member)) = (&mut self.showing, self.members.get(&key)) else {
            return;
        };
        let pieces = member.claims.len();
        let mut new = PieceSet::new(pieces);
        match claim {
            Claim::All => new = PieceSet::full(pieces),
            Claim::Only(set) => new.union_with(set),
            Claim::Piece(piece) => drop(new.insert(*piece)),
            Claim::None | Claim::Gone(_) => return,
        }
        new.subtract(&member.claims);
        for piece in new.ranges().flatten() {
            showing.has(key, piece);
        }
    }

    /// Somebody else has everything.
    pub(super) fn met_seed(&mut self) {
        if self.ctx.torrents.settings().super_seeding == SuperSeeding::Auto {
            self.show_all();
        }
    }

    /// Says to all what is here.
    fn show_all(&mut self) {
        if self.showing.take().is_some() {
            for member in self.members.values_mut() {
                member.tell(Command::ShowAll);
            }
        }
    }

    /// Shows what is to be shown now.
    pub(super) fn show(&mut self) {
        let now = self.now();
        let Some(showing) = &mut self.showing else {
            return;
        };
        showing.handle_timeout(now);
        while let Some((key, piece)) = showing.poll(now) {
            if let Some(member) = self.members.get_mut(&key) {
                member.tell(Command::Show(piece));
            }
        }
        if showing.is_finished() {
            self.show_all();
        }
    }
}
