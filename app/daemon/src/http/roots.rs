//! Routes about what the node holds.

use super::{ApiError, lines};
use crate::context::Context;
use crate::{bittorrent, download, roots, share, verify};
use axum::extract::State;
use axum::response::{Json, Response};
use potluck_api::{
    GetEvent, GetRequest, LimitRequest, PinRequest, RemoveRequest, RemoveResponse, RootList,
    RootSummary, SeedEvent, SeedRequest, ShareEvent, ShareRequest, TorrentLimits, VerifyEvent,
    VerifyRequest,
};
use std::sync::Arc;

pub(super) async fn share(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<ShareRequest>,
) -> Response {
    lines::respond(move |events, stop| async move {
        let last = match share::run(&ctx, request, &events, &stop).await {
            Ok(shared) => shared,
            Err(error) => ShareEvent::Error(error),
        };
        let _ = events.send(last).await;
    })
}

pub(super) async fn get(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<GetRequest>,
) -> Response {
    lines::respond(move |events, stop| async move {
        let done = if bittorrent::is_torrent(&request.link) {
            Box::pin(bittorrent::get(&ctx, request, &events, &stop)).await
        } else {
            download::run(&ctx, request, &events, &stop).await
        };
        let last = match done {
            Ok(done) => done,
            Err(error) => GetEvent::Error(error),
        };
        let _ = events.send(last).await;
    })
}

pub(super) async fn seed(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<SeedRequest>,
) -> Response {
    lines::respond(move |events, stop| async move {
        let last = match bittorrent::seed(&ctx, request, &events, &stop).await {
            Ok(seeding) => seeding,
            Err(error) => SeedEvent::Error(error),
        };
        let _ = events.send(last).await;
    })
}

pub(super) async fn limit(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<LimitRequest>,
) -> Result<Json<TorrentLimits>, ApiError> {
    Ok(Json(bittorrent::limit(&ctx, &request).await?))
}

pub(super) async fn verify(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<VerifyRequest>,
) -> Response {
    lines::respond(move |events, stop| async move {
        let last = match verify::run(&ctx, request, &events, &stop).await {
            Ok(verified) => verified,
            Err(error) => VerifyEvent::Error(error),
        };
        let _ = events.send(last).await;
    })
}

pub(super) async fn list(State(ctx): State<Arc<Context>>) -> Result<Json<RootList>, ApiError> {
    Ok(Json(roots::list(&ctx).await?))
}

pub(super) async fn remove(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<RemoveRequest>,
) -> Result<Json<RemoveResponse>, ApiError> {
    Ok(Json(roots::remove(&ctx, &request.target).await?))
}

pub(super) async fn pin(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<PinRequest>,
) -> Result<Json<RootSummary>, ApiError> {
    Ok(Json(
        roots::pin(&ctx, &request.target, request.pinned).await?,
    ))
}
