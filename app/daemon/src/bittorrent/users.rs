//! Who needs a swarm: it ends with the last of them, unless it seeds.

use super::lock;
use super::swarm::SwarmHandle;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

/// Counts who needs a swarm.
#[derive(Clone, Default)]
pub(super) struct Users(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    count: u32,
    /// It goes on without anybody who waits for it.
    seeds: bool,
    has_ended: bool,
}

/// Somebody who needs a swarm, until this is dropped.
pub(super) struct Use(SwarmHandle);

impl Users {
    /// Whether the swarm ends, or has ended: what is asked of it then comes to nothing.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.0).has_ended
    }

    /// The swarm ends. Nobody can join it from now on.
    pub(super) fn end(&self) {
        lock(&self.0).has_ended = true;
    }

    /// The swarm goes on without users, or ends with the last of them.
    fn set_seeds(&self, seeds: bool) {
        lock(&self.0).seeds = seeds;
    }

    fn enter(&self) -> bool {
        let mut state = lock(&self.0);
        if !state.has_ended {
            state.count += 1;
        }
        !state.has_ended
    }

    /// True when the swarm is to end.
    fn leave(&self) -> bool {
        let mut state = lock(&self.0);
        state.count = state.count.saturating_sub(1);
        state.has_ended |= state.count == 0 && !state.seeds;
        state.has_ended
    }
}

impl Use {
    /// The first one to need a swarm, which was just started.
    pub(super) fn first(swarm: SwarmHandle) -> Self {
        lock(&swarm.users.0).count += 1;
        Self(swarm)
    }

    /// Needs a swarm from now on. None when it ends.
    pub(super) fn begin(swarm: SwarmHandle) -> Option<Self> {
        swarm.users.enter().then(|| Self(swarm))
    }

    /// The swarm seeds: it goes on when nobody waits for it.
    pub(super) fn keep(&self) {
        self.0.users.set_seeds(true);
    }

    /// The swarm seeds no more, and ends with the last of its users.
    pub(super) fn keep_no_more(&self) {
        self.0.users.set_seeds(false);
    }
}

impl Deref for Use {
    type Target = SwarmHandle;

    fn deref(&self) -> &SwarmHandle {
        &self.0
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.0.users.leave() {
            self.0.stop.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn the_last_user_ends_a_swarm_that_does_not_seed() {
        let users = Users::default();
        assert!(users.enter() && users.enter());
        assert!(!users.leave(), "another one needs it");
        assert!(users.leave() && users.has_ended());
        assert!(!users.enter(), "it can't be joined any more");
    }

    #[test]
    fn one_that_seeds_goes_on_until_it_is_ended() {
        let users = Users::default();
        users.set_seeds(true);
        assert!(users.enter());
        assert!(!users.leave() && !users.has_ended());
        assert!(users.enter());
        users.set_seeds(false);
        assert!(users.leave());
        let other = Users::default();
        other.set_seeds(true);
        other.end();
        assert!(!other.enter());
    }
}
