//! Nodes tell their neighbours what is new.

use std::time::Duration;

use crate::event::{ConnId, Event, NodeId};
use crate::world::World;

/// News are gathered for this long.
const GATHER: Duration = Duration::from_millis(50);

impl World {
    pub(crate) fn plan_gossip(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if !node.gossip_due {
            node.gossip_due = true;
            self.queue
                .push(self.now + GATHER, Event::Gossip { node: id });
        }
    }

    pub(crate) fn gossip(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        node.gossip_due = false;
        if !node.online || node.takes_only {
            return;
        }
        let ranges = node.take_news();
        let conns: Vec<ConnId> = node.conns.iter().copied().collect();
        for conn in conns {
            // Those who have everything wouldn't listen.
            if self.nodes[self.conns[conn].other(id)].is_hungry() {
                self.send(conn, id, Self::have(&ranges));
            }
        }
    }
}
