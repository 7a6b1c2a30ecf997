//! Downloads that are begun for readers: they fetch what is read and a little ahead, into the data
//! directory, and end when nobody reads.

use super::dest;
use super::engine::{self, Engine, Work};
use super::fetch::manifest;
use super::keep::{Keeper, StoreSink};
use crate::clock::unix_now;
use crate::context::Context;
use crate::downloads::Running;
use crate::errors;
use crate::reading::{Live, Seat, cache};
use crate::source::{Job, ProvenHead};
use potluck_api::{ErrorBody, ExitCode, GetEvent, Phase};
use potluck_content::{Address, Kind, Link, Manifest};
use potluck_store::{BeginError, Download, DownloadSpec, Head, Selection};
use potluck_transfer::Order;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events of the engine that may wait.
const EVENTS: usize = 16;
/// How often a download that just ended is asked to let go of its place, and how long that takes.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// What the download is of.
struct Known {
    size: u64,
    manifest: Option<Arc<Manifest>>,
    head: Option<Arc<ProvenHead>>,
}

/// Fetches what readers want, until none was there for a while or `stop`.
pub(crate) async fn view(
    ctx: &Arc<Context>,
    link: &Link,
    seat: &Seat,
    patience: Duration,
    stop: &CancellationToken,
) -> Result<(), ErrorBody> {
    let root = link.address;
    let running = Running {
        name: dest::name(link),
        path: None,
        phase: Phase::Finding,
        done_bytes: 0,
        total_bytes: link.size.unwrap_or(0),
        rate: 0,
        peers: Vec::new(),
        private: false,
    };
    if !ctx.downloads.begin(root, running) {
        return Err(super::already());
    }
    let _registered = super::Registered { ctx, root };
    let (user, events) = mpsc::channel(EVENTS);
    let waited = Arc::new(Mutex::new(String::new()));
    tokio::spawn(note(events, Arc::clone(&waited)));
    let full = stop.child_token();
    let mut engine = Engine::new(ctx, link, true, Some(patience), user, full.clone());
    let known = match held(ctx, link).await? {
        Some(known) => known,
        None => met(&mut engine, link).await.map_err(|mut error| {
            let reason = waited.lock().unwrap_or_else(PoisonError::into_inner);
            if error.code == ExitCode::NotFound && !reason.is_empty() {
                error.message = format!("{}: {reason}", error.message);
            }
            error
        })?,
    };
    cache::begin(ctx, &root).await?;
    let download = Arc::new(begin(ctx, spec(ctx, link, known).await?).await?);
    let (layout, wanted, have) = (download.layout(), download.wanted(), download.have());
    let live = Live::new(Arc::clone(layout), wanted.clone(), have.clone());
    engine.let_read(&live, true);
    seat.begun(&live);
    let sink = Arc::new(StoreSink(Arc::clone(&download)));
    let job = Arc::new(Job::new(root, Arc::clone(layout), sink));
    let mut work = Work::new(job, have, wanted, false, &ctx.net.peer_id());
    let mut keeper = Keeper::new(ctx, root, &download, true);
    keeper.resumed(&work.have);
    work.keeper = Some(keeper);
    engine::order(&mut work, ctx, Order::ReadersOnly);
    let room = tokio::spawn(keep_room(Arc::clone(ctx), root, live, full));
    let fetched = engine.fetch(&mut work).await;
    room.abort();
    let fetched = room.await.map_or(fetched, Err);
    engine.sources.clear();
    if let Some(keeper) = work.keeper.take() {
        keeper.close().await;
    }
    fetched
}

/// Ends the download when what readers may keep is used up. Why it did.
async fn keep_room(
    ctx: Arc<Context>,
    root: Address,
    live: Arc<Live>,
    full: CancellationToken,
) -> ErrorBody {
    let error = cache::watch(&ctx, &root, &live).await;
    live.end(Some(error.clone()));
    full.cancel();
    error
}

/// Keeps the last that the engine says of what it waits for.
async fn note(mut events: mpsc::Receiver<GetEvent>, last: Arc<Mutex<String>>) {
    while let Some(event) = events.recv().await {
        if let GetEvent::Waiting { reason, .. } = event {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        }
    }
}

/// What this node knows already of the content.
async fn held(ctx: &Arc<Context>, link: &Link) -> Result<Option<Known>, ErrorBody> {
    let root = link.address;
    let known = ctx.blocking(move |store| Ok((store.layout(&root)?, store.manifest(&root)?)));
    let (layout, manifest) = known
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    Ok(layout.map(|layout| Known {
        size: layout.total_bytes(),
        manifest,
        head: None,
    }))
}

/// What the first source says that proves it.
async fn met(engine: &mut Engine, link: &Link) -> Result<Known, ErrorBody> {
    let (head, _) = engine.head().await?;
    engine.ctx.swarms.proven(&engine.root, &head);
    let manifest = match link.address.kind {
        Kind::Blob => None,
        Kind::Folder => Some(Arc::new(manifest(engine, &head).await?)),
    };
    Ok(Known {
        size: head.size,
        manifest,
        head: Some(head),
    })
}

/// What an earlier download left is gone on with where it is.
async fn spec(ctx: &Arc<Context>, link: &Link, known: Known) -> Result<DownloadSpec, ErrorBody> {
    let root = link.address;
    let found = ctx.blocking(move |store| {
        let partials = store.partials()?;
        Ok(partials
            .into_iter()
            .find(|it| it.address == root && !it.repair))
    });
    let partial = found
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    let head = known.head.filter(|_| root.kind == Kind::Blob);
    Ok(DownloadSpec {
        address: root,
        name: dest::name(link),
        manifest: known.manifest,
        size: known.size,
        head: head.map(|head| Head {
            proof: head.proof.clone(),
            data: head.data.clone(),
        }),
        dest: partial.map_or_else(|| cache::place(ctx, &root), |partial| partial.dest),
        selection: Selection::All,
        now_unix: unix_now(),
    })
}

/// Begins a download, or goes on with what an earlier one left. What was fetched for readers is no
/// obstacle: where it can't be moved, it is fetched anew.
pub(super) async fn begin(ctx: &Arc<Context>, spec: DownloadSpec) -> Result<Download, ErrorBody> {
    let root = spec.address;
    for tries in 1.. {
        let again = spec.clone();
        let begun = ctx.blocking(move |store| store.begin(again)).await;
        match begun.ok_or_else(errors::stopping)? {
            Ok(download) => return Ok(download),
            // What another download of this root had in hand just before isn't put down yet.
            Err(BeginError::Busy { .. }) if tries < TRIES => tokio::time::sleep(PAUSE).await,
            Err(BeginError::OtherDest { dest }) if cache::is_in(ctx, &dest) && tries < TRIES => {
                let dropped = ctx.blocking(move |store| store.drop_partial(&root)).await;
                if !matches!(dropped, Some(Ok(_))) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Err(error) => return Err(errors::begin(&error)),
        }
    }
    Err(super::already())
}
