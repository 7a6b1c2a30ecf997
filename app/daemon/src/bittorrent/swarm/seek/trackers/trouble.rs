//! What is wrong with trackers, in words.

use crate::errors;
use potluck_bittorrent::tracker::TrackerStatus;

/// What is wrong with a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::bittorrent) struct Trouble {
    /// Its host and port. The rest of its address may be a key that is nobody's business.
    pub(in crate::bittorrent) tracker: String,
    pub(in crate::bittorrent) what: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.tracker, self.what)
    }
}

/// Of all that there is something to say about, in their order.
pub(super) fn all(trackers: &[TrackerStatus]) -> Vec<Trouble> {
    trackers.iter().filter_map(of).collect()
}

fn of(status: &TrackerStatus) -> Option<Trouble> {
    let warns = |warning: &String| format!("the tracker warns: {warning}");
    let what = if status.error.is_some() {
        status.error.clone()
    } else if status.works {
        status.warning.as_ref().map(warns)
    } else {
        let is_awaited = status.is_asking;
        is_awaited.then(|| "the tracker has not answered yet".to_owned())
    };
    Some(Trouble {
        tracker: host(&status.url),
        what: what?,
    })
}

fn host(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let host = after.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    errors::clip(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(url: &str) -> TrackerStatus {
        TrackerStatus {
            url: url.to_owned(),
            tier: 0,
            is_asking: false,
            works: true,
            error: None,
            failures: 0,
            warning: None,
            next: None,
            peers: 0,
            seeds: None,
            leeches: None,
        }
    }

    #[test]
    fn what_works_is_no_trouble_and_keys_are_not_told() {
        let url = "https://user:secret@t.example:8443/announce/0123456789abcdef?key=1";
        let warns = TrackerStatus {
            warning: Some("old client".to_owned()),
            ..status(url)
        };
        let silent = TrackerStatus {
            works: false,
            is_asking: true,
            ..status("udp://[::1]:6969")
        };
        let broken = TrackerStatus {
            error: Some("cannot reach the tracker".to_owned()),
            ..silent.clone()
        };
        let idle = TrackerStatus {
            is_asking: false,
            ..silent.clone()
        };
        let all = all(&[status(url), warns, silent, broken, idle]);
        let told: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "t.example:8443: the tracker warns: old client",
                "[::1]:6969: the tracker has not answered yet",
                "[::1]:6969: cannot reach the tracker",
            ]
        );
    }
}
