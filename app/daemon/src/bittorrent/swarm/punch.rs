//! Peers that can't be reached are, with the help of one that is connected to both (BEP 55): this node
//! asks for that, does it when it is asked to, and helps others.

use super::super::PeerKey;
use super::super::news::Command;
use super::super::reach::Reach;
use super::Swarm;
use super::dial::{Dialed, MAX_MEMBERS, UTP};
use super::members::Member;
use potluck_bittorrent::holepunch::{Meeting, Party, is_worth_trying, meet};
use potluck_bittorrent::wire::extended::{Holepunch, HolepunchKind};
use std::net::SocketAddr;

/// Connections that are being made with help, at most.
const MAX_PUNCHING: usize = 8;

impl Member {
    /// Whether it is what others know by an address.
    fn is_at(&self, address: SocketAddr) -> bool {
        canonical(self.address) == address || self.listens.map(canonical) == Some(address)
    }

    fn party(&self) -> Party {
        Party {
            address: canonical(self.address),
            is_utp: self.way.starts_with(UTP),
            listens: self.listens.map(canonical),
            takes: self.takes_holepunch,
        }
    }
}

/// One address for each place: sockets of IPv6 give those of IPv4 another form.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Swarm {
    /// Whether peers of this torrent are brought together: over uTP, and if peers may tell of each other.
    pub(super) fn may_punch(&self) -> bool {
        let content = self.content.as_ref();
        let is_private = content.is_some_and(|content| content.metainfo.info().is_private());
        !is_private && self.ctx.torrents.utp().is_some()
    }

    /// A peer does not answer, or won't: whoever told of it is asked for help.
    pub(super) fn ask_for_help(&mut self, address: SocketAddr) {
        let is_here = self.members.values().any(|member| member.is_at(address));
        if is_here || !self.may_punch() {
            return;
        }
        let Some(key) = self.introductions.ask(self.now(), &address) else {
            return;
        };
        if let Some(member) = self.members.get_mut(&key) {
            tracing::debug!(%address, by = %member.address, "asking to be brought together");
            member.tell(Command::Holepunch(Holepunch {
                kind: HolepunchKind::Rendezvous,
                addr: address,
            }));
        }
    }

    /// What a peer says about another one.
    pub(super) fn holepunch(&mut self, key: PeerKey, message: Holepunch) {
        let (now, may_punch) = (self.now(), self.may_punch());
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if !may_punch || !member.punch_gate.admit(now) {
            return;
        }
        match message.kind {
            HolepunchKind::Rendezvous => self.bring_together(key, message.addr),
            HolepunchKind::Connect => self.punch(key, message.addr),
            HolepunchKind::Failed(why) => {
                tracing::debug!(address = %message.addr, by = %member.address, ?why, "not brought together");
            }
        }
    }

    /// Tells two peers of each other, or the one that asks why not.
    fn bring_together(&mut self, key: PeerKey, wanted: SocketAddr) {
        let Some(asker) = self.members.get(&key).map(Member::party) else {
            return;
        };
        let others = self.members.iter();
        let others = others.filter(|(other, member)| **other != key && member.guest.is_none());
        let others = others.map(|(other, member)| (*other, member.party()));
        let own = self.ctx.torrents.external_address();
        let answer = match meet(canonical(wanted), &asker, own, others) {
            Ok(Meeting {
                other,
                to_other,
                to_asker,
            }) => {
                tracing::debug!(asker = %to_other.addr, other = %to_asker.addr, "bringing two peers together");
                if let Some(other) = self.members.get_mut(&other) {
                    other.tell(Command::Holepunch(to_other));
                }
                to_asker
            }
            Err(failed) => failed,
        };
        if let Some(asker) = self.members.get_mut(&key) {
            asker.tell(Command::Holepunch(answer));
        }
    }

    /// Connects to a peer that is told to connect to this node, now.
    fn punch(&mut self, by: PeerKey, address: SocketAddr) {
        let address = canonical(address);
        let Some(by) = self.members.get(&by).map(|member| member.address.ip()) else {
            return;
        };
        let torrents = &self.ctx.torrents;
        let is_here = self.members.values().any(|member| member.is_at(address));
        let has_room = self.members.len() < MAX_MEMBERS && self.punching.len() < MAX_PUNCHING;
        let is_refused = self.addresses.is_banned(address.ip())
            || torrents.blocked.refuses(address.ip())
            || torrents.external_address() == Some(address);
        if is_here || !has_room || is_refused || !is_worth_trying(address, by) {
            return;
        }
        if !self.punching.insert(address) {
            return;
        }
        tracing::debug!(%address, %by, "connecting to a peer that connects to this node");
        let reach = Reach::new(&self.ctx, self.hashes);
        self.dialing.spawn(async move {
            let result = reach.punch(address).await;
            Dialed {
                address,
                was_punched: true,
                result,
            }
        });
    }
}
