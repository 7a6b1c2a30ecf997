//! The one task that owns the swarm. Its loop only dispatches; each concern has a file below.

mod announce;
mod commands;
mod dial;
mod events;
mod find;
mod lan;
mod maintain;
mod peers;
mod reach;
mod records;
mod scope;
mod start;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use libp2p::Swarm;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

pub(crate) use self::{commands::Command, start::start};
use crate::{NetEvent, NetLimits, behaviour::Behaviour, handle::Shared, routes::RouteControl};

/// How often the slow chores are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long closing all connections may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The actor's state. Each part belongs to one file.
pub(crate) struct Actor {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    routes: RouteControl,
    events: mpsc::Sender<NetEvent>,
    limits: NetLimits,
    peers: peers::Peers,
    dials: dial::Dials,
    finds: find::Finds,
    announcer: announce::Announcer,
    records: records::Records,
    reach: reach::Reach,
    lan: lan::Lan,
    listeners: start::Listeners,
    ticks: u64,
}

impl Actor {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let announce = self.announcer.wake_at();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Shutdown) | None => break,
                    Some(command) => self.on_command(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                () = wait_until(announce) => self.announce(Instant::now()),
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
        }
        self.close().await;
        // Whoever waits for the end sees it when the commands are gone: the swarm goes first.
        drop(self);
        drop(commands);
    }

    /// Tells peers that the connections end, as far as that goes quickly.
    async fn close(&mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Fails only when the peer has just gone by itself.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let all_gone = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, all_gone).await;
    }

    fn emit(&self, event: NetEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::warn!(?event, "event dropped: nobody reads them");
        }
    }
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
