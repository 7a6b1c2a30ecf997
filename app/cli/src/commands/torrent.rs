//! `potluck torrent`

use super::{limit, seed};
use crate::app::{App, absolute};
use crate::args::{CheckTorrent, CreateTorrent, TorrentAction, TorrentFormat};
use crate::failure::{Failure, Outcome};
use crate::ui::live::Live;
use crate::ui::table::{table, text};
use crate::ui::units::{clip, count, percent, size};
use crate::ui::{Mode, Pace, bar};
use potluck_api::{ErrorBody, ExitCode, FileState, TorrentCheck, TorrentReport};
use potluck_daemon::torrent::{Format, NewTorrent};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tokio::task::block_in_place;

/// Widest text of a stranger that is shown in one line.
const WIDTH: usize = 200;

/// Bad files that are listed at most.
const MAX_LISTED: usize = 50;

/// Does what was asked of a torrent.
pub(crate) async fn run(app: &App, action: TorrentAction) -> Outcome {
    // The others read files for as long as that takes, beside the tasks that watch for Ctrl-C.
    match action {
        TorrentAction::Seed(args) => seed::run(app, args).await,
        TorrentAction::Limit(args) => limit::run(app, args).await,
        TorrentAction::Show { torrent } => block_in_place(|| show(app, &torrent)),
        TorrentAction::Create(args) => block_in_place(|| create(app, args)),
        TorrentAction::Check(args) => block_in_place(|| check(app, &args)),
    }
}

fn show(app: &App, torrent: &str) -> Outcome {
    let report = potluck_daemon::torrent::describe(torrent)?;
    if app.output.json {
        return app.output.object(&report);
    }
    facts(app, &report)?;
    files(app, &report)
}

/// Trackers as the command line names them: a tier for each flag.
pub(super) fn tiers(flags: &[String]) -> Vec<Vec<String>> {
    let tier = |urls: &String| urls.split(',').map(|url| url.trim().to_owned()).collect();
    flags.iter().map(tier).collect()
}

fn create(app: &App, args: CreateTorrent) -> Outcome {
    let new = NewTorrent {
        path: absolute(&args.path)?.components().collect(),
        output: args.output.unwrap_or_else(|| PathBuf::from(".")),
        force: args.force,
        name: args.name,
        format: match args.format {
            TorrentFormat::Hybrid => Format::Hybrid,
            TorrentFormat::V1 => Format::V1,
            TorrentFormat::V2 => Format::V2,
        },
        piece_bytes: args.piece_size,
        trackers: tiers(&args.tracker),
        web_seeds: args.web_seed,
        private: args.private,
        comment: args.comment,
        no_date: args.no_date,
    };
    let mut view = ReadView::new(app, "hashing");
    let made = potluck_daemon::torrent::make(&new, &mut |done, total| view.tick(done, total));
    drop(view);
    let made = made?;
    if app.output.json {
        return app.output.object(&made);
    }
    for left in made.left_out.iter().take(MAX_LISTED) {
        let path = clip(&left.path, WIDTH);
        app.output
            .note(&format!("left out: {path} ({})", left.reason));
    }
    if made.left_out_count > 0 {
        let what = count(made.left_out_count, "item");
        app.output.note(&format!("{what} left out in all"));
    }
    facts(app, &made.torrent)?;
    app.output.note(&format!("written to {}", made.file));
    Ok(())
}

fn check(app: &App, args: &CheckTorrent) -> Outcome {
    let mut view = ReadView::new(app, "checking");
    let mut tick = |done, total| view.tick(done, total);
    let found = potluck_daemon::torrent::check(&args.torrent, &args.place, &mut tick);
    drop(view);
    let found = found?;
    if app.output.json {
        app.output.object(&found)?;
    } else {
        verdict(app, &found)?;
    }
    if found.complete {
        return Ok(());
    }
    let bad = found.pieces - found.good_pieces;
    let message = match bad {
        0 => "all pieces are good, but some files are missing or not as long as they should be"
            .to_owned(),
        _ => format!("{} of {} pieces are missing or damaged", bad, found.pieces),
    };
    let hint = "fetch what is missing with a BitTorrent client; it keeps the good pieces";
    Err(Failure::Error(ErrorBody::new(
        ExitCode::Verification,
        message,
        hint,
    )))
}

fn verdict(app: &App, found: &TorrentCheck) -> Outcome {
    let bad = found.files.iter();
    let mut bad = bad.filter(|file| file.state != FileState::Good).peekable();
    if bad.peek().is_some() {
        let mut rows = table(&["state", ">good", ">of", "file"]);
        for file in bad.by_ref().take(MAX_LISTED) {
            rows.add_row([
                file.state.as_str().to_owned(),
                size(file.good_bytes),
                size(file.bytes),
                clip(&file.path, WIDTH),
            ]);
        }
        app.output.line(text(&rows))?;
        let more = bad.count() as u64;
        if more > 0 {
            app.output
                .line(format!("and {more} more; --json lists all"))?;
        }
    }
    app.output.line(format!(
        "{}: {} of {} pieces good, {} of {}",
        clip(&found.name, WIDTH),
        found.good_pieces,
        found.pieces,
        size(found.good_bytes),
        size(found.bytes)
    ))
}

/// What is shown while files are read.
pub(super) struct ReadView<'a> {
    app: &'a App,
    what: &'static str,
    mode: Mode,
    live: Option<Live>,
    pace: Pace,
}

impl<'a> ReadView<'a> {
    pub(super) fn new(app: &'a App, what: &'static str) -> Self {
        let mode = app.output.mode();
        Self {
            app,
            what,
            mode,
            live: (mode == Mode::Live).then(Live::new),
            pace: Pace::default(),
        }
    }

    /// Shows how far it is; breaks after Ctrl-C.
    pub(super) fn tick(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        let text = format!("{} {}  {}", self.what, percent(done, total), size(total));
        if let Some(live) = &mut self.live {
            let bar = bar(self.app.output.paint(), done, total, 24);
            live.show(vec![format!("{bar} {text}")]);
        } else if self.mode == Mode::Lines && done < total && self.pace.due(self.what) {
            self.app.output.note(&text);
        }
        if self.app.stop.is_cancelled() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
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
