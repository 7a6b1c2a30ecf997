//! Peers that connect to this node.

use super::greeting::Greeting;
use super::{Incoming, hello, lock};
use crate::context::Context;
use crate::errors;
use potluck_api::ErrorBody;
use potluck_bittorrent_net::stream::{PeerStream, Times, accept};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The handshake takes no longer.
const HELLO_TIME: Duration = Duration::from_secs(15);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Listens, once a torrent makes that necessary. The configured port is tried first, then any.
pub(super) async fn begin(ctx: &Arc<Context>) -> Result<(), ErrorBody> {
    let torrents = &ctx.torrents;
    let _alone = torrents.listening.lock().await;
    if torrents.port().is_some() {
        return Ok(());
    }
    let port = torrents.settings().port;
    let listener = bind(port).or_else(|error| {
        tracing::warn!(port, %error, "the port for BitTorrent is taken; listening on a free one");
        bind(0)
    });
    let listener = listener.map_err(|error| {
        errors::failed(
            format!("cannot listen for BitTorrent peers: {error}"),
            "choose another port with 'potluck config set bittorrent.port'",
        )
    })?;
    let port = listener.local_addr().map_or(0, |address| address.port());
    *lock(&torrents.port) = Some(port);
    tokio::spawn(run(Arc::clone(ctx), listener));
    Ok(())
}

/// One socket for both versions of IP where the system has both.
fn bind(port: u16) -> std::io::Result<TcpListener> {
    let open = |domain, address: SocketAddr| -> std::io::Result<TcpListener> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    let v6 = open(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into());
    v6.or_else(|_| open(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into()))
}

async fn run(ctx: Arc<Context>, listener: TcpListener) {
    let mut greeting = Greeting::default();
    loop {
        let accepted = tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = greeting.ended() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            // Out of file descriptors, most likely: others must go first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let ctx = Arc::clone(&ctx);
        greeting.begin(address.ip(), async move {
            match timeout(HELLO_TIME, greet(&ctx, stream, address)).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => tracing::debug!(%address, %reason, "a peer was sent away"),
                Err(_) => tracing::debug!(%address, "a peer took too long to shake hands"),
            }
        });
    }
}

async fn greet(ctx: &Arc<Context>, stream: TcpStream, address: SocketAddr) -> Result<(), String> {
    let torrents = &ctx.torrents;
    let known: Vec<_> = lock(&torrents.swarms).keys().copied().collect();
    let accepted = accept(stream, &known, torrents.encryption(), Times::default()).await;
    let mut stream: PeerStream = accepted.map_err(|error| error.to_string())?;
    let asked = hello::asked(&mut stream).await;
    let asked = asked.map_err(|error| error.to_string())?;
    let swarm = torrents.find(&asked.infohash);
    let swarm =
        swarm.ok_or_else(|| format!("it asked for {}, which is not here", asked.infohash))?;
    let hello = hello::answer(&mut stream, &asked, &swarm.hashes, torrents.id()).await;
    let hello = hello.map_err(|error| error.to_string())?;
    let incoming = Incoming {
        stream,
        hello,
        address: SocketAddr::new(address.ip().to_canonical(), address.port()),
    };
    swarm
        .ask(super::swarm::Request::Incoming(Box::new(incoming)))
        .await;
    Ok(())
}
