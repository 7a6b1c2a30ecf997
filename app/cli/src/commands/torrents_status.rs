//! What `potluck status` tells of torrents that the owner's settings keep from moving.

use crate::app::App;
use crate::failure::Outcome;
use crate::ui::units::{clip, count};
use potluck_api::{BlocklistStatus, TorrentNote, TorrentsStatus, WatchStatus};

/// One line for each, after an empty one.
pub(super) fn show(app: &App, torrents: &TorrentsStatus) -> Outcome {
    let notes = torrents.waiting.iter().chain(&torrents.stopped);
    let mut lines: Vec<String> = notes.map(line).collect();
    lines.extend(torrents.watch.iter().flat_map(watch));
    lines.extend(torrents.blocklist.as_ref().map(blocklist));
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

fn watch(watch: &WatchStatus) -> Vec<String> {
    let folder = clip(&watch.folder, 200);
    let first = format!("watched: {folder}, fetched to {}", clip(&watch.dest, 200));
    let troubles = watch.troubles.iter().map(|trouble| {
        let (path, what) = (clip(&trouble.path, 200), clip(&trouble.what, 200));
        format!("not fetched: {path}: {what}")
    });
    std::iter::once(first).chain(troubles).collect()
}
