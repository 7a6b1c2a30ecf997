//! The stages of a download that touch the store: begin, fill, fetch the pieces, finish.

use super::Fetch;
use crate::clock::unix_now;
use crate::download::engine::{self, Work};
use crate::download::keep::{Keeper, StoreSink};
use crate::download::viewing;
use crate::errors;
use crate::reading::Live;
use crate::source::{Job, ProvenHead};
use potluck_api::{ErrorBody, Phase};
use potluck_content::{Kind, Manifest, PieceSet};
use potluck_identity::PeerId;
use potluck_store::{Download, DownloadSpec, Head, Selection};
use std::path::PathBuf;
use std::sync::Arc;

impl Fetch<'_> {
    pub(super) async fn begin(
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
        viewing::begin(self.ctx, spec).await
    }

    /// Takes what this node already has: other copies, and a file that came whole with the head.
    pub(super) async fn fill(
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

    pub(super) async fn pieces(
        &mut self,
        download: &Arc<Download>,
        have: PieceSet,
        wanted: PieceSet,
    ) -> Result<(), ErrorBody> {
        let root = self.link.address;
        let sink = Arc::new(StoreSink(Arc::clone(download)));
        let job = Arc::new(Job::new(root, Arc::clone(download.layout()), sink));
        let live = Live::new(Arc::clone(download.layout()), wanted.clone(), have.clone());
        self.engine.let_read(&live, false);
        self.seat.begun(&live);
        let mut work = Work::new(job, have, wanted, false, &self.ctx.net.peer_id());
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

    pub(super) async fn finish(&mut self, download: &Arc<Download>) -> Result<PathBuf, ErrorBody> {
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
}
