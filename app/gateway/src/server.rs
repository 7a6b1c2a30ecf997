//! Connections: how many, how large a request head is, and how long a slow client is waited for.

use crate::gateway::Gateway;
use crate::names::Names;
use crate::places::{Busy, Places, Seat};
use crate::tls::Tls;
use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;

/// Connections at once. Who comes then takes the place of one that has said nothing, or waits.
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
/// Connections of others than this machine, who have places of their own: however many they are, the
/// owner gets in.
const MAX_OUTSIDE: usize = 512;
/// How long one that was asked to go may take to send what it has begun.
const LEAVE: Duration = STALL;
/// How long to wait when the system gives no connection, as when it has no files left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// One listener.
pub(crate) struct Ear {
    pub(crate) listener: TcpListener,
    /// What it is called.
    pub(crate) names: Arc<Names>,
    pub(crate) tls: Option<Tls>,
}

/// Answers until the node ends.
pub(crate) async fn run(gateway: &Arc<Gateway>, ears: Vec<Ear>, app: Router) {
    let local = Places::new(MAX_CONNECTIONS);
    let outside = Places::new(MAX_OUTSIDE);
    let mut all = JoinSet::new();
    for ear in ears {
        let places = if ear.names.is_outside {
            &outside
        } else {
            &local
        };
        let app = app.clone().layer(axum::Extension(Arc::clone(&ear.names)));
        all.spawn(accept(Arc::clone(gateway), ear, Arc::clone(places), app));
    }
    while all.join_next().await.is_some() {}
}

async fn accept(gateway: Arc<Gateway>, ear: Ear, places: Arc<Places>, app: Router) {
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            match ear.listener.accept().await {
                Ok((stream, _)) => Ok(places.take().await.map(|seat| (stream, seat))),
                Err(error) => Err(error),
            }
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = gateway.stop.cancelled() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(Some((stream, seat))) => {
                let (gateway, app, tls) = (Arc::clone(&gateway), app.clone(), ear.tls.clone());
                connections.spawn(async move {
                    let _open = gateway.counters.open_connection();
                    let _ = stream.set_nodelay(true);
                    match tls {
                        Some(tls) => {
                            if let Some(stream) = shake_hands(&gateway, &tls, stream, &seat).await {
                                serve(&gateway, stream, &seat, app).await;
                            }
                        }
                        None => serve(&gateway, stream, &seat, app).await,
                    }
                });
            }
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(%error, "no connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Begins TLS, within the time of a head.
async fn shake_hands(
    gateway: &Gateway,
    tls: &Tls,
    stream: TcpStream,
    seat: &Seat,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HEAD_TIME, tls.0.accept(stream)) => shaken,
        () = seat.asked_to_go.cancelled() => return None,
        () = gateway.stop.cancelled() => return None,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS");
            None
        }
        Err(_) => None,
    }
}

async fn serve<S>(gateway: &Gateway, stream: S, seat: &Seat, app: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    // Reading has no such limit: while an answer is on its way, nothing more need come in.
    stream.set_write_timeout(Some(STALL));
    let app = TowerToHyperService::new(app);
    let service = hyper::service::service_fn(move |request| {
        let busy = seat.busy();
        let answer = app.call(request);
        async move {
            let answer = answer.await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| Sending { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = gateway.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            Some(connection.await)
        }
        () = seat.asked_to_go.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match seat.time_left(LEAVE) {
                Some(left) => tokio::time::timeout(left, connection).await.ok(),
                None => Some(connection.await),
            }
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// The body of an answer; its connection is busy as long as it lasts.
struct Sending {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
