//! Connecting to a peer that a person named.

use crate::context::Context;
use crate::errors;
use potluck_api::{ConnectResponse, ErrorBody, ExitCode, PathKind};
use potluck_net::{DialError, Multiaddr, Path};
use std::sync::Arc;
use std::time::Instant;

/// Dials a multiaddr and waits until the connection stands.
pub(crate) async fn connect(ctx: &Arc<Context>, text: &str) -> Result<ConnectResponse, ErrorBody> {
    let address = parse(text)?;
    let started = Instant::now();
    let peer = ctx
        .net
        .dial(address)
        .await
        .map_err(|error| failed(text, &error))?;
    let peers = ctx.net.peers().await;
    let path = peers
        .iter()
        .find(|info| info.peer == peer)
        .map_or(Path::Direct, |info| info.path);
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(ConnectResponse {
        peer: peer.to_string(),
        path: path_kind(path),
        milliseconds,
    })
}

/// Reads a multiaddr as a person writes it.
pub(crate) fn parse(text: &str) -> Result<Multiaddr, ErrorBody> {
    let not_one = |why: &dyn std::fmt::Display| {
        errors::usage(
            format!("'{}' is not a multiaddr: {why}", errors::clip(text)),
            "it looks like /ip4/192.0.2.7/tcp/4771/p2p/12D3Koo…; 'potluck id' prints a node's own",
        )
    };
    // No text is an address with no parts, to the one who reads it.
    if text.trim().is_empty() {
        return Err(not_one(&"it is empty"));
    }
    text.trim().parse().map_err(|error| not_one(&error))
}

fn failed(text: &str, error: &DialError) -> ErrorBody {
    let hint = match error {
        DialError::Timeout { .. } => "is the peer running, and is the port open in its firewall?",
        DialError::Refused => "nothing listens there; is the peer running, and is the port right?",
        DialError::WrongPeer { .. } => "ask the peer's owner for its address again ('potluck id')",
        DialError::Banned => "'potluck status' says why it is banned",
        DialError::OwnAddress => "give the address of another node",
        DialError::Limit(_) => "raise limits.max_connections with 'potluck config set'",
        DialError::NoAddress => "give an address with an IP and a port before /p2p/",
        DialError::UnsupportedAddress(_) => "use a /tcp/ or /udp/…/quic-v1 address",
        DialError::Handshake(_) => {
            "is it a node of this program there, and in the same private network?"
        }
        DialError::Unreachable(_) => "check the network, or try again later",
        DialError::Closed => "start the node again with 'potluck up'",
    };
    // What the system says of a broken handshake differs from one try to the next.
    let why = match error {
        DialError::Handshake(detail) => {
            tracing::debug!(%detail, "a handshake failed");
            "the handshake failed".to_owned()
        }
        other => other.to_string(),
    };
    let message = format!("cannot connect to {}: {why}", errors::clip(text));
    ErrorBody::new(ExitCode::Unreachable, message, hint)
}

/// The API's word for a path.
pub(crate) fn path_kind(path: Path) -> PathKind {
    match path {
        Path::Direct => PathKind::Direct,
        Path::Relayed => PathKind::Relayed,
        Path::Lan => PathKind::Lan,
    }
}
