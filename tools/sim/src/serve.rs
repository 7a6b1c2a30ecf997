//! The serving side: requests queue in the uploader, granted ones share the uplink.

use std::rc::Rc;

use potluck_transfer::{Content, RequestId};

use crate::event::{Chunk, ConnId, Event, FlowId, NodeId, Refusal};
use crate::network::time_for;
use crate::node::{Asked, Flow, Manners, Node};
use crate::world::World;

/// Bytes that go over a link at once.
const CHUNK: u64 = 64 * 1024;
/// A flow may have this much under way: the window of a transport that pushes back.
const WINDOW: u64 = 512 * 1024;

impl Node {
    pub(crate) fn is_liar(&self) -> bool {
        self.manners != Manners::Honest
    }
}

impl World {
    pub(crate) fn asked(
        &mut self,
        conn: ConnId,
        id: NodeId,
        request: RequestId,
        pieces: Rc<[u32]>,
    ) {
        match self.nodes[id].manners {
            Manners::NeverAnswers => return,
            Manners::SaysItHasNothing => {
                let piece = pieces.first().copied().unwrap_or(0);
                self.refuse(conn, id, request, Refusal::NotHave { piece });
                return;
            }
            Manners::Honest | Manners::SendsWrongBytes => {}
        }
        let honest = self.nodes[id].manners == Manners::Honest;
        if let Some(piece) = pieces
            .iter()
            .find(|piece| honest && !self.nodes[id].has(**piece))
        {
            self.broken = Some(format!(
                "node {id} was asked for piece {piece}, which it hasn't"
            ));
            return;
        }
        self.last_id += 1;
        let ticket = self.last_id;
        let from = self.conns[conn].other(id);
        let bytes = pieces
            .iter()
            .map(|piece| self.layout.piece(*piece).bytes)
            .sum();
        let peer = self.nodes[from].peer;
        let now = self.now;
        let node = &mut self.nodes[id];
        let content = Content {
            whole: 0,
            parts: pieces.iter().map(|piece| u64::from(*piece)).collect(),
        };
        if node
            .uploader
            .enqueue_for(now, peer, ticket, bytes, content)
            .is_err()
        {
            self.refuse(conn, id, request, Refusal::Busy);
            return;
        }
        node.asked.insert(
            ticket,
            Asked {
                conn,
                from,
                request,
                pieces,
                flow: None,
            },
        );
        node.tickets.insert((conn, request), ticket);
        self.serve(id);
    }

    /// Starts what the uploader grants.
    pub(crate) fn serve(&mut self, id: NodeId) {
        let now = self.now;
        while let Some(grant) = self.nodes[id].uploader.poll(now) {
            self.last_id += 1;
            let flow = self.last_id;
            let Some(asked) = self.nodes[id].asked.get_mut(&grant.ticket) else {
                self.broken = Some(format!("node {id} was granted an unknown ticket"));
                return;
            };
            asked.flow = Some(flow);
            let started = Flow {
                conn: asked.conn,
                from: id,
                to: asked.from,
                request: asked.request,
                ticket: grant.ticket,
                pieces: asked.pieces.iter().copied().collect(),
                sent_of_piece: 0,
                sent: 0,
                unacknowledged: 0,
                cancelled: false,
            };
            self.flows.insert(flow, started);
            self.nodes[id].flows.push_back(flow);
        }
        self.pump(id);
    }

    /// Sends the next chunk if the uplink is free: flows take turns.
    pub(crate) fn pump(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        if node.uplink_busy || !node.online || node.silent_until > self.now {
            return;
        }
        for _ in 0..node.flows.len() {
            let Some(flow) = self.nodes[id].flows.pop_front() else {
                return;
            };
            let chunk = self.next_chunk(flow);
            if chunk.is_none_or(|chunk| !chunk.last) {
                self.nodes[id].flows.push_back(flow);
            }
            if let Some(chunk) = chunk {
                let node = &mut self.nodes[id];
                node.uplink_busy = true;
                let epoch = node.epoch;
                let at = self
                    .now
                    .plus_micros(time_for(chunk.bytes, self.nodes[id].up));
                self.queue.push(
                    at,
                    Event::Sent {
                        node: id,
                        epoch,
                        chunk,
                    },
                );
                if chunk.last {
                    self.flow_ends(id, flow);
                }
                return;
            }
        }
    }

    fn next_chunk(&mut self, id: FlowId) -> Option<Chunk> {
        let flow = self.flows.get_mut(&id)?;
        let piece = *flow.pieces.front()?;
        let left = self.layout.piece(piece).bytes - flow.sent_of_piece;
        let bytes = left.min(CHUNK);
        if flow.unacknowledged + bytes > WINDOW {
            return None;
        }
        flow.unacknowledged += bytes;
        flow.sent_of_piece += bytes;
        flow.sent += bytes;
        let whole = bytes == left;
        if whole {
            flow.pieces.pop_front();
            flow.sent_of_piece = 0;
        }
        Some(Chunk {
            flow: id,
            conn: flow.conn,
            from: flow.from,
            to: flow.to,
            request: flow.request,
            bytes,
            piece: whole.then_some(piece),
            last: whole && (flow.pieces.is_empty() || flow.cancelled),
            wrong: self.nodes[flow.from].manners == Manners::SendsWrongBytes,
        })
    }

    pub(crate) fn credit(&mut self, id: FlowId, bytes: u64) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.unacknowledged -= bytes;
        let from = flow.from;
        self.pump(from);
    }

    /// Everything of a flow was handed to the uplink, or it is void.
    fn flow_ends(&mut self, id: NodeId, flow: FlowId) {
        let Some(flow) = self.flows.remove(&flow) else {
            return;
        };
        let now = self.now;
        let node = &mut self.nodes[id];
        node.uploader.finished(now, flow.ticket, flow.sent);
        node.asked.remove(&flow.ticket);
        node.tickets.remove(&(flow.conn, flow.request));
        self.serve(id);
    }

    /// A requester doesn't want an answer any more: a waiting request goes, one being served ends after its piece.
    pub(crate) fn cancelled(&mut self, conn: ConnId, id: NodeId, request: RequestId) {
        let Some(ticket) = self.nodes[id].tickets.get(&(conn, request)).copied() else {
            return;
        };
        let flow = self.nodes[id]
            .asked
            .get(&ticket)
            .and_then(|asked| asked.flow);
        if let Some(flow) = flow {
            let Some(known) = self.flows.get_mut(&flow) else {
                return;
            };
            known.cancelled = true;
            if known.sent_of_piece == 0 {
                self.nodes[id].flows.retain(|other| *other != flow);
                self.flow_ends(id, flow);
            }
        } else {
            let node = &mut self.nodes[id];
            node.uploader.abandon(ticket);
            node.asked.remove(&ticket);
            node.tickets.remove(&(conn, request));
        }
        self.refuse(conn, id, request, Refusal::Cancelled);
    }

    /// Forgets what the other end of a connection asked for.
    pub(crate) fn forget_requests(&mut self, conn: ConnId, id: NodeId) {
        let node = &mut self.nodes[id];
        let tickets: Vec<u64> = node
            .asked
            .iter()
            .filter(|(_, asked)| asked.conn == conn)
            .map(|(t, _)| *t)
            .collect();
        for ticket in tickets {
            let Some(asked) = node.asked.remove(&ticket) else {
                continue;
            };
            node.tickets.remove(&(conn, asked.request));
            node.uploader.abandon(ticket);
            if let Some(flow) = asked.flow {
                node.flows.retain(|other| *other != flow);
                self.flows.remove(&flow);
            }
        }
    }
}
