//! Routes about what the node holds.

use super::{Shared, lines};
use crate::answer::{ApiError, Given};
use axum::extract::State;
use axum::response::{Json, Response};
use potluck_api::{
    GetEvent, GetRequest, LimitRequest, PinRequest, RemoveRequest, RemoveResponse, RootList,
    RootSummary, SeedEvent, SeedRequest, ShareEvent, ShareRequest, TorrentLimits, VerifyEvent,
    VerifyRequest,
};

pub(super) async fn share(
    State(gateway): State<Shared>,
    Given(request): Given<ShareRequest>,
) -> Response {
    lines::respond(ShareEvent::Error, move |events, stop| async move {
        gateway.host.share(request, events, stop).await
    })
}

pub(super) async fn get(
    State(gateway): State<Shared>,
    Given(request): Given<GetRequest>,
) -> Response {
    lines::respond(GetEvent::Error, move |events, stop| async move {
        gateway.host.get(request, events, stop).await
    })
}

pub(super) async fn seed(
    State(gateway): State<Shared>,
    Given(request): Given<SeedRequest>,
) -> Response {
    lines::respond(SeedEvent::Error, move |events, stop| async move {
        gateway.host.seed(request, events, stop).await
    })
}

pub(super) async fn verify(
    State(gateway): State<Shared>,
    Given(request): Given<VerifyRequest>,
) -> Response {
    lines::respond(VerifyEvent::Error, move |events, stop| async move {
        gateway.host.verify(request, events, stop).await
    })
}

pub(super) async fn limit(
    State(gateway): State<Shared>,
    Given(request): Given<LimitRequest>,
) -> Result<Json<TorrentLimits>, ApiError> {
    Ok(Json(gateway.host.limit(request).await?))
}

pub(super) async fn list(State(gateway): State<Shared>) -> Result<Json<RootList>, ApiError> {
    Ok(Json(gateway.host.roots().await?))
}

pub(super) async fn remove(
    State(gateway): State<Shared>,
    Given(request): Given<RemoveRequest>,
) -> Result<Json<RemoveResponse>, ApiError> {
    Ok(Json(gateway.host.remove(request).await?))
}

pub(super) async fn pin(
    State(gateway): State<Shared>,
    Given(request): Given<PinRequest>,
) -> Result<Json<RootSummary>, ApiError> {
    Ok(Json(gateway.host.pin(request).await?))
}
