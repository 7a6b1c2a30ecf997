//! Connections, messages, and bytes on their way.

use std::rc::Rc;
use std::time::Duration;

use potluck_transfer::{
    Availability, Failure, Input, SourceId, SourceTraits, Timestamp, member_number,
};
use rand::RngExt;

use crate::event::{Chunk, ConnId, Event, Message, NodeId, Refusal};
use crate::world::{SEED, World};

/// Bytes of a packet, for counting losses.
const PACKET: u64 = 1_400;

/// A connection between two nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conn {
    pub(crate) ends: [NodeId; 2],
    /// Whether each end thinks that it stands.
    pub(crate) open: [bool; 2],
    /// When the last bytes sent by each end arrive: those sent later don't overtake them.
    last_arrival: [Timestamp; 2],
}

impl Conn {
    pub(crate) fn other(&self, id: NodeId) -> NodeId {
        if self.ends[0] == id {
            self.ends[1]
        } else {
            self.ends[0]
        }
    }

    fn side(&self, id: NodeId) -> usize {
        usize::from(self.ends[0] != id)
    }

    pub(crate) fn is_open_at(&self, id: NodeId) -> bool {
        self.open[self.side(id)]
    }

    fn in_order(&mut self, from: NodeId, at: Timestamp) -> Timestamp {
        let side = self.side(from);
        self.last_arrival[side] = self.last_arrival[side].max(at);
        self.last_arrival[side]
    }

    fn close_at(&mut self, id: NodeId) {
        let side = self.side(id);
        self.open[side] = false;
    }
}

impl World {
    pub(crate) fn connect(&mut self, a: NodeId, b: NodeId) {
        let known = self.nodes[a]
            .conns
            .iter()
            .any(|conn| self.conns[*conn].other(a) == b);
        if a == b || known || !self.nodes[a].online || !self.nodes[b].online {
            return;
        }
        let conn = self.conns.len();
        self.conns.push(Conn {
            ends: [a, b],
            open: [true, true],
            last_arrival: [self.now; 2],
        });
        for (id, other) in [(a, b), (b, a)] {
            self.nodes[id].conns.insert(conn);
            let source = SourceId(conn as u64);
            if self.nodes[id].is_hungry() {
                self.tell(
                    id,
                    Input::SourceJoined {
                        source,
                        traits: SourceTraits {
                            member: member_number(&self.nodes[other].peer),
                            ..SourceTraits::default()
                        },
                    },
                );
            }
            // The seed's owner knows nobody.
            if self.nodes[id].is_contact && other != SEED {
                let peer = self.nodes[id].peer;
                self.nodes[other].uploader.set_contact(peer, true);
            }
            if self.nodes[other].takes_only {
                continue;
            }
            let message = match self.nodes[other].claims() {
                None => Message::HaveAll,
                Some(have) => Message::Have(have.ranges().collect()),
            };
            self.send(conn, other, message);
        }
    }

    /// One way between two nodes.
    fn latency(&self, a: NodeId, b: NodeId) -> Duration {
        self.nodes[a].latency + self.nodes[b].latency
    }

    /// When something sent now between two nodes is there. While the network is apart it waits.
    fn arrival(&self, a: NodeId, b: NodeId) -> Timestamp {
        let arrival = self.now + self.latency(a, b);
        match self.partition {
            Some((from, to)) if a % 2 != b % 2 && from <= arrival && arrival < to => {
                to + self.latency(a, b)
            }
            _ => arrival,
        }
    }

    pub(crate) fn send(&mut self, conn: ConnId, from: NodeId, message: Message) {
        let to = self.conns[conn].other(from);
        let at = self.arrival(from, to);
        self.queue.push(at, Event::Message { conn, to, message });
    }

    pub(crate) fn message(&mut self, conn: ConnId, to: NodeId, message: Message) {
        if !self.conns[conn].is_open_at(to) || !self.nodes[to].online {
            return;
        }
        let source = SourceId(conn as u64);
        match message {
            Message::HaveAll => self.they_have(to, source, Availability::All),
            Message::Have(ranges) => {
                self.they_have(to, source, Availability::Add(ranges.to_vec()));
            }
            Message::Request { request, pieces } => self.asked(conn, to, request, pieces),
            Message::Cancel { request } => self.cancelled(conn, to, request),
            Message::Refused { request, refusal } => {
                let failure = match refusal {
                    Refusal::Busy => Failure::Busy,
                    Refusal::Cancelled => Failure::Cancelled,
                    Refusal::NotHave { piece } => Failure::Unavailable { piece },
                };
                self.tell(
                    to,
                    Input::RequestFailed {
                        source,
                        request,
                        failure,
                    },
                );
            }
            Message::Closed => self.closed(conn, to),
        }
    }

    fn they_have(&mut self, to: NodeId, source: SourceId, change: Availability) {
        if self.nodes[to].is_hungry() {
            self.tell(to, Input::Availability { source, change });
        }
    }

    /// A node ends a connection and says so.
    pub(crate) fn hang_up(&mut self, conn: ConnId, id: NodeId) {
        self.send(conn, id, Message::Closed);
        self.drop_end(conn, id);
    }

    /// The other end is gone.
    fn closed(&mut self, conn: ConnId, id: NodeId) {
        self.drop_end(conn, id);
        self.tell(
            id,
            Input::SourceLeft {
                source: SourceId(conn as u64),
            },
        );
        self.serve(id);
    }

    pub(crate) fn drop_end(&mut self, conn: ConnId, id: NodeId) {
        self.conns[conn].close_at(id);
        self.nodes[id].conns.remove(&conn);
        self.forget_requests(conn, id);
    }

    pub(crate) fn sent(&mut self, id: NodeId, epoch: u32, chunk: Chunk) {
        if self.nodes[id].epoch != epoch {
            return;
        }
        self.nodes[id].uplink_busy = false;
        self.nodes[id].sent_bytes += chunk.bytes;
        if id == SEED {
            self.maybe_orphan();
        }
        let mut at = self.arrival(chunk.from, chunk.to);
        if self.is_hit(chunk.bytes) {
            // Sent again a round trip later; what follows waits for it.
            at = at + self.latency(chunk.from, chunk.to) * 2;
        }
        at = self.conns[chunk.conn].in_order(id, at);
        self.queue.push(at, Event::Arrived { chunk });
        if self.nodes[id].online {
            self.pump(id);
        }
    }

    /// Whether a packet of so many bytes was lost.
    fn is_hit(&mut self, bytes: u64) -> bool {
        if self.config.loss_ppm == 0 {
            return false;
        }
        let packets = bytes.div_ceil(PACKET);
        (0..packets).any(|_| self.rng.random_range(0..1_000_000) < self.config.loss_ppm)
    }

    pub(crate) fn arrived(&mut self, chunk: Chunk) {
        let down = self.config.down;
        let node = &mut self.nodes[chunk.to];
        let through = node
            .downlink_free
            .max(self.now)
            .plus_micros(time_for(chunk.bytes, down));
        node.downlink_free = through;
        self.queue.push(through, Event::Delivered { chunk });
    }

    pub(crate) fn delivered(&mut self, chunk: Chunk) {
        let back = self.arrival(chunk.to, chunk.from);
        let Chunk {
            conn,
            to,
            request,
            bytes,
            ..
        } = chunk;
        self.queue.push(
            back,
            Event::Credit {
                flow: chunk.flow,
                bytes,
            },
        );
        if !self.conns[conn].is_open_at(to) || !self.nodes[to].online {
            return;
        }
        let source = SourceId(conn as u64);
        self.nodes[to].received_bytes += bytes;
        if chunk.from != SEED && !self.someone_is_done {
            self.nodes[to].from_strangers += bytes;
        }
        self.tell(
            to,
            Input::Received {
                source,
                request,
                bytes,
            },
        );
        if let Some(piece) = chunk.piece {
            if chunk.wrong {
                let failure = Failure::BadData { piece };
                self.tell(
                    to,
                    Input::RequestFailed {
                        source,
                        request,
                        failure,
                    },
                );
                return;
            }
            self.piece_arrived(to, conn, chunk, piece);
        }
        if chunk.last {
            self.tell(to, Input::RequestDone { source, request });
        }
    }

    fn piece_arrived(&mut self, to: NodeId, conn: ConnId, chunk: Chunk, piece: u32) {
        let news = self.nodes[to]
            .planner
            .as_ref()
            .is_some_and(|p| !p.have().contains(piece));
        let source = SourceId(conn as u64);
        self.tell(
            to,
            Input::PieceVerified {
                source,
                request: chunk.request,
                piece,
            },
        );
        if !news {
            return;
        }
        let (now, peer) = (self.now, self.nodes[chunk.from].peer);
        self.nodes[to]
            .uploader
            .received_from(now, peer, self.layout.piece(piece).bytes);
        self.nodes[to].news.push(piece);
        self.plan_gossip(to);
    }

    /// A refusal, or the word that a cancel was heard.
    pub(crate) fn refuse(
        &mut self,
        conn: ConnId,
        id: NodeId,
        request: potluck_transfer::RequestId,
        refusal: Refusal,
    ) {
        self.send(conn, id, Message::Refused { request, refusal });
    }

    /// Ranges as a message carries them.
    pub(crate) fn have(ranges: &Rc<[std::ops::Range<u32>]>) -> Message {
        Message::Have(Rc::clone(ranges))
    }
}

/// Planners know a connection as a source with its number.
pub(crate) fn conn_of(source: SourceId) -> ConnId {
    ConnId::try_from(source.0).unwrap_or(ConnId::MAX)
}

/// Microseconds that bytes take at a rate.
pub(crate) fn time_for(bytes: u64, rate: u64) -> u64 {
    bytes.saturating_mul(1_000_000).div_ceil(rate.max(1))
}
