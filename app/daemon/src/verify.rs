//! `verify`: read everything again, and fetch what is damaged from peers.

use crate::context::Context;
use crate::{download, errors, roots};
use potluck_api::{ErrorBody, ExitCode, VerifyEvent, VerifyRequest};
use potluck_content::PieceSet;
use potluck_store::{Origin, Root, VerifyProgress, VerifyReport};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Verifies one root or all; the last event is returned.
pub(crate) async fn run(
    ctx: &Arc<Context>,
    request: VerifyRequest,
    events: &mpsc::Sender<VerifyEvent>,
    stop: &CancellationToken,
) -> Result<VerifyEvent, ErrorBody> {
    let targets = match &request.target {
        Some(target) => vec![roots::find(ctx, target).await?],
        None => ctx
            .blocking(|store| store.roots())
            .await
            .ok_or_else(errors::stopping)?
            .map_err(|fault| errors::fault(&fault))?,
    };
    let (mut bytes, mut bad_bytes) = (0, 0);
    let count = targets.len() as u64;
    for root in targets {
        let report = check(ctx, &root, events, stop).await?;
        let mut bad = bytes_of(ctx, &root, report.bad.clone()).await;
        let _ = events
            .send(VerifyEvent::Checked {
                cid: root.address.to_string(),
                name: root.name.clone(),
                bytes: report.checked_bytes,
                bad_bytes: bad,
                problems: report
                    .problems
                    .iter()
                    .map(|found| roots::problem(found, &root.origin))
                    .collect(),
            })
            .await;
        let ours = !matches!(root.origin, Origin::Shared { .. });
        if request.repair && ours && !report.bad.is_empty() {
            let cid = root.address.to_string();
            let _ = events
                .send(VerifyEvent::Repairing {
                    cid: cid.clone(),
                    left_bytes: bad,
                })
                .await;
            let fetched = download::repair(ctx, &root, &report.bad, stop).await?;
            let _ = events
                .send(VerifyEvent::Repaired {
                    cid,
                    bytes: fetched,
                })
                .await;
            bad = 0;
        }
        bytes += report.checked_bytes;
        bad_bytes += bad;
    }
    let verified = VerifyEvent::Verified {
        roots: count,
        bytes,
        bad_bytes,
    };
    if bad_bytes == 0 {
        return Ok(verified);
    }
    let _ = events.send(verified).await;
    Err(ErrorBody::new(
        ExitCode::Verification,
        format!("{bad_bytes} bytes are damaged or gone"),
        "'potluck verify --repair' fetches what the node fetched or copied again; restore your own files yourself",
    ))
}

async fn check(
    ctx: &Arc<Context>,
    root: &Root,
    events: &mpsc::Sender<VerifyEvent>,
    stop: &CancellationToken,
) -> Result<VerifyReport, ErrorBody> {
    let address = root.address;
    let threads = ctx.config().share.threads as usize;
    let (cid, name) = (address.to_string(), root.name.clone());
    let (events, stop) = (events.clone(), stop.clone());
    let mut told: Option<Instant> = None;
    ctx.blocking(move |store| {
        store.verify(&address, threads, &mut |progress: &VerifyProgress| {
            if stop.is_cancelled() {
                return ControlFlow::Break(());
            }
            if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                // A reader that is slow misses a step; the next one tells more.
                let _ = events.try_send(VerifyEvent::Checking {
                    cid: cid.clone(),
                    name: name.clone(),
                    done_bytes: progress.bytes_done,
                    total_bytes: progress.bytes,
                });
            }
            ControlFlow::Continue(())
        })
    })
    .await
    .ok_or_else(errors::stopping)?
    .map_err(|error| errors::verify(&error))
}

async fn bytes_of(ctx: &Arc<Context>, root: &Root, pieces: PieceSet) -> u64 {
    let address = root.address;
    let bytes = ctx.blocking(move |store| {
        let layout = store.layout(&address).ok().flatten();
        layout.map_or(0, |layout| layout.bytes_of(&pieces))
    });
    bytes.await.unwrap_or(0)
}
