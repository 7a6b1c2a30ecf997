//! The transports: TCP with Noise and Yamux, QUIC, and circuits through relays.

mod head_start;

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{
            Boxed,
            timeout::{TransportTimeout, TransportTimeoutError},
        },
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    noise, pnet, quic, relay,
    swarm::derive_prelude::Either,
    tcp, yamux,
};
use potluck_identity::NetworkKey;

use self::head_start::HeadStart;
use crate::{StartError, bulk::Gate};

/// How long one attempt may take, handshakes included.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long QUIC waits for TCP when both are dialed at once: bulk goes faster over TCP, but its
/// handshakes need more round trips.
const TCP_HEAD_START: Duration = Duration::from_millis(150);

/// Bytes in flight per QUIC stream and per connection. Quinn allocates as data arrives.
const QUIC_STREAM_WINDOW: u32 = 8 * 1024 * 1024;
const QUIC_CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Streams that one connection may carry at once.
const MAX_STREAMS: usize = 256;

type Connection = (PeerId, StreamMuxerBox);

/// The handshake with a peer failed, as opposed to reaching it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HandshakeFailed(String);

/// The transport of a node, and the behaviour that goes with its circuits.
pub(crate) fn build(
    keypair: &Keypair,
    private: Option<&NetworkKey>,
    gate: &Gate,
) -> Result<(Boxed<Connection>, relay::client::Behaviour), StartError> {
    let (circuits, relay_client) = relay::client::new(keypair.public().to_peer_id());
    let circuits = secured(circuits.map_err(io::Error::other), keypair)?;
    let direct = match dns::tokio::Transport::system(direct(keypair, private, gate)?) {
        Ok(resolving) => resolving.map_err(dns_error).boxed(),
        Err(error) => {
            tracing::warn!(%error, "no resolver configuration: names in addresses do not work");
            direct(keypair, private, gate)?
        }
    };
    let either = circuits
        .or_transport(direct)
        .map(|either, _| either.into_inner())
        .map_err(|error| error.into_inner());
    let timed = TransportTimeout::new(either, ATTEMPT_TIMEOUT).map_err(|error| match error {
        TransportTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
        TransportTimeoutError::TimerError(error) | TransportTimeoutError::Other(error) => error,
    });
    Ok((timed.boxed(), relay_client))
}

/// Transports that reach a peer without another peer's help.
fn direct(
    keypair: &Keypair,
    private: Option<&NetworkKey>,
    gate: &Gate,
) -> Result<Boxed<Connection>, StartError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true).listen_backlog(1024));
    let gate = gate.clone();
    let tcp = tcp
        .and_then(move |socket, endpoint| gate.sort(socket, endpoint))
        .map_err(|error| match error {
            Either::Left(error) | Either::Right(error) => error,
        });
    match private {
        Some(key) => {
            let shared = pnet::PnetConfig::new(pnet::PreSharedKey::new(*key.bytes()));
            let tcp = tcp.and_then(move |socket, _| shared.handshake(socket));
            let tcp = tcp.map_err(|error| match error {
                Either::Left(error) => error,
                Either::Right(error) => handshake_failed(&error),
            });
            secured(tcp, keypair)
        }
        None => {
            let quic = quic::tokio::Transport::new(quic_config(keypair))
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
                .map_err(quic_error);
            let both = secured(tcp, keypair)?
                .or_transport(HeadStart::new(quic.boxed(), TCP_HEAD_START))
                .map(|either, _| either.into_inner())
                .map_err(|error| error.into_inner());
            Ok(both.boxed())
        }
    }
}

/// Adds encryption, authentication and multiplexing.
fn secured<T>(raw: T, keypair: &Keypair) -> Result<Boxed<Connection>, StartError>
where
    T: Transport<Error = io::Error> + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let noise =
        noise::Config::new(keypair).map_err(|error| StartError::Transport(error.to_string()))?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_STREAMS);
    let upgraded = raw
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(|error| match error {
            Either::Left(Either::Left(error)) => error,
            Either::Left(Either::Right(error)) => handshake_failed(&error),
            Either::Right(error) => handshake_failed(&error),
        });
    Ok(upgraded.boxed())
}

/// The error below the wrappings that transports put around each other's.
pub(crate) fn innermost(error: &io::Error) -> &io::Error {
    let mut error = error;
    while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        error = inner;
    }
    error
}

fn handshake_failed(error: &dyn std::error::Error) -> io::Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    io::Error::other(HandshakeFailed(text))
}

fn quic_error(error: quic::Error) -> io::Error {
    match error {
        quic::Error::Io(error) => error,
        quic::Error::HandshakeTimedOut => io::ErrorKind::TimedOut.into(),
        quic::Error::Connection(error) => handshake_failed(&error),
        other => io::Error::other(other),
    }
}

fn dns_error(error: dns::Error<io::Error>) -> io::Error {
    match error {
        dns::Error::Transport(error) => error,
        dns::Error::Dial(mut errors) => errors
            .pop()
            .map_or_else(|| io::ErrorKind::NotFound.into(), dns_error),
        dns::Error::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
        other => io::Error::new(io::ErrorKind::NotFound, other.to_string()),
    }
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config.keep_alive_interval = Duration::from_secs(8);
    config.max_idle_timeout = 20_000;
    config
}
