//! What `potluck status` tells of torrents that the owner's settings keep from moving.

use crate::app::App;
use crate::failure::Outcome;
use crate::ui::units::{clip, count};
use potluck_api::{
    BlocklistStatus, MappedPort, PortMappingStatus, TorrentNote, TorrentsStatus, WatchStatus,
};

/// One line for each, after an empty one.
pub(super) fn show(app: &App, torrents: &TorrentsStatus) -> Outcome {
    let notes = torrents.waiting.iter().chain(&torrents.stopped);
    let mut lines: Vec<String> = notes.map(line).collect();
    lines.extend(torrents.watch.iter().flat_map(watch));
    lines.extend(torrents.blocklist.as_ref().map(blocklist));
    lines.extend(torrents.port_mapping.as_ref().map(port_mapping));
    if !lines.is_empty() {
        app.output.line("")?;
    }
    for line in lines {
        app.output.line(line)?;
    }
    Ok(())
}

fn line(note: &TorrentNote) -> String {
    let name = match note.name.as_str() {
        "" => &note.cid,
        name => name,
    };
    format!("{}: {}", clip(name, 60), clip(&note.reason, 200))
}

fn blocklist(list: &BlocklistStatus) -> String {
    let mut text = format!(
        "blocklist: {} blocked, {} refused; told of blocked addresses {}",
        count(list.ranges, "range"),
        count(list.refused_connections, "connection"),
        count(list.ignored_addresses, "time")
    );
    if let Some(line) = list.first_bad_line {
        let bad = count(list.bad_lines, "line");
        text.push_str(&format!("; {bad} made no sense, the first is {line}"));
    }
    if let Some(trouble) = &list.trouble {
        text.push_str(&format!("; can't be read: {}", clip(trouble, 200)));
    }
    text
}

fn port_mapping(mapping: &PortMappingStatus) -> String {
    let port = |port: &MappedPort| {
        let MappedPort {
            protocol,
            port,
            external_port,
        } = port;
        if port == external_port {
            format!("{protocol} {port}")
        } else {
            format!("{protocol} {external_port} (here {port})")
        }
    };
    let ports: Vec<String> = mapping.ports.iter().map(port).collect();
    let mut text = match (&mapping.router, &mapping.external_address) {
        (Some(router), Some(address)) if !ports.is_empty() => {
            let ports = ports.join(", ");
            format!("router {router}: ports of {address} that lead to torrents here: {ports}")
        }
        (Some(router), _) => format!("router {router}: no port leads to torrents here"),
        (None, _) if mapping.trouble.is_none() => "router: being asked for a port".to_owned(),
        (None, _) => "router: no port leads to torrents here".to_owned(),
    };
    if let Some(trouble) = &mapping.trouble {
        text.push_str(&format!("; {}", clip(trouble, 200)));
    }
    text
}

fn watch(watch: &WatchStatus) -> Vec<String> {
    let folder = clip(&watch.folder, 200);
    let first = format!("watched: {folder}, fetched to {}", clip(&watch.dest, 200));
    let troubles = watch.troubles.iter().map(|trouble| {
        let (path, what) = (clip(&trouble.path, 200), clip(&trouble.what, 200));
        format!("not fetched: {path}: {what}")
    });
    std::iter::once(first).chain(troubles).collect()
}
