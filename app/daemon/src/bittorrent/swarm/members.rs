//! The peers of a torrent.

use super::super::PeerKey;
use super::super::addresses::From;
use super::super::hello::Hello;
use super::super::news::{Command, Gone};
use super::dial::UTP;
use super::lend::LoanOut;
use super::{Connected, Swarm};
use potluck_bittorrent::holepunch::PunchGate;
use potluck_bittorrent::session::MAX_QUEUED_UPLOADS;
use potluck_bittorrent::wire::PeerId;
use potluck_bittorrent::wire::extended::{
    ExtendedHandshake, Extension, PexFlags, PexGate, PexSender,
};
use potluck_content::PieceSet;
use potluck_transfer::SourceId;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Peers that are refused, as they are told.
const MAX_BANNED_TOLD: usize = 32;
/// Turns to ask in a row that may come to nothing.
const MAX_VAIN: u32 = 8;
/// Rates are taken over so many ticks.
const RATE_TICKS: usize = 12;

/// A peer that is connected.
pub(super) struct Member {
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) is_outgoing: bool,
    /// What it is called when it is no connection of this torrent: a web seed, a copy on this machine, a
    /// peer that another torrent lends.
    pub(super) guest: Option<Guest>,
    /// For whom else it is asked.
    pub(super) loans: Vec<LoanOut>,
    /// Where it listens, if that is known.
    pub(super) listens: Option<SocketAddr>,
    pub(super) client: Option<String>,
    pub(super) claims: PieceSet,
    /// It answers no requests now.
    pub(super) chokes: bool,
    pub(super) interested: bool,
    /// It has something that is wanted.
    pub(super) we_want: bool,
    pub(super) upload_only: bool,
    /// Since when it wants nothing of the pieces that it is shown one by one, at most.
    pub(super) shown_since: Option<Instant>,
    pub(super) source: Option<SourceId>,
    /// It was asked for pieces since it let us ask.
    pub(super) asked: bool,
    /// How often it let us ask and took that back without an answer.
    pub(super) vain: Vain,
    /// Bytes of blocks that came from it.
    pub(super) received: u64,
    /// Bytes of pieces that it made whole.
    pub(super) delivered: u64,
    pub(super) sent: u64,
    pub(super) down: Meter,
    pub(super) up: Meter,
    pub(super) pex_gate: PexGate,
    pub(super) pex_sender: PexSender,
    pub(super) takes_pex: bool,
    pub(super) takes_holepunch: bool,
    pub(super) punch_gate: PunchGate,
    /// It was reached with help.
    pub(super) was_punched: bool,
    /// How it is reached, for people.
    pub(super) way: String,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

/// A source that is no connection of this torrent.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) name: String,
    /// Its bytes come from this machine: nothing is fetched.
    pub(super) is_local: bool,
}

/// Turns to ask that came to nothing.
#[derive(Default)]
pub(super) struct Vain {
    turns: u32,
    received_before: u64,
}

impl Vain {
    /// It lets us ask.
    pub(super) fn begin(&mut self, received: u64) {
        self.received_before = received;
    }

    /// It takes that back. True when it did so too often without an answer.
    pub(super) fn end(&mut self, received: u64, was_asked: bool) -> bool {
        if received > self.received_before {
            self.turns = 0;
        } else if was_asked {
            self.turns += 1;
        }
        self.turns >= MAX_VAIN
    }
}

/// A rate over the last few ticks.
#[derive(Default)]
pub(super) struct Meter(VecDeque<(Instant, u64)>);

impl Meter {
    pub(super) fn sample(&mut self, total: u64) {
        if self.0.len() >= RATE_TICKS {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), total));
    }

    /// Bytes a second.
    pub(super) fn rate(&self) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return 0;
        };
        let millis = last.0.duration_since(first.0).as_millis();
        let bytes = u128::from(last.1 - first.1) * 1000;
        u64::try_from(bytes.checked_div(millis).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

impl Member {
    pub(super) fn new(
        hello: Hello,
        (address, is_outgoing): (SocketAddr, bool),
        pieces: u32,
        commands: mpsc::Sender<Command>,
        task: JoinHandle<()>,
        way: String,
    ) -> Self {
        Self {
            id: hello.peer,
            address,
            is_outgoing,
            listens: is_outgoing.then_some(address),
            guest: None,
            loans: Vec::new(),
            client: None,
            claims: PieceSet::new(pieces),
            chokes: true,
            interested: false,
            we_want: false,
            upload_only: false,
            shown_since: None,
            source: None,
            asked: false,
            vain: Vain::default(),
            received: 0,
            delivered: 0,
            sent: 0,
            down: Meter::default(),
            up: Meter::default(),
            pex_gate: PexGate::default(),
            pex_sender: PexSender::default(),
            takes_pex: false,
            takes_holepunch: false,
            punch_gate: PunchGate::default(),
            was_punched: false,
            way,
            commands,
            task,
        }
    }

    /// Tells the connection something. One that takes nothing more is ended.
    pub(super) fn tell(&mut self, command: Command) {
        if self.commands.try_send(command).is_err() {
            self.task.abort();
        }
    }

    /// Whether its bytes come from this machine.
    pub(super) fn is_local(&self) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.is_local)
    }

    /// How people tell it from others.
    pub(super) fn name(&self) -> String {
        match &self.guest {
            Some(guest) => guest.name.clone(),
            None => self.listens.unwrap_or(self.address).to_string(),
        }
    }

    /// To ask it on behalf of another torrent.
    pub(super) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Whether its connection ended without a word.
    fn is_dead(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Swarm {
    /// What a new connection is told of this node.
    pub(super) fn greeting<S>(&self, new: &Connected<S>) -> ExtendedHandshake {
        let content = self.content.as_ref();
        let is_private = content.is_some_and(|content| content.metainfo.info().is_private());
        let taken = Extension::ALL
            .into_iter()
            .filter(|extension| match extension {
                Extension::Pex => !is_private,
                Extension::Metadata | Extension::DontHave => true,
                Extension::Holepunch => self.may_punch(),
            });
        let info_bytes = content.map(|content| content.metainfo.info().bytes().len());
        ExtendedHandshake {
            client: Some(format!("Potluck {}", env!("CARGO_PKG_VERSION"))),
            port: self
                .ctx
                .torrents
                .announced_port()
                .filter(|_| new.is_outgoing),
            max_requests: Some(MAX_QUEUED_UPLOADS),
            metadata_bytes: info_bytes.and_then(|bytes| u32::try_from(bytes).ok()),
            your_ip: Some(new.address.ip()),
            upload_only: Some(self.is_seed() && self.showing.is_none()),
            ..ExtendedHandshake::taking(taken)
        }
    }

    /// What a peer tells of itself.
    pub(super) fn introduced(&mut self, key: PeerKey, handshake: &ExtendedHandshake) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if handshake.client.is_some() {
            member.client.clone_from(&handshake.client);
        }
        if let Some(upload_only) = handshake.upload_only {
            member.upload_only = upload_only;
        }
        let takes = |extension| handshake.messages.get(&extension).is_some_and(|id| *id > 0);
        member.takes_pex |= takes(Extension::Pex);
        member.takes_holepunch |= takes(Extension::Holepunch);
        if let (false, Some(port)) = (member.is_outgoing, handshake.port) {
            let listens = SocketAddr::new(member.address.ip(), port);
            member.listens = Some(listens);
            self.addresses.add(listens, From::Itself, Instant::now());
            self.addresses.connected(&listens);
        }
        if let Some(bytes) = handshake.metadata_bytes {
            self.learning.add_peer(key, bytes);
        }
    }

    /// A connection is gone.
    pub(super) fn gone(&mut self, key: PeerKey, reason: &Gone) {
        let Some(member) = self.members.remove(&key) else {
            return;
        };
        tracing::debug!(address = %member.address, ?reason, "a peer is gone");
        if member.delivered > 0 {
            self.delivered.insert(member.name(), member.delivered);
        }
        self.leave_plan(member.source);
        if member.is_local() {
            // What was to come from here is asked of others again.
            self.reserve(&PieceSet::new(member.claims.len()));
        }
        self.learning.remove_peer(key);
        self.introductions.gone(key);
        self.shows_no_more(key, &member.claims);
        let now = self.now();
        self.choker.remove_peer(now, key);
        if let Some(listens) = member.listens {
            let worked = *reason == Gone::Ended || member.received > 0 || member.sent > 0;
            self.addresses.ended(&listens, worked, Instant::now());
        }
        if let Gone::Violation(what) = reason {
            self.refuse(member.address, what);
        }
    }

    /// Whether all is here, or nothing more is wanted.
    pub(super) fn is_seed(&self) -> bool {
        let content = self.content.as_ref();
        content.is_some_and(|content| content.is_finished())
    }

    /// Two seeds are of no use to each other.
    pub(super) fn part_from(&mut self, key: PeerKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let (address, listens) = (member.address, member.listens);
        self.met_seed();
        self.gone(key, &Gone::Ended);
        self.addresses.forget(&address);
        if let Some(listens) = listens {
            self.addresses.forget(&listens);
        }
    }

    /// Ends a connection and refuses the peer from now on.
    pub(super) fn ban(&mut self, key: PeerKey, reason: &str) {
        // Copies on this machine keep count of their own wrong pieces.
        if self.members.get(&key).is_some_and(Member::is_local) {
            return;
        }
        let Some(address) = self.members.get(&key).map(|member| member.address) else {
            return;
        };
        self.gone(key, &Gone::Ended);
        self.refuse(address, reason);
    }

    fn refuse(&mut self, address: SocketAddr, reason: &str) {
        tracing::warn!(%address, %reason, "a BitTorrent peer is refused");
        // Guests have no address by which they could be refused.
        if !address.ip().is_unspecified() {
            self.addresses.ban(address.ip());
            self.addresses.forget(&address);
        }
        if self.banned.len() >= MAX_BANNED_TOLD {
            self.banned.remove(0);
        }
        self.banned.push((address.to_string(), reason.to_owned()));
    }

    /// Connections that have ended.
    pub(super) fn dead(&self) -> Vec<PeerKey> {
        let dead = self.members.iter().filter(|(_, member)| member.is_dead());
        dead.map(|(key, _)| *key).collect()
    }

    /// Samples rates, forgets connections that ended without a word, tells peers of each other.
    pub(super) fn tick_members(&mut self, dead: Vec<PeerKey>) {
        for key in dead {
            self.gone(key, &Gone::Lost("the connection took no more".to_owned()));
        }
        for member in self.members.values_mut() {
            member.down.sample(member.received);
            member.up.sample(member.sent);
        }
        self.tell_of_each_other();
    }

    fn tell_of_each_other(&mut self) {
        let content = self.content.as_ref();
        if content.is_none_or(|content| content.metainfo.info().is_private()) {
            return;
        }
        let now = self.now();
        let due = |member: &Member| member.takes_pex && member.pex_sender.poll_timeout() <= now;
        if !self.members.values().any(due) {
            return;
        }
        let connected: BTreeMap<SocketAddr, PexFlags> = self
            .members
            .values()
            .filter_map(|member| {
                let flags = PexFlags {
                    upload_only: member.upload_only,
                    utp: member.way.starts_with(UTP),
                    holepunch: member.takes_holepunch,
                    reachable: member.is_outgoing && !member.was_punched,
                    ..PexFlags::default()
                };
                Some((member.listens?, flags))
            })
            .collect();
        for member in self.members.values_mut().filter(|member| due(member)) {
            let mut others = connected.clone();
            if let Some(own) = member.listens {
                others.remove(&own);
            }
            if let Some(pex) = member.pex_sender.poll(now, &others) {
                member.tell(Command::Pex(pex));
            }
        }
    }
}
