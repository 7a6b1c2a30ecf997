//! What a download tells its user while it runs.

use super::engine::{Engine, Work};
use crate::dial::path_kind;
use potluck_api::{GetEvent, PathKind, Phase, SourceProgress, SourceState};
use potluck_identity::PeerId;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Sources listed in one event.
const MAX_LISTED: usize = 32;

/// Says what is awaited while nobody who has the content is known.
pub(super) async fn waiting(engine: &Engine) {
    let connected = u32::try_from(engine.ctx.net.peers().await.len()).unwrap_or(u32::MAX);
    let asked = engine.finder.counts.asked.load(Ordering::Relaxed);
    let dialing = engine.finder.counts.dialing.load(Ordering::Relaxed);
    let mut parts = Vec::new();
    if dialing > 0 {
        parts.push(format!("dialing {}", plural(dialing, "peer")));
    }
    if !engine.sources.is_empty() {
        let count = u32::try_from(engine.sources.len()).unwrap_or(u32::MAX);
        parts.push(format!("asking {}", plural(count, "connected peer")));
    }
    if connected == 0 {
        parts.push("no peer is connected yet".to_owned());
    } else if parts.is_empty() {
        parts.push(format!(
            "none of {} has it",
            plural(connected, "connected peer")
        ));
    }
    parts.extend(changed(engine));
    if asked > 0 {
        parts.push(format!(
            "the DHT named no other after {}",
            plural(asked, "question")
        ));
    }
    let reason = parts.join(", ");
    engine.tell(GetEvent::Waiting {
        phase: Phase::Finding,
        reason,
        asked,
        connected,
        seconds: engine.started.elapsed().as_secs_f64(),
    });
}

/// Who had it before a file changed, if anybody.
pub(super) fn changed(engine: &Engine) -> Option<String> {
    let count = u32::try_from(engine.changed.len()).unwrap_or(u32::MAX);
    let who = plural(count, "peer");
    (count > 0).then(|| format!("{who} had it, but a file there changed or is not shared now"))
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Tells how far the download is.
pub(super) async fn progress(engine: &mut Engine, work: &Work) {
    let planner = &work.planner;
    let now = engine.ctx.clock.now();
    let progress = planner.progress(now);
    let reason = planner.waiting(now).map(|waiting| waiting.to_string());
    let phase = match (&reason, work.is_manifest()) {
        (Some(_), _) => Phase::Stalled,
        (None, true) => Phase::Manifest,
        (None, false) => Phase::Fetching,
    };
    let mut sources = Vec::new();
    let paths: BTreeMap<PeerId, PathKind> = (engine.ctx.net.peers().await.into_iter())
        .map(|info| (info.peer, path_kind(info.path)))
        .collect();
    for report in planner.sources(now) {
        let Some(source) = engine.sources.get(&report.source) else {
            continue;
        };
        let state = match report.state {
            potluck_transfer::SourceState::Active => SourceState::Active,
            potluck_transfer::SourceState::Idle if report.pieces == 0 => SourceState::Empty,
            potluck_transfer::SourceState::Idle => SourceState::Idle,
            _ => SourceState::Stalled,
        };
        sources.push(SourceProgress {
            peer: source.peer.to_string(),
            kind: "native".to_owned(),
            path: paths.get(&source.peer).copied().unwrap_or(PathKind::Direct),
            rate: report.rate,
            bytes: engine.delivered.get(&source.peer).copied().unwrap_or(0),
            state,
        });
    }
    sources.sort_by(|a, b| b.rate.cmp(&a.rate).then_with(|| a.peer.cmp(&b.peer)));
    let source_count = u32::try_from(sources.len()).unwrap_or(u32::MAX);
    let peers = sources.iter().map(|source| source.peer.clone()).collect();
    sources.truncate(MAX_LISTED);
    let rate = engine.rate();
    engine.ctx.downloads.update(&engine.root, |running| {
        running.phase = phase;
        running.rate = rate;
        running.peers = peers;
        if !work.is_manifest() {
            running.done_bytes = progress.have_bytes;
            running.total_bytes = progress.wanted_bytes;
        }
    });
    if work.is_manifest() && reason.is_none() {
        return;
    }
    let left = progress.wanted_bytes.saturating_sub(progress.have_bytes);
    engine.tell(GetEvent::Progress {
        phase,
        done_bytes: progress.have_bytes,
        total_bytes: progress.wanted_bytes,
        rate,
        eta: (rate > 0).then(|| left as f64 / rate as f64),
        reason,
        sources,
        source_count,
    });
}
