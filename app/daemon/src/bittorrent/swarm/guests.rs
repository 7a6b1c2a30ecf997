//! Sources that are no connections of this torrent: copies on this machine, and peers of other torrents.

use super::super::copies::Copies;
use super::super::copy_peer::{self, CopySetup};
use super::super::hello::Hello;
use super::super::loan::{self, Borrowed, LoanSetup};
use super::super::news::Command;
use super::super::{HERE, PeerKey, guest_address, new_id, peer};
use super::Swarm;
use super::members::{Guest, Member};
use potluck_bittorrent::wire::Features;
use potluck_content::PieceSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Peers of other torrents, at most.
const MAX_BORROWED: usize = 100;

/// What is known of a guest.
pub(super) struct Described {
    pub(super) guest: Guest,
    pub(super) address: SocketAddr,
    pub(super) client: Option<String>,
    pub(super) way: String,
}

impl Swarm {
    /// Takes in a source of another kind. `start` gets its name here and where it is told what to do.
    pub(super) fn welcome(
        &mut self,
        described: Described,
        start: impl FnOnce(&Self, PeerKey, mpsc::Receiver<Command>) -> JoinHandle<()>,
    ) {
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        let (commands, received) = mpsc::channel(peer::COMMANDS);
        let task = start(self, key, received);
        let hello = Hello {
            features: Features::default(),
            peer: new_id(),
        };
        let pieces = self
            .content
            .as_ref()
            .map_or(0, |content| content.geometry.pieces());
        let mut member = Member::new(
            hello,
            (described.address, false),
            pieces,
            commands,
            task,
            described.way,
        );
        member.client = described.client;
        member.guest = Some(described.guest);
        self.members.insert(key, member);
    }

    /// Takes from this machine what it has under other addresses.
    pub(super) fn join_copies(&mut self, copies: Copies) {
        let Some(content) = self.content.clone().filter(|_| !copies.is_empty()) else {
            return;
        };
        let described = Described {
            guest: Guest {
                name: HERE.to_owned(),
                is_local: true,
            },
            address: guest_address(),
            client: None,
            way: "copy".to_owned(),
        };
        self.welcome(described, |swarm, key, commands| {
            tokio::spawn(copy_peer::run(CopySetup {
                ctx: Arc::clone(&swarm.ctx),
                key,
                content,
                copies,
                news: swarm.news.clone(),
                commands,
            }))
        });
    }

    /// Takes in a peer that another torrent lends.
    pub(super) fn borrow(&mut self, borrowed: Borrowed) {
        let guests = self.members.values();
        let borrowed_already = guests.filter(|member| member.guest.is_some()).count();
        let Some(content) = self.content.clone() else {
            return;
        };
        if self.plan.is_none()
            || borrowed_already >= MAX_BORROWED
            || self.addresses.is_banned(borrowed.address.ip())
        {
            return;
        }
        let described = Described {
            guest: Guest {
                name: borrowed.name,
                is_local: false,
            },
            address: borrowed.address,
            client: borrowed.client,
            way: borrowed.way,
        };
        let (view, lender, overlap) = (borrowed.view, borrowed.lender, borrowed.overlap);
        self.welcome(described, |swarm, key, commands| {
            tokio::spawn(loan::run(LoanSetup {
                key,
                content,
                view,
                lender,
                overlap,
                news: swarm.news.clone(),
                commands,
            }))
        });
    }

    /// Pieces that will come from this machine are asked of nobody else.
    pub(super) fn reserve(&mut self, pieces: &PieceSet) {
        let now = self.ctx.clock.now();
        let Some(plan) = self.plan.as_mut().filter(|plan| plan.reserved != *pieces) else {
            return;
        };
        plan.reserved = pieces.clone();
        for member in self.members.values().filter(|member| !member.is_local()) {
            if let Some(source) = member.source {
                plan.claims(now, source, &member.claims, false);
            }
        }
    }
}
