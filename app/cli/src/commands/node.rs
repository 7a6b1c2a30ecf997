//! `potluck status`, `peers`, `id`, `connect`

use super::roots::problem_line;
use crate::app::App;
use crate::args::Connect;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::table::{table, text};
use crate::ui::units::{clip, count, duration, peer, percent, rate, size};
use potluck_api::{
    AddressList, ConnectRequest, ConnectResponse, PeerStatus, ScheduleStatus, Status,
};
use serde::Serialize;

const HINT: &str = "run it again";
const NO_DAEMON: &str = "no node is running here; 'potluck up' starts one";

/// What the node says of itself. A node that lives only for this question listens nowhere that
/// matters, so its addresses are not told.
async fn ask(app: &App) -> Outcome<Status> {
    with(app, Need::Records, HINT, async |session: &Session| {
        let mut status: Status = session.client().get("status").await?;
        if session.is_own() {
            status.addresses.clear();
            app.output.note(NO_DAEMON);
        }
        Ok(status)
    })
    .await
}

/// `status`
pub(crate) async fn status(app: &App) -> Outcome {
    let status = ask(app).await?;
    if app.output.json {
        return app.output.object(&status);
    }
    overview(app, &status)?;
    if !status.transfers.is_empty() {
        app.output.line("")?;
        transfers(app, &status)?;
    }
    if !status.peers.is_empty() {
        app.output.line("")?;
        peer_table(app, &status.peers)?;
    }
    tracker_troubles(app, &status)?;
    super::torrents_status::show(app, &status.torrents)?;
    if !status.problems.is_empty() {
        app.output.line("")?;
    }
    let paint = app.output.paint_data();
    for problem in &status.problems {
        app.output.line(paint.warn(&problem_line(problem)))?;
    }
    Ok(())
}

fn overview(app: &App, status: &Status) -> Outcome {
    let limit = |bytes: Option<u64>| match bytes {
        None => "no limit".to_owned(),
        Some(0) => "paused".to_owned(),
        Some(bytes) => rate(bytes),
    };
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    let rates = &status.rates;
    let limits = &status.limits;
    let mut rows = vec![
        ("peer id", status.peer_id.clone()),
        (
            "version",
            format!("{}, up {}", status.version, duration(status.uptime)),
        ),
        ("data", status.data.clone()),
    ];
    for (index, address) in status.addresses.iter().enumerate() {
        rows.push((if index == 0 { "addresses" } else { "" }, address.clone()));
    }
    if let Some(network) = &status.private_network {
        rows.push(("private", format!("network {network}")));
    }
    rows.extend([
        ("reachable", status.reachability.clone()),
        (
            "peers",
            format!("{connected} of at most {}", limits.max_connections),
        ),
        (
            "up",
            format!(
                "{} ({}), {} sent",
                rate(rates.up),
                limit(limits.up),
                size(rates.up_bytes)
            ),
        ),
        (
            "down",
            format!(
                "{} ({}), {} received",
                rate(rates.down),
                limit(limits.down),
                size(rates.down_bytes)
            ),
        ),
    ]);
    rows.extend(
        limits
            .schedule
            .as_ref()
            .map(|now| ("schedule", schedule(now))),
    );
    rows.extend([
        (
            "holds",
            format!(
                "{}, provides {}, {} of its own on disk",
                count(status.roots, "thing"),
                size(status.provided_bytes),
                size(status.stored_bytes)
            ),
        ),
        ("memory", size(status.memory_bytes)),
    ]);
    for (name, value) in rows {
        app.output.line(format!("{name:<10} {value}"))?;
    }
    Ok(())
}

/// Which rules of `limits.schedule` hold, and until when.
fn schedule(now: &ScheduleStatus) -> String {
    let numbers: Vec<String> = now
        .rules
        .iter()
        .map(|rule| (rule + 1).to_string())
        .collect();
    let holds = match numbers.as_slice() {
        [] => "no rule holds".to_owned(),
        [one] => format!("rule {one} holds"),
        more => format!("rules {} hold", more.join(" and ")),
    };
    let until = now.until_clock.as_ref();
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    format!("{holds}{until}; the clock shows {}", now.clock)
}

/// One line for each tracker that does not do as it should.
fn tracker_troubles(app: &App, status: &Status) -> Outcome {
    if status.tracker_troubles.is_empty() {
        return Ok(());
    }
    app.output.line("")?;
    let paint = app.output.paint_data();
    for trouble in &status.tracker_troubles {
        let name = match trouble.name.as_str() {
            "" => &trouble.cid,
            name => name,
        };
        let line = format!(
            "tracker {} of {}: {}",
            clip(&trouble.tracker, 80),
            clip(name, 60),
            clip(&trouble.what, 300)
        );
        app.output.line(paint.warn(&line))?;
    }
    Ok(())
}

fn transfers(app: &App, status: &Status) -> Outcome {
    let mut rows = table(&["transfer", "name", ">done", ">size", ">rate", "peers"]);
    for transfer in &status.transfers {
        let peers = match transfer.peers.as_slice() {
            [] => String::new(),
            [one] => peer(one),
            [one, more @ ..] => format!("{} and {} more", peer(one), more.len()),
        };
        rows.add_row([
            transfer.direction.clone(),
            clip(&transfer.name, 40),
            percent(transfer.done_bytes, transfer.total_bytes),
            size(transfer.total_bytes),
            rate(transfer.rate),
            peers,
        ]);
    }
    app.output.line(text(&rows))
}

#[derive(Serialize)]
struct Peers<'a> {
    peers: &'a [PeerStatus],
}

/// `peers`
pub(crate) async fn peers(app: &App) -> Outcome {
    let status = ask(app).await?;
    if app.output.json {
        return app.output.object(&Peers {
            peers: &status.peers,
        });
    }
    if status.peers.is_empty() {
        app.output
            .note("no peers; 'potluck connect MULTIADDR' dials one");
        return Ok(());
    }
    peer_table(app, &status.peers)
}

fn peer_table(app: &App, peers: &[PeerStatus]) -> Outcome {
    let mut rows = table(&[
        "peer",
        "path",
        ">lanes",
        ">down",
        ">up",
        ">received",
        ">sent",
        ">ms",
        "agent",
        "address",
    ]);
    for one in peers {
        let path = match (one.banned, one.connected, one.path) {
            (true, ..) => "banned".to_owned(),
            (_, false, _) => "gone".to_owned(),
            (_, true, Some(path)) => path.to_string(),
            (_, true, None) => "?".to_owned(),
        };
        rows.add_row([
            one.id.clone(),
            path,
            one.lanes.to_string(),
            rate(one.rates.down),
            rate(one.rates.up),
            size(one.rates.down_bytes),
            size(one.rates.up_bytes),
            one.rtt_ms.map(|ms| format!("{ms:.1}")).unwrap_or_default(),
            one.agent
                .as_deref()
                .map(|agent| clip(agent, 24))
                .unwrap_or_default(),
            one.address.clone().unwrap_or_default(),
        ]);
    }
    app.output.line(text(&rows))?;
    let paint = app.output.paint_data();
    for one in peers.iter().filter(|peer| peer.banned) {
        let reason = clip(one.reason.as_deref().unwrap_or("no reason kept"), 200);
        app.output
            .line(paint.warn(&format!("banned {}: {reason}", one.id)))?;
    }
    Ok(())
}

/// `id`
pub(crate) async fn id(app: &App) -> Outcome {
    let id: AddressList = with(app, Need::Records, HINT, async |session: &Session| {
        let mut id: AddressList = session.client().get("id").await?;
        if session.is_own() {
            id.addresses.clear();
            app.output.note(NO_DAEMON);
        }
        Ok(id)
    })
    .await?;
    if app.output.json {
        return app.output.object(&id);
    }
    app.output.line(&id.peer_id)?;
    for address in &id.addresses {
        app.output.line(address)?;
    }
    Ok(())
}

/// `connect`
pub(crate) async fn connect(app: &App, args: Connect) -> Outcome {
    let request = ConnectRequest {
        address: args.address,
    };
    let met: ConnectResponse = with(
        app,
        Need::Peers(&args.node),
        HINT,
        async |session: &Session| Ok(session.client().post("connect", &request).await?),
    )
    .await?;
    if app.output.json {
        return app.output.object(&met);
    }
    let took = met.milliseconds;
    app.output.line(format!(
        "connected to {} ({}, {took} ms)",
        met.peer, met.path
    ))
}
