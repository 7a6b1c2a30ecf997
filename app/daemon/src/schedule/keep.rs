//! Puts in force what the rules come to, as time passes.

use super::decide::{Decision, decide, moment};
use crate::config::Config;
use crate::context::Context;
use jiff::{Timestamp, Zoned};
use potluck_api::{Rate, ScheduleStatus};
use std::sync::Arc;
use std::time::Duration;

/// Nothing is looked at more often.
const SOONEST: Duration = Duration::from_millis(20);
/// The clock is looked at this often at least: it can be set, and a machine can have slept.
const LOOK: Duration = Duration::from_secs(20);

/// Follows the rules until the node ends.
pub(crate) async fn keep(ctx: Arc<Context>) {
    loop {
        let config = ctx.config();
        ctx.apply_rates(&config);
        let wait = wait(&config);
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = ctx.schedule_changed.notified() => {}
            () = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// How long what holds now needs no second look; `None`: until the rules change.
fn wait(config: &Config) -> Option<Duration> {
    if config.limits.schedule.is_empty() {
        return None;
    }
    let now = Zoned::now();
    let next = end(&now, &decide(&config.limits.schedule, now.datetime()));
    let left = next.map(|next| next.duration_since(now.timestamp()));
    let left = left.map_or(LOOK, |left| left.try_into().unwrap_or_default());
    // Not before the moment, by however little.
    Some((left + Duration::from_millis(5)).clamp(SOONEST, LOOK))
}

fn end(now: &Zoned, decision: &Decision) -> Option<Timestamp> {
    moment(now.time_zone(), now.timestamp(), decision.until?)
}

/// What the rules come to now, for its owner; `None` when there are none.
pub(crate) fn status(config: &Config) -> Option<ScheduleStatus> {
    let rules = &config.limits.schedule;
    if rules.is_empty() {
        return None;
    }
    let now = Zoned::now();
    let decision = decide(rules, now.datetime());
    let until = end(&now, &decision).and_then(|until| u64::try_from(until.as_second()).ok());
    let until_clock = decision.until.map(|until| {
        let format = match until.date() == now.date() {
            true => "%H:%M",
            false => "%a %H:%M",
        };
        until.strftime(format).to_string()
    });
    let count = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    Some(ScheduleStatus {
        rules: decision.rules.into_iter().map(count).collect(),
        until,
        until_clock,
        clock: now.strftime("%a %H:%M").to_string(),
    })
}

/// What may be sent and received now, as far as the rules say so.
pub(crate) fn now(config: &Config) -> (Option<Rate>, Option<Rate>) {
    if config.limits.schedule.is_empty() {
        return (None, None);
    }
    let decision = decide(&config.limits.schedule, Zoned::now().datetime());
    (decision.up, decision.down)
}
