//! What a link leads to, for a page about it.

use super::Shared;
use crate::answer::{ApiError, InPath};
use crate::content::{patience, url};
use crate::guard::is_content_locked;
use crate::host::OpenError;
use crate::names::Names;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use potluck_api::{Content, Pieces};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct Wait {
    timeout: Option<f64>,
}

pub(super) async fn about(
    State(gateway): State<Shared>,
    Extension(names): Extension<Arc<Names>>,
    InPath(link): InPath<String>,
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
        .map_err(|error| refuse(&error))?;
    let origin = match is_content_locked(&gateway, &names) {
        true => format!("{}/k/{}", names.content, gateway.access.content_key()?),
        false => names.content.clone(),
    };
    content.content_url = url(&origin, &content.cid);
    Ok(Json(content))
}

/// Why something is not shown.
pub(super) fn refuse(error: &OpenError) -> ApiError {
    let status = match error {
        OpenError::BadLink(_) => StatusCode::BAD_REQUEST,
        OpenError::NoProvider(_) | OpenError::NoSuchPath(_) => StatusCode::NOT_FOUND,
        OpenError::Failed(body) => return ApiError::from(body.clone()),
    };
    ApiError::from(error.body().clone()).with_status(status)
}

pub(super) async fn pieces(
    State(gateway): State<Shared>,
    InPath(cid): InPath<String>,
) -> Result<Json<Pieces>, ApiError> {
    Ok(Json(gateway.host.pieces(&cid).await?))
}
