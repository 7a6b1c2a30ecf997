//! How many files and connections the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than a node needs: connections and files are bounded by its own limits.
const ENOUGH: u64 = 16 * 1024;

/// Asks the system for as many as it gives without privileges. The limit that a shell begins with is low
/// for programs that wait with `select`, which this one never does.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current, maximum }) {
            tracing::debug!(%error, "the limit of open files stays");
        }
    }
}
