//! How a tracker is doing, for people.

use std::time::Duration;

use super::lane::{Lane, Mode, State};

/// How a tracker is doing. Of a torrent with two names, which it may know by one only, it says the
/// best of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerStatus {
    /// Its address.
    pub url: String,
    /// Its tier, from 0.
    pub tier: usize,
    /// It is being asked.
    pub is_asking: bool,
    /// It answered when it was asked last.
    pub works: bool,
    /// What went wrong when it was asked last, in words. None if it works under one name.
    pub error: Option<String>,
    /// How many times in a row it failed.
    pub failures: u32,
    /// What it wants people to know.
    pub warning: Option<String>,
    /// When it will be asked next. None while it is being asked, and while others serve.
    pub next: Option<Duration>,
    /// Peers in its last answers.
    pub peers: usize,
    /// How many peers have everything, as it says.
    pub seeds: Option<u32>,
    /// How many peers miss something, as it says.
    pub leeches: Option<u32>,
}

impl TrackerStatus {
    pub(super) fn of(url: String, tier: usize, index: usize, lanes: &[Lane], mode: Mode) -> Self {
        let states: Vec<&State> = lanes
            .iter()
            .filter_map(|lane| lane.states.get(index))
            .collect();
        let works = |state: &&&State| state.reply.is_some() && state.failures == 0;
        let working = states.iter().find(works);
        let error = states.iter().find_map(|state| state.error.clone());
        let heard = || states.iter().filter_map(|state| state.reply.as_ref());
        let next = lanes.iter().filter_map(|lane| lane.next_of(index, mode));
        Self {
            url,
            tier,
            is_asking: states.iter().any(|state| state.asked.is_some()),
            works: working.is_some(),
            error: error.filter(|_| working.is_none()),
            failures: states.iter().map(|state| state.failures).min().unwrap_or(0),
            warning: heard().find_map(|heard| heard.warning.clone()),
            next: next.min().filter(|_| mode != Mode::Stopping),
            peers: heard().map(|heard| heard.peers).sum(),
            seeds: heard().filter_map(|heard| heard.seeds).max(),
            leeches: heard().filter_map(|heard| heard.leeches).max(),
        }
    }
}
