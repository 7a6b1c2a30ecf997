//! What the gateway asks, passed on to the service that knows.

use super::uploads::Uploads;
use super::{content, torrents};
use crate::context::Context;
use crate::{bittorrent, config, doctor, download, errors, reading, roots, share, status, verify};
use async_trait::async_trait;
use potluck_api::{
    AddressList, ConfigChange, ConfigReport, ConnectRequest, ConnectResponse, Content,
    DoctorReport, ErrorBody, GetEvent, GetRequest, LimitRequest, Pieces, PinRequest, RemoveRequest,
    RemoveResponse, RootList, RootSummary, SeedEvent, SeedRequest, ShareEvent, ShareRequest,
    Status, TorrentLimits, VerifyEvent, VerifyRequest,
};
use potluck_gateway::{Bytestream, Host, OpenError, Opened};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

/// The node as the gateway sees it.
pub(super) struct Web {
    ctx: Arc<Context>,
    pub(super) uploads: Uploads,
}

impl Web {
    pub(super) fn new(ctx: Arc<Context>) -> Self {
        Self {
            uploads: Uploads::new(&ctx.data, ctx.shutdown.clone()),
            ctx,
        }
    }
}

#[async_trait]
impl Host for Web {
    async fn status(&self) -> Status {
        status::report(&self.ctx).await
    }

    async fn id(&self) -> AddressList {
        AddressList {
            peer_id: self.ctx.net.peer_id().to_string(),
            addresses: self.ctx.addresses(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    async fn connect(&self, request: ConnectRequest) -> Result<ConnectResponse, ErrorBody> {
        crate::dial::connect(&self.ctx, &request.address).await
    }

    async fn config(&self) -> Result<ConfigReport, ErrorBody> {
        config::report(&self.ctx.data)
    }

    async fn set_config(&self, change: ConfigChange) -> Result<ConfigReport, ErrorBody> {
        let data = &self.ctx.data;
        let report = config::set(data, &change.key, change.value.as_deref())?;
        self.ctx.apply_limits(&config::load(data)?);
        Ok(report)
    }

    async fn doctor(&self) -> DoctorReport {
        doctor::running(&self.ctx.data, &status::report(&self.ctx).await)
    }

    fn shutdown(&self) {
        self.ctx.shutdown.cancel();
    }

    async fn share(
        &self,
        request: ShareRequest,
        events: Sender<ShareEvent>,
        stop: CancellationToken,
    ) -> Result<ShareEvent, ErrorBody> {
        share::run(&self.ctx, request, &events, &stop).await
    }

    async fn get(
        &self,
        request: GetRequest,
        events: Sender<GetEvent>,
        stop: CancellationToken,
    ) -> Result<GetEvent, ErrorBody> {
        if bittorrent::is_torrent(&request.link) {
            Box::pin(bittorrent::get(&self.ctx, request, &events, &stop)).await
        } else {
            Box::pin(download::run(&self.ctx, request, &events, &stop)).await
        }
    }

    async fn seed(
        &self,
        request: SeedRequest,
        events: Sender<SeedEvent>,
        stop: CancellationToken,
    ) -> Result<SeedEvent, ErrorBody> {
        bittorrent::seed(&self.ctx, request, &events, &stop).await
    }

    async fn verify(
        &self,
        request: VerifyRequest,
        events: Sender<VerifyEvent>,
        stop: CancellationToken,
    ) -> Result<VerifyEvent, ErrorBody> {
        verify::run(&self.ctx, request, &events, &stop).await
    }

    async fn limit(&self, request: LimitRequest) -> Result<TorrentLimits, ErrorBody> {
        bittorrent::limit(&self.ctx, &request).await
    }

    async fn roots(&self) -> Result<RootList, ErrorBody> {
        roots::list(&self.ctx).await
    }

    async fn remove(&self, request: RemoveRequest) -> Result<RemoveResponse, ErrorBody> {
        roots::remove(&self.ctx, &request.target).await
    }

    async fn pin(&self, request: PinRequest) -> Result<RootSummary, ErrorBody> {
        roots::pin(&self.ctx, &request.target, request.pinned).await
    }

    async fn open(
        &self,
        link: &str,
        path: &[String],
        patience: Duration,
    ) -> Result<Opened, OpenError> {
        content::open(&self.ctx, link, path, patience).await
    }

    async fn content(&self, link: &str, patience: Duration) -> Result<Content, OpenError> {
        content::about(&self.ctx, link, patience).await
    }

    async fn pieces(&self, cid: &str) -> Result<Pieces, ErrorBody> {
        if let Some(hashes) = bittorrent::hashes_of(cid) {
            return torrents::pieces(&self.ctx, &hashes?).await;
        }
        let root = download::parse(cid)?.address;
        let (pieces, have) = reading::have(&self.ctx, &root).await;
        if pieces == 0 {
            return Err(errors::not_found(
                format!("this node knows nothing of {root}"),
                "fetch it with 'potluck get'",
            ));
        }
        let have = have.into_iter().map(|run| (run.start, run.end)).collect();
        Ok(Pieces { pieces, have })
    }

    async fn downloads_folder(&self) -> Result<String, ErrorBody> {
        let chosen = self.ctx.config().gateway.downloads;
        let folder: PathBuf = chosen.unwrap_or_else(|| self.ctx.data.join("downloads"));
        tokio::fs::create_dir_all(&folder).await.map_err(|error| {
            errors::failed(
                format!("cannot make the folder {}: {error}", folder.display()),
                "choose another with 'potluck config set gateway.downloads'",
            )
        })?;
        let text = folder.into_os_string().into_string();
        text.map(|text| format!("{}/", text.trim_end_matches('/')))
            .map_err(|path| {
                errors::failed(
                    format!("the path {} is not UTF-8", path.display()),
                    "choose another with 'potluck config set gateway.downloads'",
                )
            })
    }

    async fn upload_begin(&self, name: &str) -> Result<String, ErrorBody> {
        self.uploads.begin(name)
    }

    async fn upload_file(
        &self,
        id: &str,
        path: &[String],
        body: Bytestream,
    ) -> Result<(), ErrorBody> {
        self.uploads.file(id, path, body).await
    }

    async fn upload_finish(
        &self,
        id: &str,
        events: Sender<ShareEvent>,
        stop: CancellationToken,
    ) -> Result<ShareEvent, ErrorBody> {
        let taken = self.uploads.finish(id).await?;
        let request = ShareRequest {
            paths: vec![taken],
            name: None,
            copy: false,
            skip_unreadable: false,
            torrent: None,
        };
        share::run(&self.ctx, request, &events, &stop).await
    }

    async fn upload_drop(&self, id: &str) -> Result<(), ErrorBody> {
        self.uploads.drop(id).await
    }

    fn films_at_a_time(&self) -> u32 {
        self.ctx.config().gateway.films
    }

    fn has_open_metrics(&self) -> bool {
        self.ctx.config().gateway.metrics
    }

    fn has_locked_content(&self) -> bool {
        self.ctx.config().gateway.content_token
    }
}
