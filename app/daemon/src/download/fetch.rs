//! One download from the first source to the final name.

mod stages;

use super::dest;
use super::engine::{Engine, Work};
use crate::context::Context;
use crate::reading::Seat;
use crate::source::{Job, MemorySink, ProvenHead};
use potluck_api::{ErrorBody, ExitCode, GetEvent, GetRequest, Phase, SourceResult};
use potluck_content::{Kind, Link, Manifest, Node, PieceLayout, PieceSet};
use potluck_store::Selection;
use potluck_transfer::Order;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

pub(super) struct Fetch<'a> {
    pub(super) ctx: &'a Arc<Context>,
    pub(super) link: &'a Link,
    pub(super) request: &'a GetRequest,
    pub(super) events: &'a mpsc::Sender<GetEvent>,
    pub(super) name: String,
    pub(super) dest: PathBuf,
    pub(super) engine: Engine,
    /// Where others find it who want to read what comes.
    pub(super) seat: &'a Seat,
    pub(super) order: Order,
    /// Wanted bytes, once all of them are here.
    pub(super) whole_bytes: u64,
}

impl Fetch<'_> {
    pub(super) async fn run(mut self) -> Result<GetEvent, ErrorBody> {
        let started = Instant::now();
        let (head, from) = self.engine.head().await?;
        self.engine.ctx.swarms.proven(&self.engine.root, &head);
        let (manifest, selection) = match self.link.address.kind {
            Kind::Blob => (None, Selection::All),
            Kind::Folder => {
                let manifest = manifest(&mut self.engine, &head).await?;
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

/// The manifest, which is often whole in the head.
pub(super) async fn manifest(
    engine: &mut Engine,
    head: &Arc<ProvenHead>,
) -> Result<Manifest, ErrorBody> {
    let root = engine.root;
    let bytes = if head.data.len() as u64 == head.size {
        engine.received_bytes += head.size;
        head.data.clone()
    } else {
        let layout = Arc::new(PieceLayout::for_blob(root.hash, head.size));
        let pieces = layout.pieces();
        let sink = Arc::new(MemorySink::new(
            usize::try_from(head.size).unwrap_or(usize::MAX),
        ));
        let job = Arc::new(Job::new(root, layout, Arc::<MemorySink>::clone(&sink)));
        let none = PieceSet::new(pieces);
        let own = engine.ctx.net.peer_id();
        let mut work = Work::new(job, none, PieceSet::full(pieces), true, &own);
        engine.fetch(&mut work).await?;
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
