//! Downloads in the background.

use super::Shared;
use crate::answer::{ApiError, Given, InPath};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use potluck_api::{Download, DownloadList, DownloadRequest};

pub(super) async fn list(State(gateway): State<Shared>) -> Json<DownloadList> {
    Json(DownloadList {
        downloads: gateway.downloads.list(),
    })
}

pub(super) async fn begin(
    State(gateway): State<Shared>,
    Given(request): Given<DownloadRequest>,
) -> Result<(StatusCode, Json<Download>), ApiError> {
    let download = gateway.downloads.begin(request).await?;
    Ok((StatusCode::ACCEPTED, Json(download)))
}

pub(super) async fn stop(
    State(gateway): State<Shared>,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    if gateway.downloads.stop(&id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let hint = "GET /api/v1/downloads lists them";
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        "no such download",
        hint,
    ))
}
