//! Answers that go on for a while: one JSON object a line (NDJSON).

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use potluck_api::ErrorBody;
use serde::Serialize;
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Events that may wait for a slow reader.
const QUEUE: usize = 64;

/// Starts `work` with a place to put its events, and answers with those events as they come, and at
/// last with what `work` returns. When the reader goes away, the token given to `work` is cancelled.
pub(super) fn respond<E, F>(
    failed: fn(ErrorBody) -> E,
    work: impl FnOnce(mpsc::Sender<E>, CancellationToken) -> F,
) -> Response
where
    E: Serialize + Send + 'static,
    F: Future<Output = Result<E, ErrorBody>> + Send + 'static,
{
    let (events, received) = mpsc::channel::<E>(QUEUE);
    let stop = CancellationToken::new();
    let doing = work(events.clone(), stop.clone());
    tokio::spawn(async move {
        let last = doing.await.unwrap_or_else(failed);
        let _ = events.send(last).await;
    });
    let state: (mpsc::Receiver<E>, DropGuard) = (received, stop.drop_guard());
    let lines = futures::stream::unfold(state, |(mut received, guard)| async move {
        let event = received.recv().await?;
        Some((event, (received, guard)))
    })
    .map(|event| {
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/x-ndjson"),
    );
    response
}
