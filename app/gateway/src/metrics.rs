//! Numbers for Prometheus, in the text format of OpenMetrics.

use crate::gateway::Gateway;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use potluck_api::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;

/// What the gateway counts itself.
#[derive(Default)]
pub(crate) struct Counters {
    answers: Family<Code, Counter>,
    content_bytes: Counter,
    connections: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u16,
}

/// A connection that counts as open until it is dropped.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Counters {
    pub(crate) fn answered(&self, status: StatusCode) {
        let code = status.as_u16();
        self.answers.get_or_create(&Code { code }).inc();
    }

    pub(crate) fn open_connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Counts bytes of content as they are sent.
    pub(crate) fn content(&self) -> Counter {
        self.content_bytes.clone()
    }
}

/// `GET /metrics`
pub(crate) async fn answer(State(gateway): State<Arc<Gateway>>) -> Response {
    let status = gateway.host.status().await;
    let mut text = String::new();
    if encode(&mut text, &registry(&gateway.counters, &status)).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn registry(counters: &Counters, status: &Status) -> Registry {
    let mut all = Registry::with_prefix("potluck");
    let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let connected = status.peers.iter().filter(|peer| peer.connected).count() as u64;
    let of = |direction: &str| {
        let all = status.transfers.iter();
        all.filter(|transfer| transfer.direction == direction)
            .count() as u64
    };
    for (name, help, value) in [
        ("peers", "Peers that are connected", connected),
        ("roots", "Things that are held", status.roots),
        ("downloads", "Downloads that run", of("down")),
        ("uploads", "Things that peers fetch", of("up")),
        (
            "problems",
            "Files that are not what they were",
            status.problems.len() as u64,
        ),
    ] {
        all.register(name, help, gauge(value));
    }
    for (name, help, value) in [
        ("provided", "What can be provided", status.provided_bytes),
        (
            "stored",
            "What the node owns in its data directory",
            status.stored_bytes,
        ),
        ("memory", "Resident memory", status.memory_bytes),
    ] {
        all.register_with_unit(name, help, Unit::Bytes, gauge(value));
    }
    all.register_with_unit(
        "uptime",
        "Since the start",
        Unit::Seconds,
        ConstGauge::new(status.uptime),
    );
    for (name, help, value) in [
        ("received", "Content from peers", status.rates.down_bytes),
        ("sent", "Content to peers", status.rates.up_bytes),
    ] {
        all.register_with_unit(name, help, Unit::Bytes, ConstCounter::new(value));
    }
    all.register(
        "http_answers",
        "Answers by their status",
        counters.answers.clone(),
    );
    all.register(
        "http_connections",
        "Connections that are open",
        counters.connections.clone(),
    );
    all.register_with_unit(
        "http_content",
        "Content sent over HTTP",
        Unit::Bytes,
        counters.content_bytes.clone(),
    );
    all
}
