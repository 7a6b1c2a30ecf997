//! Connections: how many, how large a request head is, and how long a slow client is waited for.

use crate::gateway::Gateway;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

/// Connections at once; more wait until one ends.
const MAX_CONNECTIONS: usize = 1024;
/// A whole request head has to be here in this time, the next one of the same connection as well.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A body or an answer of which no byte moves for this long is given up.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// Bytes of a request head.
const MAX_HEAD: usize = 32 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Bytes read or written at a time.
const BUFFER: usize = 64 * 1024;
/// How long to wait when the system gives no connection, as when it has no files left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Answers until the node ends.
pub(crate) async fn run(gateway: &Arc<Gateway>, listeners: Vec<TcpListener>, app: Router) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut all = JoinSet::new();
    for listener in listeners {
        all.spawn(accept(
            Arc::clone(gateway),
            listener,
            Arc::clone(&places),
            app.clone(),
        ));
    }
    while all.join_next().await.is_some() {}
}

async fn accept(gateway: Arc<Gateway>, listener: TcpListener, places: Arc<Semaphore>, app: Router) {
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = gateway.stop.cancelled() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Some((Ok((stream, _)), place)) => {
                let (gateway, app) = (Arc::clone(&gateway), app.clone());
                connections.spawn(async move {
                    let _open = gateway.counters.open_connection();
                    serve(&gateway, stream, app).await;
                    drop(place);
                });
            }
            Some((Err(error), _)) => {
                tracing::debug!(%error, "no connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
            None => break,
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(gateway: &Gateway, stream: TcpStream, app: Router) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // Reading has no such limit: while an answer is on its way, nothing more need come in.
    stream.set_write_timeout(Some(STALL));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(app),
        );
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = gateway.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
