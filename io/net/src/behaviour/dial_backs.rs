//! Dial-backs: connections to peers that asked whether they can be reached (AutoNAT v2).
//!
//! The library's behaviour dials whoever asks, as many at once as ask, and leaves the connections
//! open. Here they are few, and each is known by its id, so that it can be closed once the peer has
//! its answer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, autonat,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, derive_prelude::Either,
    },
};
use tokio::time::Instant;

type Inner = autonat::v2::server::Behaviour;

/// Dial-backs at once. A peer that asks beyond them is told that something went wrong here, which
/// it takes for no answer, and asks again or somebody else.
const MAX_DIAL_BACKS: usize = 8;

/// A dial-back that takes longer than this is given up: the answer has not been awaited for long.
const TIME: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug)]
pub(crate) enum DialBackEvent {
    /// A peer got an answer.
    Answered,
    /// A connection has served its purpose.
    Over {
        /// Who asked.
        peer: PeerId,
        /// The connection that was made to find out.
        connection: ConnectionId,
    },
}

#[derive(Debug)]
struct DialBack {
    peer: PeerId,
    since: Instant,
}

/// See the module.
pub(crate) struct DialBacks {
    inner: Inner,
    running: HashMap<ConnectionId, DialBack>,
    over: VecDeque<DialBackEvent>,
    is_room: Arc<AtomicBool>,
}

impl DialBacks {
    /// Dials nobody while there is no room for it: a dial that a limit stops would be taken for
    /// one that did not reach the peer.
    pub(crate) fn new(is_room: Arc<AtomicBool>) -> Self {
        Self {
            inner: Inner::default(),
            running: HashMap::new(),
            over: VecDeque::new(),
            is_room,
        }
    }

    /// Gives up what takes too long.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let late = |(id, running): (&ConnectionId, &DialBack)| {
            (now.duration_since(running.since) >= TIME).then_some(*id)
        };
        let late: Vec<ConnectionId> = self.running.iter().filter_map(late).collect();
        for connection in late {
            self.end(connection);
        }
    }

    fn is_busy(&self) -> bool {
        self.running.len() >= MAX_DIAL_BACKS || !self.is_room.load(Ordering::Relaxed)
    }

    fn end(&mut self, connection: ConnectionId) {
        if let Some(DialBack { peer, .. }) = self.running.remove(&connection) {
            self.over
                .push_back(DialBackEvent::Over { peer, connection });
        }
    }
}

impl NetworkBehaviour for DialBacks {
    type ConnectionHandler = THandler<Inner>;
    type ToSwarm = DialBackEvent;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(closed) => {
                self.running.remove(&closed.connection_id);
            }
            FromSwarm::DialFailure(failure) => {
                self.running.remove(&failure.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match &event {
            // Dropping the command is the answer that something went wrong here.
            Either::Right(Either::Left(_)) if self.is_busy() => return,
            Either::Left(Either::Left(_)) => self.end(connection),
            _ => {}
        }
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(over) = self.over.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(over));
        }
        let Poll::Ready(event) = self.inner.poll(cx) else {
            return Poll::Pending;
        };
        if let ToSwarm::Dial { opts } = &event
            && let Some(peer) = opts.get_peer_id()
        {
            let since = Instant::now();
            self.running
                .insert(opts.connection_id(), DialBack { peer, since });
        }
        Poll::Ready(event.map_out(|_| DialBackEvent::Answered))
    }
}
