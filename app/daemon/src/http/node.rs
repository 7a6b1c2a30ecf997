//! Routes about the node itself.

use super::ApiError;
use crate::context::Context;
use crate::{config, doctor, status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use potluck_api::{
    AddressList, ConfigChange, ConfigReport, ConnectRequest, ConnectResponse, DoctorReport, Status,
};
use std::sync::Arc;

pub(super) async fn status(State(ctx): State<Arc<Context>>) -> Json<Status> {
    Json(status::report(&ctx).await)
}

pub(super) async fn id(State(ctx): State<Arc<Context>>) -> Json<AddressList> {
    Json(AddressList {
        peer_id: ctx.net.peer_id().to_string(),
        addresses: ctx.addresses(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

pub(super) async fn connect(
    State(ctx): State<Arc<Context>>,
    Json(request): Json<ConnectRequest>,
) -> Result<Json<ConnectResponse>, ApiError> {
    Ok(Json(crate::dial::connect(&ctx, &request.address).await?))
}

pub(super) async fn config(
    State(ctx): State<Arc<Context>>,
) -> Result<Json<ConfigReport>, ApiError> {
    Ok(Json(config::report(&ctx.data)?))
}

pub(super) async fn set_config(
    State(ctx): State<Arc<Context>>,
    Json(change): Json<ConfigChange>,
) -> Result<Json<ConfigReport>, ApiError> {
    let report = config::set(&ctx.data, &change.key, change.value.as_deref())?;
    ctx.apply_limits(&config::load(&ctx.data)?);
    Ok(Json(report))
}

pub(super) async fn doctor(State(ctx): State<Arc<Context>>) -> Json<DoctorReport> {
    Json(doctor::running(&ctx.data, &status::report(&ctx).await))
}

pub(super) async fn shutdown(State(ctx): State<Arc<Context>>) -> StatusCode {
    ctx.shutdown.cancel();
    StatusCode::NO_CONTENT
}
