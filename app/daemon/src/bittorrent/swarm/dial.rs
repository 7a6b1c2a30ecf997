//! Connections that this node makes, and those that others made to it.

use super::super::hello;
use super::super::news::Gone;
use super::super::peer::{self, Setup};
use super::super::reach::Reach;
use super::super::web_peer::{self, WebSetup};
use super::super::{Incoming, PeerKey, guest_address};
use super::guests::Described;
use super::members::{Guest, Member};
use super::{Connected, Swarm};
use potluck_bittorrent::web_seed::WebLayout;
use potluck_bittorrent_net::stream::{PeerStream, Transport};
use potluck_bittorrent_net::web_seed::{WebSeed, WebSeedTimes};
use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Peers that this node connects to by itself, at most.
const MAX_OUTGOING: usize = 50;
/// Peers of one torrent, at most.
pub(super) const MAX_MEMBERS: usize = 100;
/// Connections that are being made at a time.
const MAX_DIALING: usize = 16;
/// How connections over uTP are called.
pub(super) const UTP: &str = "uTP";
/// Web seeds that are asked, at most.
const MAX_WEB_SEEDS: usize = 8;

/// What came of an attempt to connect.
pub(super) struct Dialed {
    pub(super) address: SocketAddr,
    /// With the help of another peer.
    pub(super) was_punched: bool,
    pub(super) result: Result<(PeerStream, hello::Hello), String>,
}

impl Swarm {
    /// Whether more peers are of use.
    fn wants_peers(&self) -> bool {
        // Who has all looks for peers too: some can't be reached, or don't know of this node.
        self.plan.as_ref().is_none_or(|plan| !plan.is_complete)
    }

    /// Connects to peers while more are of use.
    pub(super) fn dial(&mut self) {
        while self.wants_peers()
            && self.dialing.len() < MAX_DIALING
            && self.members.len() + self.dialing.len() < MAX_OUTGOING
        {
            let Some(address) = self.addresses.next(Instant::now()) else {
                return;
            };
            if self.ctx.torrents.blocked.refuses(address.ip()) {
                self.addresses.forget(&address);
                continue;
            }
            if self.introductions.needs_help(&address) {
                self.ask_for_help(address);
            }
            let reach = Reach::new(&self.ctx, self.hashes);
            self.dialing.spawn(async move {
                let result = reach.peer(address).await;
                Dialed {
                    address,
                    was_punched: false,
                    result,
                }
            });
        }
    }

    pub(super) fn dialed(&mut self, dialed: Dialed) {
        let Dialed {
            address,
            was_punched,
            result,
        } = dialed;
        if was_punched {
            self.punching.remove(&address);
        }
        match result {
            Ok((stream, hello)) => self.join(Connected {
                stream,
                hello,
                address,
                is_outgoing: true,
                was_punched,
            }),
            Err(reason) => {
                tracing::debug!(%address, was_punched, %reason, "no connection to a peer");
                // Those that were helped with are tried in the common way by themselves.
                if !was_punched {
                    self.addresses.ended(&address, false, Instant::now());
                    self.ask_for_help(address);
                }
            }
        }
    }

    /// Takes in a peer that connected to this node.
    pub(super) fn admit(&mut self, incoming: Incoming) {
        let Incoming {
            stream,
            hello,
            address,
        } = incoming;
        if self.addresses.is_banned(address.ip()) {
            return;
        }
        self.join(Connected {
            stream,
            hello,
            address,
            is_outgoing: false,
            was_punched: false,
        });
    }

    /// Starts a connection, unless it leads to who is connected already, or to this node itself.
    fn join(&mut self, new: Connected<PeerStream>) {
        let id = new.hello.peer;
        if id == self.ctx.torrents.id() {
            self.addresses.forget(&new.address);
            return;
        }
        let twin = self.members.iter().find(|(_, member)| member.id == id);
        if let Some(twin) = twin.map(|(key, _)| *key)
            && !self.gives_way(twin, &new)
        {
            return;
        }
        if self.members.len() >= MAX_MEMBERS {
            if new.is_outgoing {
                self.addresses.ended(&new.address, false, Instant::now());
            }
            return;
        }
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        let shows = self.is_showing();
        let (commands, received) = mpsc::channel(peer::COMMANDS);
        let setup = Setup {
            ctx: Arc::clone(&self.ctx),
            key,
            hello: new.hello,
            greeting: self.greeting(&new),
            content: self.content.clone(),
            shows,
            allowances: self.allowances.clone(),
            news: self.news.clone(),
            commands: received,
        };
        let way = way(&new.stream);
        let task = tokio::spawn(peer::run(new.stream, setup));
        let pieces = self
            .content
            .as_ref()
            .map_or(0, |content| content.geometry.pieces());
        let mut member = Member::new(
            new.hello,
            (new.address, new.is_outgoing),
            pieces,
            commands,
            task,
            way,
        );
        if let Some(listens) = member.listens {
            self.addresses.connected(&listens);
        }
        member.was_punched = new.was_punched;
        self.members.insert(key, member);
        let now = self.now();
        self.choker.add_peer(now, key, false);
        self.learning.joined(key);
        if shows {
            self.show_to(key);
        }
    }
}

impl Swarm {
    /// Ends a connection to a peer in favour of another one to it, if that is the one to keep: of two
    /// that each side made, the one that was made from the lower port, or by who has the lesser name where
    /// ports don't tell. So does libtorrent; were each side to keep its own choice, both could end.
    fn gives_way<S>(&mut self, twin: PeerKey, new: &Connected<S>) -> bool {
        let Some(member) = self.members.get_mut(&twin) else {
            return true;
        };
        let is_crossed = member.is_outgoing != new.is_outgoing
            && member.address.ip().to_canonical() == new.address.ip().to_canonical();
        let (made, was_punched) = match new.is_outgoing {
            true => (new.address, new.was_punched),
            false => (member.address, member.was_punched),
        };
        let by_name = self.ctx.torrents.id().cmp(&member.id);
        let by_port = match (was_punched, self.ctx.torrents.announced_port()) {
            (false, Some(ours)) => ours.cmp(&made.port()),
            // Routers in between give other ports.
            _ => Ordering::Equal,
        };
        let keeps_new = match by_port.then(by_name) {
            Ordering::Less => new.is_outgoing,
            Ordering::Greater => !new.is_outgoing,
            Ordering::Equal => false,
        };
        if is_crossed && keeps_new {
            self.gone(twin, &Gone::Ended);
            return true;
        }
        if new.is_outgoing {
            // It is there: it is dialed again when it is gone.
            let listens = *member.listens.get_or_insert(new.address);
            if listens != new.address {
                self.addresses.ended(&new.address, false, Instant::now());
            }
        }
        false
    }

    /// Asks web servers too.
    pub(super) fn join_web_seeds(&mut self) {
        let Some(content) = self.content.clone() else {
            return;
        };
        let files = Arc::new(WebLayout::new(content.metainfo.info()));
        let mut urls = std::mem::take(&mut self.web_seeds);
        urls.sort();
        urls.dedup();
        for url in urls.into_iter().take(MAX_WEB_SEEDS) {
            let seed = WebSeed::new(&url, Arc::clone(&files), WebSeedTimes::default());
            let Ok(seed) = seed else {
                continue;
            };
            let described = Described {
                guest: Guest {
                    name: url,
                    is_local: false,
                },
                address: guest_address(),
                client: None,
                way: "web".to_owned(),
            };
            let content = Arc::clone(&content);
            self.welcome(described, |swarm, key, commands| {
                tokio::spawn(web_peer::run(WebSetup {
                    ctx: Arc::clone(&swarm.ctx),
                    key,
                    seed,
                    content,
                    down: swarm.allowances.down.clone(),
                    news: swarm.news.clone(),
                    commands,
                }))
            });
        }
    }
}

/// How a peer is reached, for people.
fn way(stream: &PeerStream) -> String {
    let transport = match stream.transport() {
        Transport::Tcp => "TCP",
        Transport::Utp => UTP,
    };
    let hidden = if stream.is_encrypted() {
        ", encrypted"
    } else {
        ""
    };
    format!("{transport}{hidden}")
}
