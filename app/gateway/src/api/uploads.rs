//! Files that a page hands over to be shared.

use super::{Shared, lines};
use crate::answer::{ApiError, Given, InPath, too_many};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Json, Response};
use futures::StreamExt as _;
use potluck_api::{ErrorBody, ExitCode, ShareEvent, Upload, UploadRequest};

pub(super) async fn begin(
    State(gateway): State<Shared>,
    Given(request): Given<UploadRequest>,
) -> Result<Json<Upload>, ApiError> {
    let begun = gateway.host.upload_begin(&request.name).await;
    let id = begun.map_err(too_many)?;
    Ok(Json(Upload { id }))
}

pub(super) async fn file(
    State(gateway): State<Shared>,
    InPath((id, path)): InPath<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let path: Vec<String> = path.split('/').map(ToOwned::to_owned).collect();
    let body = body.into_data_stream().map(|part| {
        part.map_err(|error| {
            let message = format!("the file did not come to its end: {error}");
            ErrorBody::new(ExitCode::Failed, message, "send it again")
        })
    });
    gateway.host.upload_file(&id, &path, body.boxed()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn finish(State(gateway): State<Shared>, InPath(id): InPath<String>) -> Response {
    lines::respond(ShareEvent::Error, move |events, stop| async move {
        gateway.host.upload_finish(&id, events, stop).await
    })
}

pub(super) async fn drop(
    State(gateway): State<Shared>,
    InPath(id): InPath<String>,
) -> Result<StatusCode, ApiError> {
    gateway.host.upload_drop(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
