//! `get`: resolve a link, fetch from all sources at once, verify, finish under the final name.

mod dest;
mod engine;
mod find;
mod keep;
mod repair;
mod report;
mod sources;

pub(crate) use repair::repair;

use crate::clock::unix_now;
use crate::context::Context;
use crate::downloads::Running;
use crate::errors;
use crate::source::{Job, MemorySink, ProvenHead};
use engine::{Engine, Work};
use keep::{Keeper, StoreSink};
use potluck_api::{ErrorBody, ExitCode, GetEvent, GetRequest, Phase, SourceResult};
use potluck_content::{Address, Kind, Link, Manifest, Node, PieceLayout, PieceSet};
use potluck_identity::PeerId;
use potluck_store::{Download, DownloadSpec, Head, Origin, Root, Selection};
use potluck_transfer::Order;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Fetches a link; the last event is returned.
pub(crate) async fn run(
    ctx: &Arc<Context>,
    request: GetRequest,
    events: &mpsc::Sender<GetEvent>,
    stop: &CancellationToken,
) -> Result<GetEvent, ErrorBody> {
    let link = parse(&request.link)?;
    dest::compile(&request.files)?;
    let patience = patience(request.timeout)?;
    let cid = link.address.to_string();
    let _ = events
        .send(GetEvent::Resolving {
            cid,
            name: link.name.clone(),
        })
        .await;
    let held = held(ctx, &link.address).await?;
    let name = dest::name(&link);
    let held_path = held.as_ref().and_then(fetched_to);
    let dest = dest::path(&request.dest, &name, held_path)?;
    if let Some(root) = held.filter(|root| fetched_to(root) == Some(dest.as_path()))
        && is_whole(ctx, &root).await
    {
        return Ok(already_here(&root, &dest));
    }
    let running = Running {
        name: name.clone(),
        path: Some(dest.display().to_string()),
        phase: Phase::Finding,
        done_bytes: 0,
        total_bytes: link.size.unwrap_or(0),
        rate: 0,
        peers: Vec::new(),
        private: !request.serve,
    };
    if !ctx.downloads.begin(link.address, running) {
        return Err(errors::failed(
            "this content is being downloaded already",
            "wait for it; 'potluck status' shows how far it is",
        ));
    }
    let _registered = Registered {
        ctx,
        root: link.address,
    };
    let (user, stop) = (events.clone(), stop.clone());
    let engine = Engine::new(ctx, &link, request.serve, patience, user, stop);
    let order = if request.sequential {
        Order::Sequential
    } else {
        Order::RarestFirst
    };
    Fetch {
        ctx,
        link: &link,
        request: &request,
        events,
        name,
        dest,
        engine,
        order,
        whole_bytes: 0,
    }
    .run()
    .await
}

fn parse(text: &str) -> Result<Link, ErrorBody> {
    let link: Link = text
        .trim()
        .parse()
        .map_err(|error: potluck_content::LinkError| {
            errors::usage(
                error.to_string(),
                "a link looks like potluck:bafk…?name=…; 'potluck share' prints one",
            )
        })?;
    if link.key.is_some() {
        return Err(errors::usage(
            "the link carries a key, and this version cannot decrypt shares",
            "ask for a link without a key, or use a newer version",
        ));
    }
    Ok(link)
}

fn patience(timeout: Option<f64>) -> Result<Option<Duration>, ErrorBody> {
    timeout
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero() && time.as_secs() <= 86_400 * 365)
                .ok_or_else(|| {
                    errors::usage(
                        format!("{seconds} is not a time to wait"),
                        "give seconds above 0",
                    )
                })
        })
        .transpose()
}

/// Takes the download off the list however it ends.
struct Registered<'a> {
    ctx: &'a Arc<Context>,
    root: Address,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.ctx.downloads.end(&self.root);
        self.ctx.swarms.end_download(&self.root);
    }
}

async fn held(ctx: &Arc<Context>, root: &Address) -> Result<Option<Root>, ErrorBody> {
    let root = *root;
    ctx.blocking(move |store| store.root(&root))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))
}

fn fetched_to(root: &Root) -> Option<&Path> {
    match &root.origin {
        Origin::Fetched { path } => Some(path.as_path()),
        Origin::Shared { .. } | Origin::Copied => None,
    }
}

async fn is_whole(ctx: &Arc<Context>, root: &Root) -> bool {
    root.selected.is_none()
        && root.problems.is_empty()
        && ctx
            .available(root.address)
            .await
            .is_some_and(|have| have.is_full())
}

fn already_here(root: &Root, dest: &Path) -> GetEvent {
    GetEvent::Done {
        path: dest.display().to_string(),
        cid: root.address.to_string(),
        bytes: root.bytes,
        files: root.files,
        fetched_bytes: 0,
        wasted_bytes: 0,
        seconds: 0.0,
        sources: Vec::new(),
        serving: true,
    }
}

struct Fetch<'a> {
    ctx: &'a Arc<Context>,
    link: &'a Link,
    request: &'a GetRequest,
    events: &'a mpsc::Sender<GetEvent>,
    name: String,
    dest: PathBuf,
    engine: Engine,
    order: Order,
    /// Wanted bytes, once all of them are here.
    whole_bytes: u64,
}

impl Fetch<'_> {
    async fn run(mut self) -> Result<GetEvent, ErrorBody> {
        let started = Instant::now();
        let (head, from) = self.engine.head().await?;
        let (manifest, selection) = match self.link.address.kind {
            Kind::Blob => (None, Selection::All),
            Kind::Folder => {
                let manifest = self.manifest(&head).await?;
                let selection = dest::select(&manifest, &self.request.files)?;
                (Some(Arc::new(manifest)), selection)
            }
        };
        if self
            .link
            .size
            .is_some_and(|size| size != shown_size(&head, manifest.as_deref()))
        {
            let message = "the size in the link is not the content's; the content's is used";
            self.engine.tell(GetEvent::Notice {
                message: message.to_owned(),
            });
        }
        let (files, bytes) = extent(&head, manifest.as_deref(), &selection);
        let download = Arc::new(self.begin(&head, manifest, selection).await?);
        let local = self.fill(&download, &head, from).await?;
        let wanted = download.wanted();
        let layout = Arc::clone(download.layout());
        let mut have = download.have();
        have.intersect_with(&wanted);
        let have_bytes = match have == wanted {
            true => bytes,
            false => layout.bytes_of(&have),
        };
        let _ = self
            .events
            .send(GetEvent::Found {
                name: self.name.clone(),
                bytes,
                files,
                have_bytes,
                path: self.dest.display().to_string(),
            })
            .await;
        self.pieces(&download, have, wanted).await?;
        self.whole_bytes = bytes;
        let path = self.finish(&download).await?;
        Ok(self.done(&path, bytes, files, local, started))
    }

    /// The manifest, which is often whole in the head.
    async fn manifest(&mut self, head: &Arc<ProvenHead>) -> Result<Manifest, ErrorBody> {
        let root = self.link.address;
        let bytes = if head.data.len() as u64 == head.size {
            self.engine.received_bytes += head.size;
            head.data.clone()
        } else {
            let layout = Arc::new(PieceLayout::for_blob(root.hash, head.size));
            let pieces = layout.pieces();
            let sink = Arc::new(MemorySink::new(
                usize::try_from(head.size).unwrap_or(usize::MAX),
            ));
            let job = Arc::new(Job::new(root, layout, Arc::<MemorySink>::clone(&sink)));
            let none = PieceSet::new(pieces);
            let mut work = Work::new(job, none, PieceSet::full(pieces), true, unix_now());
            self.engine.fetch(&mut work).await?;
            sink.take()
        };
        Manifest::decode(&bytes).map_err(|error| {
            ErrorBody::new(
                ExitCode::Verification,
                format!("the folder's manifest is refused: {error}"),
                "who made the link shared something that is not safe to write here",
            )
        })
    }

    async fn begin(
        &self,
        head: &Arc<ProvenHead>,
        manifest: Option<Arc<Manifest>>,
        selection: Selection,
    ) -> Result<Download, ErrorBody> {
        self.phase(Phase::Resuming);
        let head_of_file = (self.link.address.kind == Kind::Blob).then(|| Head {
            proof: head.proof.clone(),
            data: head.data.clone(),
        });
        let spec = DownloadSpec {
            address: self.link.address,
            name: self.name.clone(),
            manifest,
            size: head.size,
            head: head_of_file,
            dest: self.dest.clone(),
            selection,
            now_unix: unix_now(),
        };
        self.ctx
            .blocking(move |store| store.begin(spec))
            .await
            .ok_or_else(errors::stopping)?
            .map_err(|error| errors::begin(&error))
    }

    /// Takes what this node already has: other copies, and a file that came whole with the head.
    async fn fill(
        &mut self,
        download: &Arc<Download>,
        head: &Arc<ProvenHead>,
        from: PeerId,
    ) -> Result<u64, ErrorBody> {
        self.phase(Phase::Copying);
        let before = download.have();
        let filling = Arc::clone(download);
        let mut filled = tokio::task::spawn_blocking(move || filling.fill_from_local())
            .await
            .map_err(|_| errors::stopping())?
            .map_err(|error| errors::write(&error))?;
        // What an earlier run left, or what came with the head, is no copy.
        filled.subtract(&before);
        let local = download.layout().bytes_of(&filled);
        let one_group = self.link.address.kind == Kind::Blob
            && head.size > 0
            && head.data.len() as u64 == head.size;
        if one_group && !download.have().is_full() {
            let (download, head) = (Arc::clone(download), Arc::clone(head));
            let kept = tokio::task::spawn_blocking(move || {
                download.write(0, 0, &head.data)?;
                download.complete(&[0])
            });
            kept.await
                .map_err(|_| errors::stopping())?
                .map_err(|error| errors::write(&error))?;
        }
        if one_group && local == 0 {
            let bytes = download.layout().total_bytes();
            self.engine.received_bytes += bytes;
            *self.engine.delivered.entry(from).or_default() += bytes;
        }
        Ok(local)
    }

    async fn pieces(
        &mut self,
        download: &Arc<Download>,
        have: PieceSet,
        wanted: PieceSet,
    ) -> Result<(), ErrorBody> {
        let root = self.link.address;
        let sink = Arc::new(StoreSink(Arc::clone(download)));
        let job = Arc::new(Job::new(root, Arc::clone(download.layout()), sink));
        let mut work = Work::new(job, have, wanted, false, unix_now());
        let mut keeper = Keeper::new(self.ctx, root, download, self.request.serve);
        keeper.resumed(&work.have);
        work.keeper = Some(keeper);
        engine::order(&mut work, self.ctx, self.order);
        let fetched = self.engine.fetch(&mut work).await;
        let keeper = work.keeper.take();
        if fetched.is_err()
            && let Some(keeper) = keeper
        {
            self.engine.sources.clear();
            keeper.close().await;
        }
        fetched
    }

    async fn finish(&mut self, download: &Arc<Download>) -> Result<PathBuf, ErrorBody> {
        self.phase(Phase::Finishing);
        self.engine.sources.clear();
        let (finishing, serve) = (Arc::clone(download), self.request.serve);
        let path = tokio::task::spawn_blocking(move || finishing.finish(serve, unix_now()))
            .await
            .map_err(|_| errors::stopping())?
            .map_err(|error| errors::finish(&error))?;
        if self.request.serve {
            self.ctx.provide(&self.link.address).await;
        }
        Ok(path)
    }

    fn phase(&self, phase: Phase) {
        self.ctx
            .downloads
            .update(&self.link.address, |running| running.phase = phase);
        self.engine.tell(GetEvent::Progress {
            phase,
            done_bytes: self.whole_bytes,
            total_bytes: self.whole_bytes,
            rate: 0,
            eta: None,
            reason: None,
            sources: Vec::new(),
            source_count: 0,
        });
    }

    fn done(&self, path: &Path, bytes: u64, files: u64, local: u64, started: Instant) -> GetEvent {
        let native = self
            .engine
            .delivered
            .iter()
            .map(|(peer, bytes)| SourceResult {
                peer: peer.to_string(),
                kind: "native".to_owned(),
                bytes: *bytes,
            });
        let copied = (local > 0).then(|| SourceResult {
            peer: self.ctx.net.peer_id().to_string(),
            kind: "local".to_owned(),
            bytes: local,
        });
        GetEvent::Done {
            path: path.display().to_string(),
            cid: self.link.address.to_string(),
            bytes,
            files,
            fetched_bytes: self.engine.received_bytes,
            wasted_bytes: self.engine.wasted_bytes,
            seconds: started.elapsed().as_secs_f64(),
            sources: native.chain(copied).collect(),
            serving: self.request.serve,
        }
    }
}

fn shown_size(head: &ProvenHead, manifest: Option<&Manifest>) -> u64 {
    manifest.map_or(head.size, Manifest::total_bytes)
}

/// Files that are wanted, and their bytes: equal files each count, though they are fetched once.
fn extent(head: &ProvenHead, manifest: Option<&Manifest>, selection: &Selection) -> (u64, u64) {
    let Some(manifest) = manifest else {
        return (1, head.size);
    };
    let Selection::Entries(chosen) = selection else {
        return (manifest.files() as u64, manifest.total_bytes());
    };
    let (mut files, mut bytes) = (0, 0);
    for index in chosen {
        if let Some(entry) = manifest.entries().get(*index as usize)
            && let Node::File { size, .. } = entry.node
        {
            files += 1;
            bytes += size;
        }
    }
    (files, bytes)
}
