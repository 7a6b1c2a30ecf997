//! Lanes that this node opens.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use libp2p::PeerId;
use tokio::{net::TcpStream, time::timeout};

use super::{handshake, identity::Identity, pace};
use crate::{Channel, Pipe, routes::RouteControl};

/// How long an address may take to answer. The peer is connected: what does not answer soon is
/// behind a router that lets nobody in.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Opens a lane to a connected peer. `None` when there is no way for one, in which case a stream
/// on the connection serves.
pub(crate) async fn dial(identity: &Identity, routes: &RouteControl, peer: PeerId) -> Option<Pipe> {
    let addresses = routes.lane_addresses(&peer);
    if addresses.is_empty() {
        // It may not have said yet where it listens: that is no failure to remember.
        return None;
    }
    for address in addresses {
        match open(identity, routes, peer, address).await {
            Ok(Some(pipe)) => return Some(pipe),
            Ok(None) => return None,
            Err(error) => tracing::debug!(%peer, %address, %error, "no lane"),
        }
    }
    routes.no_lane(&peer);
    None
}

async fn open(
    identity: &Identity,
    routes: &RouteControl,
    peer: PeerId,
    address: SocketAddr,
) -> io::Result<Option<Pipe>> {
    let began = Instant::now();
    let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let round_trip = began.elapsed();
    pace::prepare(&socket, round_trip);
    let secured = handshake::begin(identity, peer, socket).await?;
    let Some(admitted) = routes.admit(&peer, &secured.socket) else {
        return Ok(None);
    };
    let (reader, writer) = (secured.reader, secured.writer);
    let pipe = Pipe::of_lane(peer, Channel::Bulk, admitted.path, reader, writer);
    let pipe = pipe.answered_after(round_trip);
    Ok(Some(pipe.metered(admitted.meter)))
}
