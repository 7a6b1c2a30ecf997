//! One simulated node: the real machines and the state of its links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use potluck_content::PieceSet;
use potluck_identity::{NodeKey, PeerId};
use potluck_transfer::{Planner, RequestId, Timestamp, Uploader, UploaderConfig};

use crate::event::{ConnId, FlowId, NodeId};

/// How a node treats those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Honest,
    SendsWrongBytes,
    SaysItHasNothing,
    NeverAnswers,
}

/// A request that waits or is served.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) conn: ConnId,
    pub(crate) from: NodeId,
    pub(crate) request: RequestId,
    pub(crate) pieces: Rc<[u32]>,
    pub(crate) flow: Option<FlowId>,
}

/// A request that is served now.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) conn: ConnId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) request: RequestId,
    pub(crate) ticket: u64,
    pub(crate) pieces: VecDeque<u32>,
    pub(crate) sent_of_piece: u64,
    pub(crate) sent: u64,
    /// Sent and not yet known to be through.
    pub(crate) unacknowledged: u64,
    pub(crate) cancelled: bool,
}

pub(crate) struct Node {
    pub(crate) peer: PeerId,
    /// `None` for the seed and for those who only pretend.
    pub(crate) planner: Option<Planner>,
    pub(crate) uploader: Uploader,
    pub(crate) manners: Manners,
    pub(crate) online: bool,
    /// Counts departures: what was being sent before is void.
    pub(crate) epoch: u32,
    pub(crate) silent_until: Timestamp,
    pub(crate) latency: Duration,
    /// Bytes a second that it can send.
    pub(crate) up: u64,
    /// It tells nobody what it has and sends nothing.
    pub(crate) takes_only: bool,
    /// The owners of the others know it.
    pub(crate) is_contact: bool,
    pub(crate) conns: BTreeSet<ConnId>,
    /// Requests of others, by ticket.
    pub(crate) asked: BTreeMap<u64, Asked>,
    pub(crate) tickets: BTreeMap<(ConnId, RequestId), u64>,
    /// Requests being served, in the order in which they get the uplink.
    pub(crate) flows: VecDeque<FlowId>,
    pub(crate) uplink_busy: bool,
    pub(crate) downlink_free: Timestamp,
    /// When it is to be woken, as far as is known.
    pub(crate) wake: Option<Timestamp>,
    pub(crate) news: Vec<u32>,
    pub(crate) gossip_due: bool,
    pub(crate) finished: Option<Timestamp>,
    pub(crate) sent_bytes: u64,
    /// Bytes that came from others than the seed.
    pub(crate) from_strangers: u64,
    pub(crate) received_bytes: u64,
    pub(crate) bans: u32,
}

/// The id of a node.
pub(crate) fn peer_of(id: NodeId) -> PeerId {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(id as u64).to_be_bytes());
    NodeKey::from_seed(seed).peer_id()
}

impl Node {
    pub(crate) fn new(id: NodeId, planner: Option<Planner>, latency: Duration) -> Self {
        let config = UploaderConfig {
            slots: 2,
            ..UploaderConfig::default()
        };
        Self {
            peer: peer_of(id),
            planner,
            uploader: Uploader::new(config),
            manners: Manners::Honest,
            online: true,
            epoch: 0,
            silent_until: Timestamp::ZERO,
            latency,
            up: 0,
            takes_only: false,
            is_contact: false,
            conns: BTreeSet::new(),
            asked: BTreeMap::new(),
            tickets: BTreeMap::new(),
            flows: VecDeque::new(),
            uplink_busy: false,
            downlink_free: Timestamp::ZERO,
            wake: None,
            news: Vec::new(),
            gossip_due: false,
            finished: None,
            sent_bytes: 0,
            from_strangers: 0,
            received_bytes: 0,
            bans: 0,
        }
    }

    /// Whether it still downloads.
    pub(crate) fn is_hungry(&self) -> bool {
        self.planner
            .as_ref()
            .is_some_and(|planner| !planner.is_complete())
    }

    /// Whether it really has a piece.
    pub(crate) fn has(&self, piece: u32) -> bool {
        match &self.planner {
            Some(planner) => planner.have().contains(piece),
            None => self.manners == Manners::Honest,
        }
    }

    /// What it tells others that it has; `None` stands for everything.
    pub(crate) fn claims(&self) -> Option<&PieceSet> {
        self.planner
            .as_ref()
            .map(Planner::have)
            .filter(|have| !have.is_full())
    }

    /// Takes what is new since the last time.
    pub(crate) fn take_news(&mut self) -> Rc<[Range<u32>]> {
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for piece in news {
            match ranges.last_mut() {
                Some(last) if last.end == piece => last.end += 1,
                _ => ranges.push(piece..piece + 1),
            }
        }
        ranges.into()
    }
}
