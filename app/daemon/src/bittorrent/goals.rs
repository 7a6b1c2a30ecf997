//! How long torrents are seeded: until the owner's goals are reached.

use crate::config::{self, Rules};
use potluck_store::TorrentInfo;
use potluck_store::records::TorrentOwnerRecord;

/// When seeding a torrent ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Goals {
    /// So many thousandths of its bytes were given; 0 for no goal.
    pub(super) ratio_milli: u64,
    /// It was seeded for so many seconds; 0 for no goal.
    pub(super) seconds: u64,
}

/// What was done for a torrent towards its goals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) uploaded_bytes: u64,
    pub(super) seeded_seconds: u64,
    /// Bytes of the torrent that are wanted here.
    pub(super) wanted_bytes: u64,
}

impl Goals {
    /// Those of a torrent: its own, or else the node's.
    pub(super) fn of(rules: &Rules, owner: &TorrentOwnerRecord) -> Self {
        Self {
            ratio_milli: owner.ratio_goal_milli.unwrap_or(rules.seed_ratio_milli),
            seconds: owner.time_goal_seconds.unwrap_or(rules.seed_time_seconds),
        }
    }

    /// Which goal is reached, in words.
    pub(super) fn reached(&self, given: &Given) -> Option<String> {
        let has_ratio = self.ratio_milli > 0 && given.wanted_bytes > 0;
        if has_ratio && given.ratio_milli() >= self.ratio_milli {
            let ratio = config::show_ratio(self.ratio_milli);
            return Some(format!("ratio {ratio} reached"));
        }
        if self.seconds > 0 && given.seeded_seconds >= self.seconds {
            let time = config::show_time(self.seconds);
            return Some(format!("seeding time {time} reached"));
        }
        None
    }
}

impl Given {
    /// What the store knows of it.
    pub(super) fn of(info: &TorrentInfo) -> Self {
        let before = info.owner.uploaded_before;
        Self {
            uploaded_bytes: info.uploaded_bytes.saturating_sub(before),
            seeded_seconds: info.owner.seeded_seconds,
            wanted_bytes: info.wanted_bytes,
        }
    }

    /// Thousandths of its bytes that were given.
    pub(super) fn ratio_milli(&self) -> u64 {
        let milli = u128::from(self.uploaded_bytes) * 1000;
        let milli = milli.checked_div(u128::from(self.wanted_bytes));
        u64::try_from(milli.unwrap_or_default()).unwrap_or(u64::MAX)
    }
}

/// Which goal of a complete torrent is reached, in words.
pub(super) fn reached(rules: &Rules, info: &TorrentInfo) -> Option<String> {
    Goals::of(rules, &info.owner).reached(&Given::of(info))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(uploaded_bytes: u64, seeded_seconds: u64) -> Given {
        Given {
            uploaded_bytes,
            seeded_seconds,
            wanted_bytes: 1000,
        }
    }

    #[test]
    fn the_first_goal_that_is_reached_ends_it() {
        let goals = Goals {
            ratio_milli: 2000,
            seconds: 7200,
        };
        assert_eq!(goals.reached(&given(1999, 7199)), None);
        let ratio = goals.reached(&given(2000, 0));
        assert_eq!(ratio.as_deref(), Some("ratio 2.0 reached"));
        let time = goals.reached(&given(0, 7200));
        assert_eq!(time.as_deref(), Some("seeding time 2h reached"));
        assert_eq!(Goals::default().reached(&given(u64::MAX, u64::MAX)), None);
    }

    #[test]
    fn an_empty_torrent_has_no_ratio() {
        let goals = Goals {
            ratio_milli: 1,
            seconds: 0,
        };
        assert_eq!(goals.reached(&Given::default()), None);
        assert_eq!(given(u64::MAX, 0).ratio_milli(), u64::MAX);
    }

    #[test]
    fn a_torrents_own_goals_stand_above_the_nodes() {
        let rules = Rules {
            seed_ratio_milli: 1000,
            seed_time_seconds: 60,
            ..Rules::default()
        };
        let mut owner = TorrentOwnerRecord::default();
        let goals = Goals::of(&rules, &owner);
        assert_eq!((goals.ratio_milli, goals.seconds), (1000, 60));
        owner.ratio_goal_milli = Some(0);
        owner.time_goal_seconds = Some(5);
        let goals = Goals::of(&rules, &owner);
        assert_eq!((goals.ratio_milli, goals.seconds), (0, 5));
    }
}
