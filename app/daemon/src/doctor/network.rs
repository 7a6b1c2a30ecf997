//! Ports, and what a running node says of its connections.

use super::{check, size};
use crate::config::Net;
use potluck_api::{DoctorCheck, Status, Verdict};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

/// Whether the node could listen where it is told to. A port that is taken while a node holds the
/// data directory is taken by that node.
pub(super) fn ports(net: &Net, node_runs: bool) -> Vec<DoctorCheck> {
    let (addresses, chosen) = net.listen_addresses();
    let mut checks = Vec::new();
    for address in &addresses {
        let Some((transport, socket)) = socket(address) else {
            continue;
        };
        let name = format!("port {} {transport}", socket.port());
        checks.push(judge_port(
            &name,
            address,
            bind(transport, socket),
            chosen,
            node_runs,
        ));
    }
    checks
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The socket that a multiaddress such as `/ip4/0.0.0.0/tcp/4771` asks for.
fn socket(address: &str) -> Option<(Transport, SocketAddr)> {
    let parts: Vec<&str> = address.split('/').collect();
    let ["", "ip4" | "ip6", host, transport, port, ..] = parts.as_slice() else {
        return None;
    };
    let host: IpAddr = host.parse().ok()?;
    let transport = match *transport {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return None,
    };
    Some((transport, SocketAddr::new(host, port.parse().ok()?)))
}

fn bind(transport: Transport, socket: SocketAddr) -> std::io::Result<()> {
    match transport {
        Transport::Tcp => TcpListener::bind(socket).map(drop),
        Transport::Udp => UdpSocket::bind(socket).map(drop),
    }
}

fn judge_port(
    name: &str,
    address: &str,
    bound: std::io::Result<()>,
    chosen: bool,
    node_runs: bool,
) -> DoctorCheck {
    let Err(error) = bound else {
        return check(name, Verdict::Good, format!("{address} is free"), "");
    };
    match error.kind() {
        ErrorKind::AddrInUse if node_runs => check(
            name,
            Verdict::Good,
            format!("{address} is in use, by the running node"),
            "",
        ),
        ErrorKind::AddrInUse if chosen => check(
            name,
            Verdict::Bad,
            format!("{address} is used by another program"),
            "end that program, or choose another port: 'potluck config set net.listen ADDRESS'",
        ),
        ErrorKind::AddrInUse => check(
            name,
            Verdict::Warning,
            format!("{address} is used by another program; a free port will be taken instead"),
            "end that program if others know this node by its port",
        ),
        // The other addresses do for a machine without IPv6, unless its owner named this one.
        ErrorKind::AddrNotAvailable | ErrorKind::Unsupported if !chosen => check(
            name,
            Verdict::Good,
            format!("{address} does not exist on this machine"),
            "",
        ),
        ErrorKind::PermissionDenied => check(
            name,
            Verdict::Bad,
            format!("{address} is not allowed to this user"),
            "choose a port of 1024 or more: 'potluck config set net.listen ADDRESS'",
        ),
        _ if !chosen && address.starts_with("/ip6/") => check(
            name,
            Verdict::Good,
            format!("{address} cannot be used here: {error}"),
            "",
        ),
        _ => check(
            name,
            Verdict::Bad,
            format!("cannot listen on {address}: {error}"),
            "choose another address: 'potluck config set net.listen ADDRESS'",
        ),
    }
}

/// What the node itself can say.
pub(super) fn running(status: &Status) -> Vec<DoctorCheck> {
    let mut checks = vec![peers(status), addresses(status), reachability(status)];
    checks.push(limits(status));
    checks.push(node_memory(status));
    checks.extend(banned(status));
    checks
}

fn peers(status: &Status) -> DoctorCheck {
    let name = "peers";
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    if connected == 0 {
        let advice = "'potluck connect ADDRESS' with a node you know, or use a link with addresses";
        return check(name, Verdict::Warning, "none connected", advice);
    }
    let relayed = status
        .peers
        .iter()
        .filter(|peer| peer.connected && peer.path == Some(potluck_api::PathKind::Relayed));
    let found = match relayed.count() {
        0 => format!("{connected} connected"),
        relayed => format!("{connected} connected, {relayed} of them through a relay"),
    };
    check(name, Verdict::Good, found, "")
}

fn addresses(status: &Status) -> DoctorCheck {
    let name = "addresses";
    match status.addresses.len() {
        0 => check(
            name,
            Verdict::Bad,
            "listens nowhere, so nobody can connect to it",
            "look at net.listen in 'potluck config'",
        ),
        1 => check(
            name,
            Verdict::Good,
            format!("listens on {}", status.addresses[0]),
            "",
        ),
        more => check(
            name,
            Verdict::Good,
            format!("listens on {more} addresses"),
            "",
        ),
    }
}

fn reachability(status: &Status) -> DoctorCheck {
    let name = "reachability";
    let forward = "forward the port in the router, or leave it: others are reached by dialing them";
    match status.reachability.as_str() {
        "public" => check(name, Verdict::Good, "others can connect to this node", ""),
        "private" => check(
            name,
            Verdict::Warning,
            "others cannot connect to this node from outside its network",
            forward,
        ),
        _ => check(
            name,
            Verdict::Good,
            "not known yet; it takes a few peers to find out",
            "",
        ),
    }
}

fn limits(status: &Status) -> DoctorCheck {
    let rate = |limit: Option<u64>| {
        limit.map_or("no limit".to_owned(), |bytes| format!("{}/s", size(bytes)))
    };
    let limits = &status.limits;
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let found = format!(
        "up {}, down {}, {connected} of {} connections",
        rate(limits.up),
        rate(limits.down),
        limits.max_connections,
    );
    if connected as u64 * 10 >= u64::from(limits.max_connections) * 9 {
        let advice = "raise limits.max_connections if the line and the machine bear it";
        return check("limits", Verdict::Warning, found, advice);
    }
    check("limits", Verdict::Good, found, "")
}

fn node_memory(status: &Status) -> DoctorCheck {
    let (used, most) = (status.memory_bytes, status.limits.max_memory_bytes);
    let found = format!("the node uses {}", size(used));
    if most != u64::MAX && used > most / 10 * 9 {
        let found = format!("{found} of the {} in limits.max_memory", size(most));
        let advice = "new peers are refused above it; raise it if the machine has more";
        return check("node memory", Verdict::Warning, found, advice);
    }
    check("node memory", Verdict::Good, found, "")
}

fn banned(status: &Status) -> Option<DoctorCheck> {
    let banned: Vec<_> = status.peers.iter().filter(|peer| peer.banned).collect();
    let last = banned.last()?;
    let reason = last.reason.as_deref().unwrap_or("no reason kept");
    let found = format!("{} refused, the last: {reason}", banned.len());
    Some(check(
        "banned peers",
        Verdict::Good,
        found,
        "'potluck peers' lists them",
    ))
}
