//! The port of the gateway: on both addresses of loopback where there are both.

use super::outside;
use crate::config::Config;
use crate::errors;
use crate::keys::write_private;
use potluck_api::ErrorBody;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use tokio::net::TcpListener;

/// File in the data directory with the port of the last run.
const PORT_FILE: &str = "port";
/// How often another free port is tried when it is free on one address only.
const TRIES: usize = 8;

/// Listeners of one port.
pub(crate) struct Ears {
    pub(crate) listeners: Vec<TcpListener>,
    /// The first of their addresses.
    pub(crate) address: SocketAddr,
    pub(crate) port: u16,
    /// For others than this machine.
    pub(crate) outside: Option<potluck_gateway::Outside>,
}

/// Listens on loopback, and for others when the settings say so.
pub(crate) async fn listen(
    asked: Option<&str>,
    config: &Config,
    data: &Path,
    in_command: bool,
) -> Result<Ears, ErrorBody> {
    let mut ears = local(asked, config, data, in_command).await?;
    if !in_command {
        ears.outside = outside::listen(&config.gateway.outside).await?;
    }
    Ok(ears)
}

/// Listens for the API, pages and content: at `asked` of the command line, or as configured. A node
/// within a command takes any port, and leaves the one of the daemon alone.
async fn local(
    asked: Option<&str>,
    config: &Config,
    data: &Path,
    in_command: bool,
) -> Result<Ears, ErrorBody> {
    if let Some(asked) = asked {
        return at(
            parse(asked)?,
            "choose another port with --api, or 0 for any free one",
        )
        .await;
    }
    let here = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    if in_command {
        return at(here(0), "try again").await;
    }
    let port = config.gateway.port;
    if port != 0 {
        let hint =
            "choose another port with 'potluck config set gateway.port', or 0 for any free one";
        return at(here(port), hint).await;
    }
    // The same address as before, so that pages that are open, and bookmarks, go on working.
    if let Some(port) = remembered(data)
        && let Ok(ears) = at(here(port), "").await
    {
        return Ok(ears);
    }
    let ears = at(here(0), "try again").await?;
    let text = ears.port.to_string();
    if let Err(error) = write_private(&data.join(PORT_FILE), text.as_bytes()) {
        tracing::warn!(%error, "the port is not remembered");
    }
    Ok(ears)
}

fn remembered(data: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(data.join(PORT_FILE)).ok()?;
    text.trim().parse().ok().filter(|port| *port != 0)
}

fn parse(address: &str) -> Result<SocketAddr, ErrorBody> {
    let parsed: SocketAddr = address
        .replace("localhost", "127.0.0.1")
        .parse()
        .map_err(|_| {
            errors::usage(
                format!("'{}' is not HOST:PORT", errors::clip(address)),
                "write for example --api 127.0.0.1:4770",
            )
        })?;
    if !parsed.ip().is_loopback() {
        return Err(errors::usage(
            format!(
                "the API is for this machine only, and {} is not loopback",
                parsed.ip()
            ),
            "use 127.0.0.1 or [::1]; for other machines there is an SSH tunnel, or 'gateway.listen' in the settings",
        ));
    }
    Ok(parsed)
}

/// Listens there, and on the same port of the other address of loopback: browsers may try either for
/// `localhost`, and another user of this machine must not be the one who answers.
async fn at(address: SocketAddr, hint: &str) -> Result<Ears, ErrorBody> {
    for _ in 0..TRIES {
        let first = TcpListener::bind(address)
            .await
            .map_err(|error| taken(address, &error, hint))?;
        let address = first.local_addr().map_err(|error| {
            errors::failed(format!("the API has no address: {error}"), "try again")
        })?;
        let mut ears = Ears {
            listeners: vec![first],
            port: address.port(),
            address,
            outside: None,
        };
        match TcpListener::bind(other(address)).await {
            Ok(second) => ears.listeners.push(second),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => continue,
            // Not every machine has IPv6.
            Err(error) => tracing::debug!(%error, "one address of loopback only"),
        }
        return Ok(ears);
    }
    let error = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    Err(taken(address, &error, hint))
}

fn other(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if address.is_ipv4() {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    SocketAddr::new(ip, address.port())
}

fn taken(address: SocketAddr, error: &std::io::Error, hint: &str) -> ErrorBody {
    errors::failed(
        format!("cannot listen on {address} for the API: {error}"),
        hint,
    )
}
