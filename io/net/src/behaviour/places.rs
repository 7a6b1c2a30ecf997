//! Who may take one of the node's connections.
//!
//! There are three kinds: those that others make; those that parts of the swarm make by themselves,
//! such as questions to the distributed hash table and dial-backs for peers that want to know
//! whether they can be reached; and those that the owner's work needs. Strangers decide how many of
//! the first two there are, so places are kept that only the third kind gets.
//!
//! A place is taken when a connection begins, not when it stands: a full node refuses others before
//! it spends a handshake on them. Only a few are let go on then, without a place, because some turn
//! out to be bulk lanes of peers that are connected already.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    memory_connection_limits as memory_limits,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::NetLimits;

/// Share of the memory limit from which on others are refused. The rest is for the owner's own
/// connections, and for what those that stand still grow by.
const MEMORY_FOR_OTHERS_PERCENT: u64 = 90;

/// Incoming connections at once that are looked at although all places are taken.
const MAX_WITHOUT_PLACE: usize = 16;

/// No place is free for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    /// For one that somebody else makes.
    #[error("all {0} places for connections that others make are taken")]
    Incoming(usize),
    /// For one that the swarm makes by itself.
    #[error("all {0} places for connections that nobody asked for are taken")]
    Background(usize),
    /// Too many that the swarm makes by itself are being set up.
    #[error("{0} connections that nobody asked for are being set up")]
    BackgroundPending(usize),
    /// For one that the owner's work needs.
    #[error("all {0} connections are in use")]
    Own(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Incoming,
    Background,
    Own,
}

/// Up to how many places a kind may be given one.
#[derive(Debug)]
struct Ceilings {
    /// Of others and the swarm's together.
    incoming: usize,
    /// The same, for the swarm's: it gets some when others have taken all of theirs, since a
    /// download must be able to ask the distributed hash table then as well.
    background: usize,
    background_pending: usize,
    all: usize,
}

/// See the module.
pub(crate) struct Places {
    ceilings: Ceilings,
    memory: Option<memory_limits::Behaviour>,
    taken: HashMap<ConnectionId, Kind>,
    /// How many of those are not the owner's.
    strangers: usize,
    /// Incoming ones that began when there was no place.
    without_place: HashSet<ConnectionId>,
    /// The swarm's own that do not stand yet.
    background_pending: HashSet<ConnectionId>,
    /// The owner's that are about to begin.
    announced: HashSet<ConnectionId>,
    for_background: Arc<AtomicBool>,
}

impl Places {
    pub(crate) fn new(limits: &NetLimits) -> Self {
        let all = limits.max_connections as usize;
        let kept = all / 10;
        let memory = limits.max_memory_bytes.map(|max| {
            let max = max / 100 * MEMORY_FOR_OTHERS_PERCENT;
            memory_limits::Behaviour::with_max_bytes(usize::try_from(max).unwrap_or(usize::MAX))
        });
        Self {
            ceilings: Ceilings {
                incoming: all - kept,
                background: all - kept + kept / 2,
                background_pending: (limits.max_pending as usize / 2).max(1),
                all,
            },
            memory,
            taken: HashMap::new(),
            strangers: 0,
            without_place: HashSet::new(),
            background_pending: HashSet::new(),
            announced: HashSet::new(),
            for_background: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Tells whether the swarm could have another connection, for those that would rather not ask
    /// for one than be refused.
    pub(crate) fn for_background(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.for_background)
    }

    /// Says that the connection with this id, which is dialed next, is for the owner's work.
    pub(crate) fn announce_own(&mut self, id: ConnectionId) {
        self.announced.insert(id);
    }

    /// Whether the owner's work could have another connection.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.len() >= self.ceilings.all
    }

    /// Gives the place of a connection that is being closed to the next one.
    pub(crate) fn give_up(&mut self, id: ConnectionId) {
        self.announced.remove(&id);
        self.without_place.remove(&id);
        self.background_pending.remove(&id);
        if let Some(kind) = self.taken.remove(&id)
            && kind != Kind::Own
        {
            self.strangers -= 1;
        }
        self.tell();
    }

    fn tell(&self) {
        let free = self.background().is_ok();
        self.for_background.store(free, Ordering::Relaxed);
    }

    fn background(&self) -> Result<(), NoPlace> {
        let ceilings = &self.ceilings;
        if self.is_full() || self.strangers >= ceilings.background {
            Err(NoPlace::Background(ceilings.background))
        } else if self.background_pending.len() >= ceilings.background_pending {
            Err(NoPlace::BackgroundPending(ceilings.background_pending))
        } else {
            Ok(())
        }
    }

    fn take(&mut self, id: ConnectionId, kind: Kind) -> Result<(), NoPlace> {
        let ceilings = &self.ceilings;
        let full = self.is_full();
        match kind {
            Kind::Incoming if full || self.strangers >= ceilings.incoming => {
                return Err(NoPlace::Incoming(ceilings.incoming));
            }
            Kind::Own if full => return Err(NoPlace::Own(ceilings.all)),
            Kind::Background => self.background()?,
            Kind::Incoming | Kind::Own => {}
        }
        if kind == Kind::Background {
            self.background_pending.insert(id);
        }
        self.strangers += usize::from(kind != Kind::Own);
        self.taken.insert(id, kind);
        self.tell();
        Ok(())
    }
}

impl NetworkBehaviour for Places {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if let Some(memory) = &mut self.memory {
            memory.handle_pending_inbound_connection(id, local, remote)?;
        }
        match self.take(id, Kind::Incoming) {
            Err(_) if self.without_place.len() < MAX_WITHOUT_PLACE => {
                self.without_place.insert(id);
                Ok(())
            }
            taken => taken.map_err(ConnectionDenied::new),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.without_place.remove(&id) {
            self.take(id, Kind::Incoming)
                .map_err(ConnectionDenied::new)?;
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let kind = if self.announced.remove(&id) {
            Kind::Own
        } else {
            Kind::Background
        };
        if kind == Kind::Background
            && let Some(memory) = &mut self.memory
        {
            memory.handle_pending_outbound_connection(id, peer, addresses, role)?;
        }
        self.take(id, kind).map_err(ConnectionDenied::new)?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.background_pending.remove(&id);
        self.tell();
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.give_up(closed.connection_id),
            FromSwarm::DialFailure(failure) => self.give_up(failure.connection_id),
            FromSwarm::ListenFailure(failure) => self.give_up(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max_connections: u32) -> Places {
        Places::new(&NetLimits {
            max_connections,
            max_pending: 8,
            ..NetLimits::default()
        })
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn dial(places: &mut Places, number: usize) -> bool {
        places
            .handle_pending_outbound_connection(id(number), None, &[], Endpoint::Dialer)
            .is_ok()
    }

    #[test]
    fn others_and_the_swarm_leave_places_for_the_owner() {
        let mut places = places(40);
        for number in 0..36 {
            assert_eq!(places.take(id(number), Kind::Incoming), Ok(()));
        }
        let refused = places.take(id(99), Kind::Incoming);
        assert_eq!(refused, Err(NoPlace::Incoming(36)));
        let for_background = places.for_background();
        assert!(dial(&mut places, 36) && for_background.load(Ordering::Relaxed));
        assert!(dial(&mut places, 37) && !for_background.load(Ordering::Relaxed));
        assert!(!dial(&mut places, 99), "the swarm took the owner's places");
        for number in 38..40 {
            assert!(!places.is_full());
            places.announce_own(id(number));
            assert!(dial(&mut places, number));
        }
        assert!(places.is_full());
        places.announce_own(id(99));
        assert!(!dial(&mut places, 99));
    }

    #[test]
    fn the_owner_may_use_all_places_and_then_nobody_else_gets_one() {
        let mut places = places(10);
        for number in 0..10 {
            places.announce_own(id(number));
            assert!(dial(&mut places, number));
        }
        let refused = places.take(id(99), Kind::Incoming);
        assert_eq!(refused, Err(NoPlace::Incoming(9)));
        assert!(!dial(&mut places, 99));
    }

    #[test]
    fn a_place_is_free_again_once_given_up_and_only_once() {
        let mut places = places(10);
        for number in 0..9 {
            assert_eq!(places.take(id(number), Kind::Incoming), Ok(()));
        }
        places.give_up(id(3));
        places.give_up(id(3));
        assert_eq!(places.take(id(10), Kind::Incoming), Ok(()));
        assert!(places.take(id(11), Kind::Incoming).is_err());
    }

    #[test]
    fn a_full_node_looks_at_a_few_more_and_gives_them_no_place() {
        let mut places = places(10);
        let nowhere = Multiaddr::empty();
        let begins = |places: &mut Places, number| {
            let begun = places.handle_pending_inbound_connection(id(number), &nowhere, &nowhere);
            begun.is_ok()
        };
        let stands = |places: &mut Places, number| {
            let peer = PeerId::random();
            let local = &nowhere;
            let stands =
                places.handle_established_inbound_connection(id(number), peer, local, local);
            stands.is_ok()
        };
        let all = 9 + MAX_WITHOUT_PLACE;
        assert!((0..all).all(|number| begins(&mut places, number)));
        assert!(!begins(&mut places, 99));
        assert!((0..9).all(|number| stands(&mut places, number)));
        assert!(!stands(&mut places, 9));
        // One that turned out to be a lane, or failed, lets another be looked at; and one that
        // finds a place by then gets it.
        places.give_up(id(10));
        assert!(begins(&mut places, 98) && begins(&mut places, 97));
        assert!(!begins(&mut places, 99));
        places.give_up(id(0));
        assert!(stands(&mut places, 98) && !stands(&mut places, 97));
    }

    #[test]
    fn few_of_the_swarms_own_are_set_up_at_once() {
        let mut places = places(100);
        assert!((0..4).all(|number| dial(&mut places, number)));
        assert!(!dial(&mut places, 4));
        places.announce_own(id(5));
        assert!(dial(&mut places, 5), "the owner need not wait for those");
        places.background_pending.remove(&id(0));
        assert!(dial(&mut places, 6));
    }
}
