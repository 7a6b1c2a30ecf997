//! How a torrent stands, for those who watch it.

use super::{Swarm, Trouble};
use potluck_api::SourceState;
use potluck_bittorrent::Metainfo;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a torrent stands.
#[derive(Clone, Debug, Default)]
pub(in crate::bittorrent) struct Snapshot {
    /// Set once it is known what the torrent is.
    pub(in crate::bittorrent) metainfo: Option<Arc<Metainfo>>,
    /// Why it can never be known.
    pub(in crate::bittorrent) refused: Option<String>,
    /// A download is running.
    pub(in crate::bittorrent) is_fetching: bool,
    /// All that is wanted is here.
    pub(in crate::bittorrent) is_complete: bool,
    /// Bytes can't be kept; and whether that is for want of space.
    pub(in crate::bittorrent) failure: Option<(String, bool)>,
    pub(in crate::bittorrent) total_bytes: u64,
    pub(in crate::bittorrent) have_bytes: u64,
    pub(in crate::bittorrent) wanted_bytes: u64,
    pub(in crate::bittorrent) received: u64,
    pub(in crate::bittorrent) wasted: u64,
    pub(in crate::bittorrent) sent: u64,
    pub(in crate::bittorrent) rate: u64,
    pub(in crate::bittorrent) up_rate: u64,
    pub(in crate::bittorrent) eta_seconds: Option<f64>,
    /// Why nothing comes.
    pub(in crate::bittorrent) waiting: Option<String>,
    pub(in crate::bittorrent) peers: Vec<TorrentPeer>,
    /// Addresses that are known, and connections that are being made.
    pub(in crate::bittorrent) known: usize,
    pub(in crate::bittorrent) dialing: usize,
    /// What is wrong with trackers.
    pub(in crate::bittorrent) troubles: Arc<[Trouble]>,
    /// Bytes of pieces by who made them whole, those who left too.
    pub(in crate::bittorrent) delivered: BTreeMap<String, u64>,
    pub(in crate::bittorrent) banned: Vec<(String, String)>,
}

/// A peer of a torrent.
#[derive(Clone, Debug)]
pub(in crate::bittorrent) struct TorrentPeer {
    pub(in crate::bittorrent) address: String,
    pub(in crate::bittorrent) rate: u64,
    pub(in crate::bittorrent) up_rate: u64,
    pub(in crate::bittorrent) delivered: u64,
    pub(in crate::bittorrent) sent: u64,
    pub(in crate::bittorrent) state: SourceState,
    pub(in crate::bittorrent) client: Option<String>,
    pub(in crate::bittorrent) way: String,
}

impl Swarm {
    /// Tells how things stand.
    pub(super) fn report(&mut self) {
        let now = self.ctx.clock.now();
        let progress = self.plan.as_ref().map(|plan| plan.planner.progress(now));
        let waiting = self
            .plan
            .as_ref()
            .and_then(|plan| plan.planner.waiting(now));
        let mut peers: Vec<TorrentPeer> = self.members.values().map(peer).collect();
        peers.sort_by_key(|peer| std::cmp::Reverse((peer.rate, peer.delivered)));
        for member in self.members.values() {
            if member.delivered > 0 {
                self.delivered.insert(member.name(), member.delivered);
            }
        }
        let snapshot = Snapshot {
            metainfo: self.learning.known(),
            refused: self.learning.refused(),
            is_fetching: self.plan.is_some(),
            is_complete: self.plan.as_ref().is_some_and(|plan| plan.is_complete),
            failure: self.failure.clone(),
            total_bytes: self
                .content
                .as_ref()
                .map_or(0, |known| known.layout.file_bytes()),
            have_bytes: progress.map_or(0, |progress| progress.have_bytes),
            wanted_bytes: progress.map_or(0, |progress| progress.wanted_bytes),
            received: self.totals.received,
            wasted: self.totals.wasted,
            sent: self.totals.sent,
            rate: peers.iter().map(|peer| peer.rate).sum(),
            up_rate: peers.iter().map(|peer| peer.up_rate).sum(),
            eta_seconds: progress.and_then(|progress| Some(progress.eta?.as_secs_f64())),
            waiting: waiting.map(|waiting| waiting.to_string()),
            peers,
            known: self.addresses.len(),
            dialing: self.dialing.len(),
            troubles: self.seeking.troubles(),
            delivered: self.delivered.clone(),
            banned: self.banned.clone(),
        };
        self.status.send_replace(Arc::new(snapshot));
    }
}

fn peer(member: &super::members::Member) -> TorrentPeer {
    let state = if member.source.is_some() && member.down.rate() > 0 {
        SourceState::Active
    } else if !member.we_want {
        SourceState::Empty
    } else {
        SourceState::Idle
    };
    TorrentPeer {
        address: member.name(),
        rate: member.down.rate(),
        up_rate: member.up.rate(),
        delivered: member.delivered,
        sent: member.sent,
        state,
        client: member.client.clone(),
        way: member.way.clone(),
    }
}
