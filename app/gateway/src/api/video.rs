//! Films that browsers do not play.

use super::Shared;
use super::content::refuse;
use crate::answer::ApiError;
use crate::content::patience;
use crate::host::{Opened, OpenedKind};
use crate::video::{self, Film};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use potluck_api::Video;
use serde::Deserialize;

/// Longest film, in seconds.
const MAX_START: f64 = 7.0 * 86_400.0;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Which file of a folder.
    path: Option<String>,
    timeout: Option<f64>,
    /// From which second on.
    start: Option<f64>,
    /// The browser does not play what browsers are said to.
    convert: Option<bool>,
}

/// A file that was asked for, and found.
struct Found {
    path: Vec<String>,
    cid: String,
    timeout: f64,
    start: f64,
    convert: bool,
}

async fn find(
    gateway: &Shared,
    link: &str,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Found, ApiError> {
    let bad = |message: String| {
        let hint = "give for example ?path=a/b.mkv&start=90";
        ApiError::new(StatusCode::BAD_REQUEST, message, hint)
    };
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let path = asked.path.unwrap_or_default();
    let path: Vec<String> = match path.as_str() {
        "" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    };
    let is_odd = |part: &String| matches!(part.as_str(), "" | "." | "..") || part.contains('\0');
    if path.iter().any(is_odd) {
        return Err(bad(
            "the path has an empty part, '.' or '..' in it".to_owned()
        ));
    }
    let start = asked.start.unwrap_or_default();
    if !(0.0..=MAX_START).contains(&start) {
        return Err(bad(format!("{start} is no second of a film")));
    }
    let patience = patience(asked.timeout)?;
    let opened = gateway.host.open(link, &path, patience).await;
    let Opened { cid, kind, .. } = opened.map_err(|error| refuse(&error))?;
    let OpenedKind::File(_) = kind else {
        return Err(bad("that is a folder, and no film".to_owned()));
    };
    Ok(Found {
        path,
        cid,
        timeout: patience.as_secs_f64(),
        start,
        convert: asked.convert.unwrap_or_default(),
    })
}

pub(super) async fn about(
    State(gateway): State<Shared>,
    Path(link): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Video>, ApiError> {
    let found = find(&gateway, &link, asked).await?;
    Ok(Json(
        video::about(&gateway, &film(&link, &found), found.convert).await,
    ))
}

pub(super) async fn stream(
    State(gateway): State<Shared>,
    Path(link): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let found = find(&gateway, &link, asked).await?;
    let film = film(&link, &found);
    let body = video::stream(&gateway, &film, found.start, found.convert).await?;
    let headers = [
        (header::CONTENT_TYPE, "video/mp4"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

fn film<'a>(link: &'a str, found: &'a Found) -> Film<'a> {
    Film {
        link,
        path: &found.path,
        cid: &found.cid,
        timeout: found.timeout,
    }
}
