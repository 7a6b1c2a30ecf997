//! Fetching damaged pieces of something this node holds again.

use super::engine::{Engine, Work};
use super::keep::{Keeper, StoreSink};
use crate::clock::unix_now;
use crate::context::Context;
use crate::downloads::Running;
use crate::errors;
use crate::source::Job;
use potluck_api::{ErrorBody, Phase};
use potluck_content::{Link, PieceSet};
use potluck_store::Root;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long to look for a peer that has the damaged pieces.
const PATIENCE: Duration = Duration::from_secs(60);

/// Replaces the bad pieces of a root; returns the bytes that came.
pub(crate) async fn repair(
    ctx: &Arc<Context>,
    root: &Root,
    bad: &PieceSet,
    stop: &CancellationToken,
) -> Result<u64, ErrorBody> {
    let address = root.address;
    let running = Running {
        name: root.name.clone(),
        path: None,
        phase: Phase::Finding,
        done_bytes: 0,
        total_bytes: 0,
        rate: 0,
        peers: Vec::new(),
        private: false,
    };
    if !ctx.downloads.begin(address, running) {
        return Err(errors::failed(
            "it is being downloaded already",
            "wait for it",
        ));
    }
    let _registered = super::Registered { ctx, root: address };
    let wanted = bad.clone();
    let download = ctx
        .blocking(move |store| store.begin_repair(&address, &wanted, unix_now()))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|error| errors::begin(&error))?;
    let download = Arc::new(download);
    // Nobody reads these events: `verify` tells what it needs to.
    let (user, _unread) = mpsc::channel(1);
    let link = Link::new(address);
    let mut engine = Engine::new(ctx, &link, true, Some(PATIENCE), user, stop.clone());
    let sink = Arc::new(StoreSink(Arc::clone(&download)));
    let job = Arc::new(Job::new(address, Arc::clone(download.layout()), sink));
    let mut work = Work::new(
        job,
        download.have(),
        download.wanted(),
        false,
        &ctx.net.peer_id(),
    );
    work.keeper = Some(Keeper::new(ctx, address, &download, true));
    engine.fetch(&mut work).await?;
    engine.sources.clear();
    let received = engine.received_bytes;
    tokio::task::spawn_blocking(move || download.finish(true, unix_now()))
        .await
        .map_err(|_| errors::stopping())?
        .map_err(|error| errors::finish(&error))?;
    Ok(received)
}
