//! What handles ask of the actor.

use libp2p::{Multiaddr, PeerId};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::Actor;
use crate::{DialError, FindEvent, PeerInfo, ProvideError};

/// Where the result of a dial goes.
pub(crate) type DialReply = oneshot::Sender<Result<PeerId, DialError>>;

/// A request of a handle.
#[derive(Debug)]
pub(crate) enum Command {
    Dial {
        address: Multiaddr,
        reply: DialReply,
    },
    Connect {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: DialReply,
    },
    Peers {
        reply: oneshot::Sender<Vec<PeerInfo>>,
    },
    Provide {
        key: Vec<u8>,
        reply: oneshot::Sender<Result<(), ProvideError>>,
    },
    StopProviding {
        key: Vec<u8>,
    },
    Find {
        key: Vec<u8>,
        found: mpsc::Sender<FindEvent>,
    },
    Listen {
        key: Vec<u8>,
        announced: mpsc::Sender<PeerId>,
    },
    Ban {
        peer: PeerId,
        reply: oneshot::Sender<()>,
    },
    Unban {
        peer: PeerId,
        reply: oneshot::Sender<()>,
    },
    Disconnect {
        peer: PeerId,
    },
    Shutdown,
}

impl Actor {
    pub(super) fn on_command(&mut self, command: Command) {
        // An answer that cannot be sent is one that nobody waits for any more.
        match command {
            Command::Dial { address, reply } => self.dial(address, reply),
            Command::Connect {
                peer,
                addresses,
                reply,
            } => self.connect(peer, addresses, reply),
            Command::Peers { reply } => {
                let _ = reply.send(self.peers.report(&self.routes));
            }
            Command::Provide { key, reply } => {
                let _ = reply.send(self.provide(key));
            }
            Command::StopProviding { key } => self.stop_providing(&key),
            Command::Find { key, found } => self.find(key, found, Instant::now()),
            Command::Listen { key, announced } => self.finds.listen(key, announced),
            Command::Ban { peer, reply } => {
                self.ban(peer);
                let _ = reply.send(());
            }
            Command::Unban { peer, reply } => {
                self.swarm.behaviour_mut().banned.unblock_peer(peer);
                let _ = reply.send(());
            }
            Command::Disconnect { peer } => self.disconnect(peer),
            // The loop ends before it gets here.
            Command::Shutdown => {}
        }
    }

    fn ban(&mut self, peer: PeerId) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.banned.block_peer(peer);
        behaviour.kad.remove_peer(&peer);
        self.records
            .forget(&peer, &mut self.swarm.behaviour_mut().kad);
    }

    fn disconnect(&mut self, peer: PeerId) {
        // Fails only when there is no connection, which is what was asked for.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.swarm.behaviour().banned.blocked_peers().contains(peer)
    }
}
