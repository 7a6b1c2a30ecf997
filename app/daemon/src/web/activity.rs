//! What happens in a node, in words for its owner.

use crate::clock::unix_now;
use crate::context::Context;
use potluck_api::{Activity, ActivityLevel, TransferStatus};
use potluck_gateway::Journal;
use potluck_net::{NetEvent, Path, Reachability};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// How often what the node holds, bans and serves is compared with before.
const LOOK: Duration = Duration::from_secs(2);

/// Writes what happens into the journal, until the node ends.
pub(super) async fn keep(ctx: Arc<Context>, journal: Arc<Journal>) {
    let mut news = ctx.net_events.subscribe();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    let mut is_first = true;
    loop {
        tokio::select! {
            event = news.recv() => match event {
                Ok(event) => {
                    if let Some(entry) = heard(&event) {
                        journal.note(entry);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = look.tick() => {
                let now = Seen::of(&ctx).await;
                // What was there at the start is no news.
                if !is_first {
                    seen.compare(&now, &journal);
                }
                (seen, is_first) = (now, false);
            }
            () = ctx.shutdown.cancelled() => return,
        }
    }
}

fn entry(level: ActivityLevel, text: String) -> Activity {
    Activity {
        at: unix_now(),
        level,
        text,
        cid: None,
        peer: None,
    }
}

fn heard(event: &NetEvent) -> Option<Activity> {
    let (text, peer) = match event {
        NetEvent::Connected { peer, path, .. } => {
            let way = match path {
                Path::Relayed => " through a relay",
                _ => "",
            };
            (format!("a peer connected{way}"), Some(peer))
        }
        NetEvent::Disconnected { peer } => ("a peer left".to_owned(), Some(peer)),
        NetEvent::LanPeer { peer, .. } => (
            "a peer was seen on the local network".to_owned(),
            Some(peer),
        ),
        NetEvent::Reachability(reach) => {
            let text = match reach {
                Reachability::Public => "this node can be reached from outside",
                Reachability::Private => "this node cannot be reached from outside",
                Reachability::Unknown => return None,
            };
            (text.to_owned(), None)
        }
        NetEvent::AddressesChanged | NetEvent::Identified { .. } => return None,
    };
    Some(Activity {
        peer: peer.map(ToString::to_string),
        ..entry(ActivityLevel::Info, text)
    })
}

/// The state of what tells no news by itself.
#[derive(Default)]
struct Seen {
    /// Names of roots by their addresses.
    roots: BTreeMap<String, String>,
    /// Files that are not what they were: what is wrong with each.
    problems: BTreeMap<String, (String, String)>,
    bans: BTreeMap<String, String>,
    downloads: BTreeMap<String, TransferStatus>,
}

impl Seen {
    async fn of(ctx: &Arc<Context>) -> Self {
        let held = ctx
            .blocking(|store| store.roots().unwrap_or_default())
            .await;
        let mut seen = Self::default();
        for root in held.unwrap_or_default() {
            let cid = root.address.to_string();
            for problem in &root.problems {
                let problem = crate::roots::problem(problem, &root.origin);
                seen.problems
                    .insert(problem.path, (cid.clone(), problem.what));
            }
            seen.roots.insert(cid, root.name);
        }
        let bans = ctx.book.bans().into_iter();
        seen.bans = bans.map(|(peer, why)| (peer.to_string(), why)).collect();
        let downloads = ctx.downloads.report().into_iter();
        seen.downloads = downloads.map(|it| (it.cid.clone(), it)).collect();
        seen
    }

    fn compare(&self, now: &Self, journal: &Journal) {
        let info = ActivityLevel::Info;
        let of_root = |cid: &str, text: String| Activity {
            cid: Some(cid.to_owned()),
            ..entry(info, text)
        };
        for (cid, name) in &now.roots {
            if !self.roots.contains_key(cid) {
                journal.note(of_root(cid, format!("{name} can be had from this node")));
            }
        }
        for (cid, name) in &self.roots {
            if !now.roots.contains_key(cid) {
                journal.note(of_root(cid, format!("{name} is held no longer")));
            }
        }
        for (cid, download) in &now.downloads {
            if !self.downloads.contains_key(cid) {
                journal.note(of_root(cid, format!("fetching {}", download.name)));
            }
        }
        for (path, (cid, what)) in &now.problems {
            if !self.problems.contains_key(path) {
                journal.note(Activity {
                    cid: Some(cid.clone()),
                    ..entry(ActivityLevel::Warning, format!("{path}: {what}"))
                });
            }
        }
        for (peer, why) in &now.bans {
            if !self.bans.contains_key(peer) {
                journal.note(Activity {
                    peer: Some(peer.clone()),
                    ..entry(ActivityLevel::Warning, format!("a peer was banned: {why}"))
                });
            }
        }
    }
}
