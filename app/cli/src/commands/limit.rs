//! `potluck torrent limit`

use crate::app::App;
use crate::args::LimitTorrent;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::units::{clip, duration, rate, size};
use potluck_api::{LimitRequest, TorrentLimits};

/// Changes what is given, and shows how the torrent stands.
pub(crate) async fn run(app: &App, args: LimitTorrent) -> Outcome {
    let request = LimitRequest {
        target: args.torrent,
        ratio: args.ratio,
        time: args.time,
        down: args.down,
        up: args.up,
    };
    let limits: TorrentLimits = with(
        app,
        Need::Records,
        "run it again",
        async |session: &Session| Ok(session.client().post("torrents/limit", &request).await?),
    )
    .await?;
    if app.output.json {
        return app.output.object(&limits);
    }
    for (name, value) in rows(&limits) {
        app.output.line(format!("{name:<10} {value}"))?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // for people
fn rows(limits: &TorrentLimits) -> Vec<(&'static str, String)> {
    let limit = |bytes: Option<u64>| match bytes {
        Some(bytes) => format!("at most {}", rate(bytes)),
        None => "no limit of its own".to_owned(),
    };
    let goal = |goal: Option<String>, is_own: bool| match (goal, is_own) {
        (Some(goal), true) => format!("until {goal}"),
        (Some(goal), false) => format!("until {goal} (the node's goal)"),
        (None, true) => "no goal for this torrent".to_owned(),
        (None, false) => "no goal".to_owned(),
    };
    let ratio = limits.ratio_goal.map(|ratio| ratio.to_string());
    let time = limits.time_goal_seconds;
    let time = time.map(|seconds| duration(seconds as f64));
    let mut rows = vec![
        ("torrent", clip(&limits.name, 100)),
        ("cid", limits.cid.clone()),
        ("down", limit(limits.down)),
        ("up", limit(limits.up)),
        (
            "ratio",
            format!(
                "{:.3} ({} given), {}",
                limits.ratio,
                size(limits.sent_bytes),
                goal(ratio, limits.ratio_goal_is_own)
            ),
        ),
        (
            "seeded",
            format!(
                "{}, {}",
                duration(limits.seeded_seconds as f64),
                goal(time, limits.time_goal_is_own)
            ),
        ),
    ];
    rows.extend(limits.reached.clone().map(|reason| ("stopped", reason)));
    rows
}
