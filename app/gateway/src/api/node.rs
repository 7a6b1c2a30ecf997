//! Routes about the node itself.

use super::Shared;
use crate::answer::{ApiError, Given};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use potluck_api::{
    AddressList, ConfigChange, ConfigReport, ConnectRequest, ConnectResponse, DoctorReport, Status,
};

pub(super) async fn status(State(gateway): State<Shared>) -> Json<Status> {
    Json(gateway.host.status().await)
}

pub(super) async fn id(State(gateway): State<Shared>) -> Json<AddressList> {
    Json(gateway.host.id().await)
}

pub(super) async fn connect(
    State(gateway): State<Shared>,
    Given(request): Given<ConnectRequest>,
) -> Result<Json<ConnectResponse>, ApiError> {
    Ok(Json(gateway.host.connect(request).await?))
}

pub(super) async fn config(State(gateway): State<Shared>) -> Result<Json<ConfigReport>, ApiError> {
    Ok(Json(gateway.host.config().await?))
}

pub(super) async fn set_config(
    State(gateway): State<Shared>,
    Given(change): Given<ConfigChange>,
) -> Result<Json<ConfigReport>, ApiError> {
    Ok(Json(gateway.host.set_config(change).await?))
}

pub(super) async fn doctor(State(gateway): State<Shared>) -> Json<DoctorReport> {
    Json(gateway.host.doctor().await)
}

pub(super) async fn shutdown(State(gateway): State<Shared>) -> StatusCode {
    gateway.host.shutdown();
    StatusCode::NO_CONTENT
}
