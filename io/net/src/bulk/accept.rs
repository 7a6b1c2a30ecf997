//! Lanes that others open.

use std::{io, net::SocketAddr, time::Instant};

use libp2p::{core::ConnectedPoint, tcp};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};

use super::{handshake, identity::Identity, pace};
use crate::{Channel, Pipe, routes::RouteControl};

/// Connections whose first bytes say that they are lanes, and that nobody has looked at yet.
const SOCKET_QUEUE: usize = 32;
/// Handshakes at once. An honest peer opens a lane when it is connected already.
const MAX_HANDSHAKES: usize = 64;

/// The first bytes of a TLS record with a `ClientHello`; libp2p's connections begin otherwise.
const TLS_START: [u8; 3] = [22, 3, 1];

/// What a connection turned out to be: none that the swarm should care about.
#[derive(Debug, thiserror::Error)]
#[error("taken as a bulk lane")]
struct Taken;

/// Where lanes leave the way of other connections.
#[derive(Clone)]
pub(crate) struct Gate {
    sockets: mpsc::Sender<TcpStream>,
}

impl Gate {
    pub(crate) fn new() -> (Self, mpsc::Receiver<TcpStream>) {
        let (sockets, received) = mpsc::channel(SOCKET_QUEUE);
        (Self { sockets }, received)
    }

    /// Looks at the first bytes of a connection that came in, without taking them.
    pub(crate) async fn sort(
        self,
        socket: tcp::tokio::TcpStream,
        endpoint: ConnectedPoint,
    ) -> io::Result<tcp::tokio::TcpStream> {
        if endpoint.is_dialer() {
            return Ok(socket);
        }
        let mut first = [0; TLS_START.len()];
        let seen = socket.0.peek(&mut first).await?;
        // A shorter first segment does not come from a TLS library; libp2p takes its time.
        if seen < first.len() || first != TLS_START {
            return Ok(socket);
        }
        // When too many wait, this one is closed, and its peer goes another way.
        let _ = self.sockets.try_send(socket.0);
        Err(io::Error::other(Taken))
    }
}

/// Answers handshakes, for as long as the node listens.
pub(crate) async fn accept(
    identity: Identity,
    routes: RouteControl,
    incoming: mpsc::Sender<Pipe>,
    mut sockets: mpsc::Receiver<TcpStream>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            socket = sockets.recv(), if handshakes.len() < MAX_HANDSHAKES => {
                let Some(socket) = socket else { return };
                let one = answer(identity.clone(), routes.clone(), incoming.clone(), socket);
                handshakes.spawn(one);
            }
            Some(_) = handshakes.join_next() => {}
        }
    }
}

async fn answer(
    identity: Identity,
    routes: RouteControl,
    incoming: mpsc::Sender<Pipe>,
    socket: TcpStream,
) {
    let from: Option<SocketAddr> = socket.peer_addr().ok();
    let began = Instant::now();
    let secured = match handshake::answer(&identity, socket).await {
        Ok(secured) => secured,
        Err(error) => {
            tracing::debug!(?from, %error, "the handshake of a lane failed");
            return;
        }
    };
    pace::prepare(&secured.socket, began.elapsed());
    let peer = secured.peer;
    let Some(admitted) = routes.admit(&peer, &secured.socket) else {
        tracing::debug!(%peer, "a lane of a peer that may not open one");
        return;
    };
    let (reader, writer) = (secured.reader, secured.writer);
    let pipe = Pipe::of_lane(peer, Channel::Bulk, admitted.path, reader, writer);
    if incoming.try_send(pipe.metered(admitted.meter)).is_err() {
        tracing::debug!(%peer, "nobody takes lanes, incoming one dropped");
    }
}

/// Whether a connection failed only because it is a lane.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Taken>())
}

/// A lane that a peer was let open.
pub(crate) struct Admitted {
    pub(crate) path: crate::Path,
    pub(crate) meter: crate::counters::Meter,
}
