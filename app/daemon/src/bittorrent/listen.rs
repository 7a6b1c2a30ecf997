//! Peers that connect to this node.

use super::greeting::Greeting;
use super::{Incoming, Settings, blocked, hello, lock};
use crate::context::Context;
use crate::errors;
use potluck_api::ErrorBody;
use potluck_bittorrent_net::stream::{Carrier, PeerStream, Times, accept_on};
use potluck_bittorrent_net::utp::UtpEndpoint;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// The handshake takes no longer.
const HELLO_TIME: Duration = Duration::from_secs(15);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Connections over uTP, those that are being made too: 256.
const MAX_UTP: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Where peers come in.
struct Doors {
    tcp: Option<TcpListener>,
    utp: Option<UtpEndpoint>,
    port: u16,
}

/// Listens, once a torrent makes that necessary. The configured port is tried first, then any.
pub(super) async fn begin(ctx: &Arc<Context>) -> Result<(), ErrorBody> {
    let torrents = &ctx.torrents;
    let _alone = torrents.listening.lock().await;
    blocked::ensure(ctx).await?;
    if torrents.port().is_some() {
        return Ok(());
    }
    let settings = torrents.settings();
    if !settings.tcp && !settings.utp {
        return Err(errors::failed(
            "BitTorrent may use neither TCP nor uTP",
            "allow one with 'potluck config set bittorrent.tcp true'",
        ));
    }
    let doors = match Doors::open(&settings, settings.port).await {
        Err(error) if settings.port > 0 => {
            let port = settings.port;
            tracing::warn!(port, %error, "the port for BitTorrent is taken; listening on a free one");
            Doors::open(&settings, 0).await
        }
        doors => doors,
    };
    let Doors { tcp, utp, port } = doors.map_err(|error| {
        errors::failed(
            format!("cannot listen for BitTorrent peers: {error}"),
            "choose another port with 'potluck config set bittorrent.port'",
        )
    })?;
    if let Some(listener) = tcp {
        tokio::spawn(take_tcp(Arc::clone(ctx), listener));
    }
    if let Some(endpoint) = utp {
        let endpoint = Arc::new(endpoint);
        *lock(&torrents.utp) = Some(Arc::clone(&endpoint));
        tokio::spawn(take_utp(Arc::clone(ctx), endpoint));
    }
    *lock(&torrents.port) = Some(port);
    torrents.map_port(port, settings.tcp, torrents.utp_port() == Some(port));
    Ok(())
}

impl Doors {
    /// Opens those that the owner allows, at a port or at any.
    async fn open(settings: &Settings, port: u16) -> io::Result<Self> {
        let tcp = settings.tcp.then(|| bind(port)).transpose()?;
        let port = match &tcp {
            Some(listener) => listener.local_addr()?.port(),
            None => port,
        };
        let utp = if settings.utp {
            bind_utp(port, tcp.is_some()).await?
        } else {
            None
        };
        let port = match (&tcp, &utp) {
            (None, Some(endpoint)) => endpoint.local_address().port(),
            _ => port,
        };
        Ok(Self { tcp, utp, port })
    }
}

/// One socket for both versions of IP where the system has both.
fn bind(port: u16) -> io::Result<TcpListener> {
    let open = |domain, address: SocketAddr| -> io::Result<TcpListener> {
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

/// As [`bind`]. Where another program has the port and there is TCP too, any port does: peers do not find
/// it, but this node reaches them.
async fn bind_utp(port: u16, has_tcp: bool) -> io::Result<Option<UtpEndpoint>> {
    let open = async |port| {
        let v6 = UtpEndpoint::bind((Ipv6Addr::UNSPECIFIED, port).into(), MAX_UTP).await;
        match v6 {
            Ok(endpoint) => Ok(endpoint),
            Err(_) => UtpEndpoint::bind((Ipv4Addr::UNSPECIFIED, port).into(), MAX_UTP).await,
        }
    };
    match open(port).await {
        Err(error) if has_tcp => {
            tracing::warn!(port, %error, "the port for uTP is taken; peers reach this node over TCP alone");
            Ok(open(0).await.ok())
        }
        endpoint => endpoint.map(Some),
    }
}

async fn take_tcp(ctx: Arc<Context>, listener: TcpListener) {
    let mut greeting = Greeting::default();
    loop {
        let accepted = tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = greeting.ended() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: others must go first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Who is gone again already is nobody.
        if let Ok(carrier) = Carrier::tcp(stream) {
            welcome(&ctx, &mut greeting, carrier);
        }
    }
}

/// Who comes over uTP may be nobody: anyone can write any address on a datagram. So these have places of
/// their own, and take none from those who come over TCP.
async fn take_utp(ctx: Arc<Context>, endpoint: Arc<UtpEndpoint>) {
    let mut greeting = Greeting::default();
    loop {
        let accepted = tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = greeting.ended() => continue,
            accepted = endpoint.accept() => accepted,
        };
        match accepted {
            Ok(carrier) => welcome(&ctx, &mut greeting, carrier),
            Err(error) => return tracing::warn!(%error, "peers are not heard over uTP any more"),
        }
    }
}

/// Shakes hands, beside others who do.
fn welcome(ctx: &Arc<Context>, greeting: &mut Greeting, carrier: Carrier) {
    let (ctx, address) = (Arc::clone(ctx), carrier.address());
    greeting.begin(address.ip(), async move {
        match timeout(HELLO_TIME, greet(&ctx, carrier)).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => tracing::debug!(%address, %reason, "a peer was sent away"),
            Err(_) => tracing::debug!(%address, "a peer took too long to shake hands"),
        }
    });
}

async fn greet(ctx: &Arc<Context>, carrier: Carrier) -> Result<(), String> {
    let torrents = &ctx.torrents;
    let address = carrier.address();
    if torrents.blocked.refuses(address.ip()) {
        return Err("its address is in the blocklist".to_owned());
    }
    let known: Vec<_> = lock(&torrents.swarms).keys().copied().collect();
    let accepted = accept_on(carrier, &known, torrents.encryption(), Times::default()).await;
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
        address,
    };
    swarm
        .ask(super::swarm::Request::Incoming(Box::new(incoming)))
        .await;
    Ok(())
}
