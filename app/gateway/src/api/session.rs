//! Letting a browser in.

use super::Shared;
use crate::answer::ApiError;
use crate::names::Names;
use crate::pages::is_page;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Json;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use potluck_api::{Session, SessionRequest};
use std::sync::Arc;

pub(super) async fn make(
    State(gateway): State<Shared>,
    Extension(names): Extension<Arc<Names>>,
    body: Bytes,
) -> Result<Json<Session>, ApiError> {
    let bad = |message: String| {
        let hint = "send nothing, or {\"to\": \"/file/bafk…\"}";
        ApiError::new(StatusCode::BAD_REQUEST, message, hint)
    };
    let request = if body.is_empty() {
        SessionRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?
    };
    let to = match request.to {
        Some(to) if is_page(&to) => {
            format!("&to={}", utf8_percent_encode(&to, NON_ALPHANUMERIC))
        }
        Some(_) => return Err(bad("that is no page of this node".to_owned())),
        None => String::new(),
    };
    let ticket = gateway.access.ticket()?;
    let at = |names: &Names| format!("{}/login?ticket={ticket}{to}", names.pages);
    Ok(Json(Session {
        url: at(&names),
        outside: gateway.outside.as_ref().map(|outside| at(outside)),
    }))
}
