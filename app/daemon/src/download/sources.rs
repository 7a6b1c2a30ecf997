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
/// Pauses before a peer without the content is asked again: the first, and the longest.
const NOT_FOUND_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// A peer that is said to have the content and does not may only just begin to fetch it: it is asked
/// so many times in quick succession, with pauses that double from the first.
const HOPES: u32 = 5;
const HOPE_PAUSE: Duration = Duration::from_millis(150);
/// Others may raise such hopes this often, so that nobody can have a third peer asked all the time.
const HOPE_EVERY: Duration = Duration::from_secs(30);
/// A peer may do so for itself this often.
const OWN_HOPE_EVERY: Duration = Duration::from_secs(1);
/// A busy peer is asked again after this long.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
/// Pauses after a lost connection: the first, and the longest.
const LOST_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Ranges of changes kept for one peer before the layout is known. Those beyond are lost: the peer
/// is then asked for less than it has, or answers that it has not what it retracted.
const MAX_KEPT_RANGES: usize = 65_536;
/// Why a peer is banned that has what nobody can have.
pub(crate) const BEYOND_THE_END: &str = "claimed pieces beyond the end of the content";

/// A source in use.
pub(crate) struct Source {
    pub(crate) peer: PeerId,
    pub(crate) commands: mpsc::Sender<SourceCommand>,
    /// Set once the peer proved the root's size.
    pub(crate) ready: Option<(Arc<ProvenHead>, PieceMap)>,
    /// Of its lane's handshake.
    pub(crate) round_trip: Option<Duration>,
    changes: Vec<Availability>,
    kept_ranges: usize,
    task: JoinHandle<()>,
}

impl Source {
    pub(crate) fn new(
        peer: PeerId,
        commands: mpsc::Sender<SourceCommand>,
        task: JoinHandle<()>,
    ) -> Self {
        Self {
            peer,
            commands,
            ready: None,
            round_trip: None,
            changes: Vec::new(),
            kept_ranges: 0,
            task,
        }
    }

    /// Remembers a change, for when the layout becomes known.
    pub(crate) fn changed(&mut self, change: Availability) {
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
    pub(crate) fn availability(
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
pub(crate) fn fits(change: &Availability, pieces: u32) -> bool {
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

/// Why a peer is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is connected, or was named before; nothing says that it has the content.
    Known,
    /// Another provider, or somebody's new record in the DHT, says that it has the content.
    Named,
    /// It says so itself.
    Itself,
}

/// When a candidate may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    After(Duration),
    /// When it is a candidate again.
    Later,
}

/// What to do about a peer whose source ended.
pub(crate) enum Verdict {
    Ban(String),
    /// Connect and ask again after this long.
    RetryIn(Duration),
    /// Ask again when it is named again.
    Leave,
}

struct Memory {
    not_before: Instant,
    /// Connections lost since it last delivered.
    lost: u32,
    /// Whether it was without the content when last asked, and how often that was so after what is
    /// below had run out.
    without: bool,
    not_found: u32,
    /// Questions left that are put in quick succession, and since when.
    hopes: u32,
    hoped: Option<Instant>,
    /// When it is asked again without being a candidate again.
    planned: Option<Instant>,
}

/// What is remembered of peers that were asked.
#[derive(Default)]
pub(crate) struct Peers {
    memory: BTreeMap<PeerId, Memory>,
}

impl Peers {
    /// Whether it is time to ask this peer, again or for the first time.
    pub(crate) fn when(&mut self, peer: &PeerId, why: Why, now: Instant) -> When {
        let memory = self.remember(peer, now);
        let every = match why {
            Why::Known => None,
            Why::Named => Some(HOPE_EVERY),
            Why::Itself => Some(OWN_HOPE_EVERY),
        };
        if let Some(every) = every
            && memory.hoped.is_none_or(|hoped| now >= hoped + every)
        {
            memory.hoped = Some(now);
            memory.hopes = HOPES;
            if memory.without {
                memory.not_found = 0;
                memory.not_before = now;
            }
        }
        match memory.not_before.checked_duration_since(now) {
            None | Some(Duration::ZERO) => When::Now,
            Some(left) if why == Why::Itself && memory.planned.is_none_or(|at| at <= now) => {
                memory.planned = Some(now + left);
                When::After(left)
            }
            Some(_) => When::Later,
        }
    }

    /// Notes that a peer delivered something: whatever failed before counts no more.
    pub(crate) fn delivered(&mut self, peer: &PeerId) {
        if let Some(memory) = self.memory.get_mut(peer) {
            memory.lost = 0;
            memory.not_found = 0;
        }
    }

    /// Notes how a source ended.
    pub(crate) fn closed(&mut self, peer: &PeerId, reason: &CloseReason, now: Instant) -> Verdict {
        let memory = self.remember(peer, now);
        memory.without = matches!(reason, CloseReason::NotFound | CloseReason::Changed);
        let (pause, verdict) = match reason {
            CloseReason::Liar(what) => return Verdict::Ban(what.clone()),
            CloseReason::NotFound if memory.hopes > 0 => {
                let pause = HOPE_PAUSE * 2u32.pow(HOPES - memory.hopes);
                memory.hopes -= 1;
                (pause, Verdict::RetryIn(pause))
            }
            CloseReason::NotFound | CloseReason::Changed => {
                let pause = doubled(NOT_FOUND_PAUSES, memory.not_found);
                memory.not_found += 1;
                (pause, Verdict::Leave)
            }
            CloseReason::Busy => (BUSY_PAUSE, Verdict::RetryIn(BUSY_PAUSE)),
            CloseReason::Lost(_) => {
                let pause = doubled(LOST_PAUSES, memory.lost);
                memory.lost += 1;
                (pause, Verdict::RetryIn(pause))
            }
        };
        // A hair less, so that the retry which comes after the pause is not too early.
        memory.not_before = now + pause.saturating_sub(Duration::from_millis(50));
        verdict
    }

    fn remember(&mut self, peer: &PeerId, now: Instant) -> &mut Memory {
        if self.memory.len() >= MAX_REMEMBERED {
            self.memory.retain(|_, memory| memory.not_before > now);
        }
        if self.memory.len() >= MAX_REMEMBERED {
            self.memory.pop_first();
        }
        self.memory.entry(*peer).or_insert(Memory {
            not_before: now,
            lost: 0,
            without: false,
            not_found: 0,
            hopes: 0,
            hoped: None,
            planned: None,
        })
    }
}

/// The pause after so many failures.
fn doubled((first, longest): (Duration, Duration), failures: u32) -> Duration {
    (first * 2u32.pow(failures.min(8))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_identity::NodeKey;

    fn may_ask(peers: &mut Peers, peer: &PeerId, now: Instant) -> bool {
        peers.when(peer, Why::Known, now) == When::Now
    }

    fn somebody() -> PeerId {
        NodeKey::from_seed([1; 32]).peer_id()
    }

    /// Asks a peer whenever it may be asked, and gives the times of its answers.
    fn asked(peers: &mut Peers, mut now: Instant, times: usize) -> Vec<Instant> {
        let mut answers = Vec::new();
        while answers.len() < times {
            if may_ask(peers, &somebody(), now) {
                peers.closed(&somebody(), &CloseReason::NotFound, now);
                answers.push(now);
            }
            now += Duration::from_millis(50);
        }
        answers
    }

    #[test]
    fn a_peer_without_the_content_is_asked_ever_more_seldom() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let times = asked(&mut peers, now, 11);
        let pauses: Vec<u128> = times
            .windows(2)
            .map(|two| two[1].duration_since(two[0]).as_millis().div_ceil(1000))
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    }

    #[test]
    fn a_peer_that_says_it_has_the_content_is_asked_at_once_again() {
        let (mut peers, peer, mut now) = (Peers::default(), somebody(), Instant::now());
        for why in [Why::Named, Why::Itself] {
            now = *asked(&mut peers, now, 8).last().unwrap();
            assert_eq!(peers.when(&peer, Why::Known, now), When::Later);
            assert_eq!(peers.when(&peer, why, now), When::Now, "{why:?}");
            // It may only just have begun: a few questions follow soon, and then no more.
            let mut soon = 0;
            while let Verdict::RetryIn(pause) = peers.closed(&peer, &CloseReason::NotFound, now) {
                soon += 1;
                now += pause;
                assert!(may_ask(&mut peers, &peer, now));
            }
            assert_eq!(soon, HOPES);
            now += HOPE_EVERY;
        }
    }

    #[test]
    fn nobody_can_have_a_third_peer_asked_all_the_time() {
        let (mut peers, peer, start) = (Peers::default(), somebody(), Instant::now());
        let mut questions = 0;
        for step in 0..6000 {
            let now = start + Duration::from_millis(10) * step;
            if peers.when(&peer, Why::Named, now) == When::Now {
                questions += 1;
                peers.closed(&peer, &CloseReason::NotFound, now);
            }
        }
        // In each half of a minute: one question, those in quick succession, and two more, as the
        // third pause reaches beyond it.
        assert!(questions <= 2 * (1 + HOPES + 2), "{questions}");
    }

    #[test]
    fn a_peer_that_speaks_for_itself_too_early_is_asked_when_it_may_be() {
        let (mut peers, peer, now) = (Peers::default(), somebody(), Instant::now());
        peers.closed(&peer, &CloseReason::Busy, now);
        let later = peers.when(&peer, Why::Itself, now);
        assert!(matches!(later, When::After(left) if left <= BUSY_PAUSE && !left.is_zero()));
        // One question is planned, and no second one.
        assert_eq!(peers.when(&peer, Why::Itself, now), When::Later);
        assert_eq!(peers.when(&peer, Why::Named, now), When::Later);
    }

    #[test]
    fn a_lost_peer_is_asked_again_ever_later() {
        let peer = NodeKey::from_seed([1; 32]).peer_id();
        let mut peers = Peers::default();
        let now = Instant::now();
        assert!(may_ask(&mut peers, &peer, now));
        let lost = CloseReason::Lost(String::new());
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            let Verdict::RetryIn(pause) = peers.closed(&peer, &lost, now) else {
                panic!()
            };
            assert!(pause >= last && pause <= LOST_PAUSES.1);
            assert!(!may_ask(&mut peers, &peer, now));
            assert!(may_ask(&mut peers, &peer, now + pause));
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
