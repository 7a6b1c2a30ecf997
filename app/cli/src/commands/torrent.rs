//! `potluck torrent show`

use crate::app::App;
use crate::args::TorrentAction;
use crate::failure::Outcome;
use crate::ui::table::{table, text};
use crate::ui::units::{clip, size};
use potluck_api::TorrentReport;

/// Widest text of a stranger that is shown in one line.
const WIDTH: usize = 200;

/// Looks into a torrent file or a magnet link.
pub(crate) fn run(app: &App, action: &TorrentAction) -> Outcome {
    let TorrentAction::Show { torrent } = action;
    let report = potluck_daemon::torrent::describe(torrent)?;
    if app.output.json {
        return app.output.object(&report);
    }
    facts(app, &report)?;
    files(app, &report)
}

fn facts(app: &App, report: &TorrentReport) -> Outcome {
    let line =
        |name: &str, value: &str| app.output.line(format!("{name:<12}{}", clip(value, WIDTH)));
    line("name", report.name.as_deref().unwrap_or("not known yet"))?;
    if let Some(hash) = &report.infohash_v1 {
        line("infohash v1", hash)?;
    }
    if let Some(hash) = &report.infohash_v2 {
        line("infohash v2", hash)?;
    }
    if let Some(bytes) = report.bytes {
        let count = report.files.len();
        let files = match count {
            0 => String::new(),
            1 => " in 1 file".to_owned(),
            _ => format!(" in {count} files"),
        };
        line("size", &format!("{}{files}", size(bytes)))?;
    }
    if let (Some(pieces), Some(bytes)) = (report.pieces, report.piece_bytes) {
        line("pieces", &format!("{pieces} of {}", size(bytes)))?;
    }
    if report.private {
        line("private", "yes: peers come from its trackers alone")?;
    }
    for tracker in report.trackers.iter().flatten() {
        line("tracker", tracker)?;
    }
    for seed in &report.web_seeds {
        line("web seed", seed)?;
    }
    if let Some(program) = &report.created_by {
        line("made by", program)?;
    }
    if let Some(comment) = &report.comment {
        line("comment", comment)?;
    }
    app.output
        .line(format!("{:<12}{}", "magnet", report.magnet))
}

fn files(app: &App, report: &TorrentReport) -> Outcome {
    if report.files.is_empty() {
        return Ok(());
    }
    let mut rows = table(&[">#", ">size", "file"]);
    for file in &report.files {
        let link = file.link.as_deref();
        let target = link.map_or(String::new(), |target| format!(" → {target}"));
        rows.add_row([
            file.index.to_string(),
            size(file.bytes),
            clip(&format!("{}{target}", file.path), WIDTH),
        ]);
    }
    app.output.line("")?;
    app.output.line(text(&rows))
}
