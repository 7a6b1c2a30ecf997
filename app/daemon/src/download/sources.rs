//! The sources of one download, and when a peer may be asked again.

use crate::source::{CloseReason, ProvenHead, SourceCommand};
use potluck_identity::PeerId;
use potluck_transfer::Availability;
use potluck_transfer::wire::PieceMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Peers whose answer is remembered.
const MAX_REMEMBERED: usize = 4096;
/// A peer without the content is asked again after this long.
const NOT_FOUND_PAUSE: Duration = Duration::from_secs(5);
/// A busy peer is asked again after this long.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
/// Pauses after a lost connection: the first, and the longest.
const LOST_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Ranges of changes kept for one peer before the layout is known. Those beyond are lost: the peer
/// is then asked for less than it has, or answers that it has not what it retracted.
const MAX_KEPT_RANGES: usize = 65_536;
/// Why a peer is banned that has what nobody can have.
pub(super) const BEYOND_THE_END: &str = "claimed pieces beyond the end of the content";

/// A source in use.
pub(super) struct Source {
    pub(super) peer: PeerId,
    pub(super) commands: mpsc::Sender<SourceCommand>,
    /// Set once the peer proved the root's size.
    pub(super) ready: Option<(Arc<ProvenHead>, PieceMap)>,
    changes: Vec<Availability>,
    kept_ranges: usize,
    task: JoinHandle<()>,
}

impl Source {
    pub(super) fn new(
        peer: PeerId,
        commands: mpsc::Sender<SourceCommand>,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            peer,
            commands,
            ready: None,
            changes: Vec::new(),
            kept_ranges: 0,
            task,
        }
    }

    /// Remembers a change, for when the layout becomes known.
    pub(super) fn changed(&mut self, change: Availability) {
        let (Availability::Add(ranges) | Availability::Remove(ranges)) = &change else {
            return;
        };
        self.kept_ranges += ranges.len();
        if self.kept_ranges <= MAX_KEPT_RANGES {
            self.changes.push(change);
        }
    }

    /// What it has, as inputs for a planner, or how that does not fit the layout. Who has any of a
    /// folder has its whole manifest.
    pub(super) fn availability(
        &mut self,
        pieces: u32,
        manifest: bool,
    ) -> Result<Vec<Availability>, &'static str> {
        if manifest {
            return Ok(vec![Availability::All]);
        }
        let Some((_, have)) = &self.ready else {
            return Ok(Vec::new());
        };
        let have = have.to_availability(pieces);
        let mut changes =
            vec![have.map_err(|_| "sent a map of pieces that does not fit the content")?];
        changes.append(&mut self.changes);
        if changes.iter().all(|change| fits(change, pieces)) {
            Ok(changes)
        } else {
            Err(BEYOND_THE_END)
        }
    }
}

/// Whether the pieces that a peer says it has exist. What it has no longer may be told in larger
/// terms.
pub(super) fn fits(change: &Availability, pieces: u32) -> bool {
    match change {
        Availability::Add(ranges) => ranges.iter().all(|range| range.end <= pieces),
        _ => true,
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What to do about a peer whose source ended.
pub(super) enum Verdict {
    Ban(String),
    /// Connect and ask again after this long.
    RetryIn(Duration),
    /// Ask again when it is named again.
    Leave,
}

struct Memory {
    not_before: Instant,
    failures: u32,
}

/// What is remembered of peers that were asked.
#[derive(Default)]
pub(super) struct Peers {
    memory: BTreeMap<PeerId, Memory>,
}

impl Peers {
    /// Whether it is time to ask this peer, again or for the first time.
    pub(super) fn may_ask(&self, peer: &PeerId, now: Instant) -> bool {
        self.memory
            .get(peer)
            .is_none_or(|memory| now >= memory.not_before)
    }

    /// Notes that a peer delivered something: whatever failed before counts no more.
    pub(super) fn delivered(&mut self, peer: &PeerId) {
        if let Some(memory) = self.memory.get_mut(peer) {
            memory.failures = 0;
        }
    }

    /// Notes how a source ended.
    pub(super) fn closed(&mut self, peer: &PeerId, reason: &CloseReason, now: Instant) -> Verdict {
        if self.memory.len() >= MAX_REMEMBERED {
            self.memory.retain(|_, memory| memory.not_before > now);
        }
        let memory = self.memory.entry(*peer).or_insert(Memory {
            not_before: now,
            failures: 0,
        });
        let (pause, verdict) = match reason {
            CloseReason::Liar(what) => return Verdict::Ban(what.clone()),
            CloseReason::NotFound | CloseReason::Changed => (NOT_FOUND_PAUSE, Verdict::Leave),
            CloseReason::Busy => (BUSY_PAUSE, Verdict::RetryIn(BUSY_PAUSE)),
            CloseReason::Lost(_) => {
                let pause = (LOST_PAUSES.0 * 2u32.pow(memory.failures.min(6))).min(LOST_PAUSES.1);
                memory.failures += 1;
                (pause, Verdict::RetryIn(pause))
            }
        };
        // A hair less, so that the retry which comes after the pause is not too early.
        memory.not_before = now + pause.saturating_sub(Duration::from_millis(50));
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_identity::NodeKey;

    #[test]
    fn a_lost_peer_is_asked_again_ever_later() {
        let peer = NodeKey::from_seed([1; 32]).peer_id();
        let mut peers = Peers::default();
        let now = Instant::now();
        assert!(peers.may_ask(&peer, now));
        let lost = CloseReason::Lost(String::new());
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            let Verdict::RetryIn(pause) = peers.closed(&peer, &lost, now) else {
                panic!()
            };
            assert!(pause >= last && pause <= LOST_PAUSES.1);
            assert!(!peers.may_ask(&peer, now) && peers.may_ask(&peer, now + pause));
            last = pause;
        }
        assert_eq!(last, LOST_PAUSES.1);
        // One that came back and delivered starts afresh.
        peers.delivered(&peer);
        let verdict = peers.closed(&peer, &lost, now);
        assert!(matches!(verdict, Verdict::RetryIn(pause) if pause == LOST_PAUSES.0));
    }

    #[test]
    fn pieces_that_do_not_exist_do_not_fit() {
        assert!(fits(&Availability::Add(vec![0..2, 3..8]), 8));
        assert!(!fits(&Availability::Add(vec![0..2, 3..9]), 8));
        assert!(fits(
            &Availability::Remove(std::iter::once(0..4_000_000).collect()),
            8
        ));
    }

    #[test]
    fn a_liar_is_banned() {
        let peer = NodeKey::from_seed([1; 32]).peer_id();
        let liar = CloseReason::Liar("lied".to_owned());
        let verdict = Peers::default().closed(&peer, &liar, Instant::now());
        assert!(matches!(verdict, Verdict::Ban(what) if what == "lied"));
    }
}
