//! What the owner wants of one torrent: its goals and its limits.

use super::goals::{Given, Goals};
use super::{list, names, seed};
use crate::config;
use crate::context::Context;
use crate::errors;
use potluck_api::{ErrorBody, LimitRequest, TorrentLimits};
use potluck_store::records::TorrentOwnerRecord;
use potluck_store::{TorrentInfo, TorrentKey};
use std::sync::Arc;

/// How a goal is left to the node's settings.
const DEFAULT: &str = "default";

/// What is to be changed.
#[derive(Clone, Copy, Default)]
struct Change {
    ratio: Option<Option<u64>>,
    time: Option<Option<u64>>,
    down: Option<Option<u64>>,
    up: Option<Option<u64>>,
}

impl Change {
    fn of(request: &LimitRequest) -> Result<Self, ErrorBody> {
        let ratio = request.ratio.as_deref();
        let time = request.time.as_deref();
        Ok(Self {
            ratio: ratio
                .map(|text| goal(text, config::parse_ratio, "2.0"))
                .transpose()?,
            time: time
                .map(|text| goal(text, config::parse_time, "24h"))
                .transpose()?,
            down: request.down.map(|rate| rate.0),
            up: request.up.map(|rate| rate.0),
        })
    }

    fn is_none(&self) -> bool {
        self.ratio.is_none() && self.time.is_none() && self.down.is_none() && self.up.is_none()
    }

    fn apply(&self, owner: &mut TorrentOwnerRecord) {
        owner.ratio_goal_milli = self.ratio.unwrap_or(owner.ratio_goal_milli);
        owner.time_goal_seconds = self.time.unwrap_or(owner.time_goal_seconds);
        owner.down_rate = self.down.unwrap_or(owner.down_rate);
        owner.up_rate = self.up.unwrap_or(owner.up_rate);
    }
}

/// A goal as the owner writes it; none when the node's settings are to say.
fn goal(
    text: &str,
    parse: fn(&str) -> Option<u64>,
    example: &str,
) -> Result<Option<u64>, ErrorBody> {
    if text.trim().eq_ignore_ascii_case(DEFAULT) {
        return Ok(None);
    }
    parse(text).map(Some).ok_or_else(|| {
        errors::usage(
            format!("'{}' is no goal of seeding", errors::clip(text)),
            &format!("write for example {example}, 0 for no goal, or '{DEFAULT}' for the node's"),
        )
    })
}

/// Changes what the owner wants of a torrent, and tells how it stands. One whose goal is not reached any
/// more is served again.
pub(crate) async fn limit(
    ctx: &Arc<Context>,
    request: &LimitRequest,
) -> Result<TorrentLimits, ErrorBody> {
    let change = Change::of(request)?;
    let meant = list::meant(ctx, &request.target).await?;
    let Some(mut info) = meant else {
        return Err(errors::not_found(
            format!("no torrent is named '{}'", errors::clip(&request.target)),
            "'potluck ls' lists the torrents that are here",
        ));
    };
    if !change.is_none() {
        info = put(ctx, info.key, change).await?;
        ctx.torrents.ledger.changed(&info.key).await;
        if let Some(swarm) = names(&info.hashes).find_map(|name| ctx.torrents.find(&name)) {
            swarm.allowances.set(&info.owner);
        } else if !ctx.torrents.settings().in_command {
            seed::resume_one(ctx, &info).await;
        }
    }
    Ok(report(ctx, &info).await)
}

async fn put(
    ctx: &Arc<Context>,
    key: TorrentKey,
    change: Change,
) -> Result<TorrentInfo, ErrorBody> {
    let changed = ctx.blocking(move |store| {
        store.change_torrent_owner(&key, |owner| change.apply(owner))?;
        store.torrent(&key)
    });
    let changed = changed.await.ok_or_else(errors::stopping)?;
    let changed = changed.map_err(|fault| errors::fault(&fault))?;
    changed.ok_or_else(|| {
        errors::not_found(
            "the torrent was removed meanwhile",
            "'potluck ls' lists the torrents that are here",
        )
    })
}

async fn report(ctx: &Arc<Context>, info: &TorrentInfo) -> TorrentLimits {
    let goals = Goals::of(&ctx.config().bittorrent.rules, &info.owner);
    let pending = ctx.torrents.ledger.pending(&info.key).await;
    let given = Given::of(info);
    let given = Given {
        uploaded_bytes: given.uploaded_bytes + pending.uploaded_bytes,
        seeded_seconds: given.seeded_seconds + pending.seeded_seconds,
        ..given
    };
    #[allow(clippy::cast_precision_loss)] // for people
    let ratio = |milli: u64| milli as f64 / 1000.0;
    TorrentLimits {
        cid: list::address(&info.hashes),
        name: info.name.clone(),
        down: info.owner.down_rate,
        up: info.owner.up_rate,
        ratio_goal: (goals.ratio_milli > 0).then(|| ratio(goals.ratio_milli)),
        ratio_goal_is_own: info.owner.ratio_goal_milli.is_some(),
        time_goal_seconds: (goals.seconds > 0).then_some(goals.seconds),
        time_goal_is_own: info.owner.time_goal_seconds.is_some(),
        ratio: ratio(given.ratio_milli()),
        sent_bytes: given.uploaded_bytes,
        seeded_seconds: given.seeded_seconds,
        reached: info.complete.then(|| goals.reached(&given)).flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_api::{ExitCode, Rate};

    #[test]
    fn only_what_is_named_changes() {
        let request = LimitRequest {
            target: String::new(),
            ratio: Some("1.5".to_owned()),
            time: Some("default".to_owned()),
            down: None,
            up: Some(Rate(None)),
        };
        let mut owner = TorrentOwnerRecord {
            ratio_goal_milli: None,
            time_goal_seconds: Some(60),
            down_rate: Some(5000),
            up_rate: Some(6000),
            ..TorrentOwnerRecord::default()
        };
        let change = Change::of(&request).unwrap();
        assert!(!change.is_none() && Change::default().is_none());
        change.apply(&mut owner);
        let expected = TorrentOwnerRecord {
            ratio_goal_milli: Some(1500),
            down_rate: Some(5000),
            ..TorrentOwnerRecord::default()
        };
        assert_eq!(owner, expected);
    }

    #[test]
    fn what_is_no_goal_is_a_usage_error() {
        for (ratio, time) in [(Some("much"), None), (None, Some("24"))] {
            let request = LimitRequest {
                ratio: ratio.map(str::to_owned),
                time: time.map(str::to_owned),
                ..LimitRequest::default()
            };
            let refused = Change::of(&request).err().unwrap();
            assert_eq!(refused.code, ExitCode::Usage);
        }
    }
}
