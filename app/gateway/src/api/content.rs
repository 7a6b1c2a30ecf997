//! What a link leads to, for a page about it.

use super::Shared;
use crate::answer::ApiError;
use crate::content::{patience, url};
use crate::host::OpenError;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use potluck_api::{Content, Pieces};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Wait {
    timeout: Option<f64>,
}

pub(super) async fn about(
    State(gateway): State<Shared>,
    Path(link): Path<String>,
    wait: Result<Query<Wait>, QueryRejection>,
) -> Result<Json<Content>, ApiError> {
    let Query(wait) = wait.map_err(|error| {
        let hint = "give seconds, as in ?timeout=60";
        ApiError::new(StatusCode::BAD_REQUEST, error.body_text(), hint)
    })?;
    let patience = patience(wait.timeout)?;
    let mut content = gateway
        .host
        .content(&link, patience)
        .await
        .map_err(|error| {
            let status = match &error {
                OpenError::BadLink(_) => StatusCode::BAD_REQUEST,
                OpenError::NoProvider(_) | OpenError::NoSuchPath(_) => StatusCode::NOT_FOUND,
                OpenError::Failed(body) => return ApiError::from(body.clone()),
            };
            ApiError::from(error.body().clone()).with_status(status)
        })?;
    content.content_url = url(&gateway.names.content, &content.cid);
    Ok(Json(content))
}

pub(super) async fn pieces(
    State(gateway): State<Shared>,
    Path(cid): Path<String>,
) -> Result<Json<Pieces>, ApiError> {
    Ok(Json(gateway.host.pieces(&cid).await?))
}
