//! What happens when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::rc::Rc;

use potluck_transfer::{RequestId, Timestamp};

pub(crate) type NodeId = usize;
pub(crate) type ConnId = usize;
pub(crate) type FlowId = u64;

/// What one node tells another.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    HaveAll,
    Have(Rc<[Range<u32>]>),
    Request {
        request: RequestId,
        pieces: Rc<[u32]>,
    },
    Cancel {
        request: RequestId,
    },
    Refused {
        request: RequestId,
        refusal: Refusal,
    },
    Closed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Busy,
    Cancelled,
    NotHave { piece: u32 },
}

/// Bytes of a flow on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) flow: FlowId,
    pub(crate) conn: ConnId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) request: RequestId,
    pub(crate) bytes: u64,
    /// The piece that ends with these bytes.
    pub(crate) piece: Option<u32>,
    /// The request ends with these bytes.
    pub(crate) last: bool,
    pub(crate) wrong: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Wake {
        node: NodeId,
    },
    Message {
        conn: ConnId,
        to: NodeId,
        message: Message,
    },
    /// A node's uplink has sent a chunk.
    Sent {
        node: NodeId,
        epoch: u32,
        chunk: Chunk,
    },
    /// A chunk stands before the receiver's downlink.
    Arrived {
        chunk: Chunk,
    },
    /// A chunk is through.
    Delivered {
        chunk: Chunk,
    },
    /// The sender learns that a chunk is through.
    Credit {
        flow: FlowId,
        bytes: u64,
    },
    /// A node tells its neighbours what is new.
    Gossip {
        node: NodeId,
    },
    Leave {
        node: NodeId,
        politely: bool,
    },
    Return {
        node: NodeId,
    },
    Silence {
        node: NodeId,
        until: Timestamp,
    },
    Speak {
        node: NodeId,
    },
}

impl Event {
    /// For the trace: what kind of event, and whom it is about.
    pub(crate) fn digest(&self) -> [u64; 3] {
        match self {
            Self::Wake { node } => [1, *node as u64, 0],
            Self::Message { conn, to, message } => {
                let kind = match message {
                    Message::HaveAll => 1,
                    Message::Have(ranges) => 2 + 16 * ranges.len() as u64,
                    Message::Request { request, pieces } => {
                        3 + 16 * (u64::from(request.0) << 16) + 16 * pieces.len() as u64
                    }
                    Message::Cancel { request } => 4 + 16 * u64::from(request.0),
                    Message::Refused { request, .. } => 5 + 16 * u64::from(request.0),
                    Message::Closed => 6,
                };
                [2, (*conn as u64) << 32 | *to as u64, kind]
            }
            Self::Sent { node, chunk, .. } => [3, *node as u64, chunk.bytes],
            Self::Arrived { chunk } => [4, chunk.to as u64, chunk.flow],
            Self::Delivered { chunk } => {
                [5, chunk.to as u64, chunk.piece.map_or(u64::MAX, u64::from)]
            }
            Self::Credit { flow, bytes } => [6, *flow, *bytes],
            Self::Gossip { node } => [7, *node as u64, 0],
            Self::Leave { node, politely } => [8, *node as u64, u64::from(*politely)],
            Self::Return { node } => [9, *node as u64, 0],
            Self::Silence { node, until } => [10, *node as u64, until.as_micros()],
            Self::Speak { node } => [11, *node as u64, 0],
        }
    }
}

struct Entry {
    at: Timestamp,
    number: u64,
    event: Event,
}

impl Ord for Entry {
    /// The heap gives the greatest first: the earliest, and of those the one that was put in first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

/// Events in the order of time; those of one moment in the order in which they were put in.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    number: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: Timestamp, event: Event) {
        self.number += 1;
        self.heap.push(Entry {
            at,
            number: self.number,
            event,
        });
    }

    pub(crate) fn pop(&mut self) -> Option<(Timestamp, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}
