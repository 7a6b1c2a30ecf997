//! `potluck demo`: five real nodes on this machine share a folder, lose the one that had it first,
//! and finish all the same.
//!
//! Node 3 is the only one that the others are told of. Node 1 shares; node 2 finds it through node
//! 3; nodes 4 and 5 join when node 2 is half-way. Once node 2 has everything and the late ones are
//! half-way, node 1 is killed, and the rest finish from one another.

mod compare;
mod content;
mod nodes;
mod play;
mod progress;
mod summary;
mod view;

use crate::app::App;
use crate::args::Demo;
use crate::failure::{Failure, Outcome, failed};
use crate::signals::interrupted;
use potluck_api::ErrorBody;
use std::path::Path;
use tempfile::TempDir;

/// Room for logs and metadata besides the copies.
const SPARE: u64 = 256 << 20;

/// The folder, and a copy at each of three fetchers.
const COPIES: u64 = 4;

/// Plays it; ends with code 1 and keeps the logs when anything is not as it should be.
pub(crate) async fn run(app: &App, args: &Demo) -> Outcome {
    let bytes = args.mib << 20;
    let home = home(bytes)?;
    let played = tokio::select! {
        played = play::play(app, home.path(), bytes) => played,
        () = app.stop.cancelled() => Err(interrupted("its nodes were ended and its files removed")),
    };
    match played {
        Ok(summary) => {
            let printed = summary.print(app);
            if args.keep {
                app.output.note(&format!("kept {}", home.keep().display()));
            } else {
                clear(app, home);
            }
            printed
        }
        Err(error) if app.stop.is_cancelled() => {
            clear(app, home);
            Err(error.into())
        }
        Err(error) => Err(explain(error, &home.keep())),
    }
}

fn home(bytes: u64) -> Result<TempDir, ErrorBody> {
    let hint = "free some space, use --mib for a smaller folder, or set TMPDIR to a larger disk";
    let made = tempfile::Builder::new().prefix("potluck-demo-").tempdir();
    let home =
        made.map_err(|error| failed(format!("cannot make a temporary folder: {error}"), hint))?;
    if let Ok(stat) = rustix::fs::statvfs(home.path()) {
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let needed = bytes * COPIES + SPARE;
        if free < needed {
            let message = format!(
                "the demo needs {} in {}, and {} are free",
                crate::ui::units::size(needed),
                std::env::temp_dir().display(),
                crate::ui::units::size(free),
            );
            return Err(failed(message, hint));
        }
    }
    Ok(home)
}

fn clear(app: &App, home: TempDir) {
    let path = home.path().to_owned();
    if let Err(error) = home.close() {
        app.output.note(&format!(
            "note: {} could not be removed: {error}",
            path.display()
        ));
    }
}

fn explain(error: ErrorBody, kept: &Path) -> Failure {
    let hint = format!("the nodes' logs are kept in {}", kept.display());
    let hint = if error.hint.is_empty() {
        hint
    } else {
        format!("{}; {hint}", error.hint)
    };
    failed(error.message, hint).into()
}
