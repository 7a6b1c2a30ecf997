//! `potluck ls`, `rm`, `pin`, `unpin`

use crate::app::App;
use crate::args::Ls;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::table::{table, text};
use crate::ui::units::{clip, percent, size};
use potluck_api::{
    Origin, PinRequest, Problem, RemoveRequest, RemoveResponse, RootList, RootSummary,
    TransferStatus,
};

const HINT: &str = "run it again";

/// Lists what the node holds.
pub(crate) async fn list(app: &App, args: &Ls) -> Outcome {
    let list: RootList = with(app, Need::Records, HINT, async |session: &Session| {
        Ok(session.client().get("roots").await?)
    })
    .await?;
    if app.output.json {
        return app.output.object(&list);
    }
    if list.roots.is_empty() && list.partials.is_empty() {
        app.output
            .note("nothing here yet; 'potluck share PATH' or 'potluck get LINK'");
        return Ok(());
    }
    roots(app, &list.roots, args.links)?;
    partials(app, &list.partials)
}

fn roots(app: &App, roots: &[RootSummary], links: bool) -> Outcome {
    if roots.is_empty() {
        return Ok(());
    }
    let last = if links { "link" } else { "cid" };
    let mut rows = table(&["name", ">size", ">files", "state", "from", last]);
    for root in roots {
        rows.add_row([
            clip(&root.name, 40),
            size(root.bytes),
            root.files.to_string(),
            state(root),
            origin(&root.origin),
            if links {
                root.link.clone()
            } else {
                root.cid.clone()
            },
        ]);
    }
    app.output.line(text(&rows))?;
    let paint = app.output.paint();
    for problem in roots.iter().flat_map(|root| &root.problems) {
        app.output.note(&paint.warn(&problem_line(problem)));
    }
    Ok(())
}

/// What is wrong with a file, and what to do.
pub(super) fn problem_line(problem: &Problem) -> String {
    let (path, hint) = (clip(&problem.path, 300), clip(&problem.hint, 200));
    format!("{} {path}: {hint}", problem.what)
}

fn state(root: &RootSummary) -> String {
    let mut words = Vec::new();
    if root.available_bytes < root.bytes {
        words.push(percent(root.available_bytes, root.bytes));
    }
    if !root.problems.is_empty() {
        words.push(match root.problems.len() {
            1 => "1 problem".to_owned(),
            more => format!("{more} problems"),
        });
    }
    if root.pinned {
        words.push("pinned".to_owned());
    }
    words.extend(root.note.as_deref().map(|note| clip(note, 40)));
    if words.is_empty() {
        "whole".to_owned()
    } else {
        words.join(", ")
    }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Shared { paths } => match paths.as_slice() {
            [path] => clip(path, 48),
            [path, more @ ..] => format!("{} and {} more", clip(path, 40), more.len()),
            [] => "shared".to_owned(),
        },
        Origin::Copied => "copied".to_owned(),
        Origin::Fetched { path } => clip(path, 48),
    }
}

fn partials(app: &App, partials: &[TransferStatus]) -> Outcome {
    if partials.is_empty() {
        return Ok(());
    }
    let mut rows = table(&["begun", ">size", ">done", "to", "cid"]);
    for partial in partials {
        rows.add_row([
            clip(&partial.name, 40),
            size(partial.total_bytes),
            percent(partial.done_bytes, partial.total_bytes),
            partial
                .path
                .as_deref()
                .map(|path| clip(path, 48))
                .unwrap_or_default(),
            partial.cid.clone(),
        ]);
    }
    app.output.line(text(&rows))
}

/// Stops sharing some things.
pub(crate) async fn remove(app: &App, targets: &[String]) -> Outcome {
    with(app, Need::Records, HINT, async |session: &Session| {
        for target in targets {
            let request = RemoveRequest {
                target: target.clone(),
            };
            let gone: RemoveResponse = session.client().post("roots/remove", &request).await?;
            if app.output.json {
                app.output.object(&gone)?;
            } else {
                let freed = match gone.freed_bytes {
                    0 => String::new(),
                    bytes => format!(", {} freed", size(bytes)),
                };
                let name = clip(&gone.name, 60);
                app.output
                    .line(format!("removed {name} ({}){freed}", gone.cid))?;
            }
        }
        Ok(())
    })
    .await
}

/// Pins or unpins some things.
pub(crate) async fn pin(app: &App, targets: &[String], pinned: bool) -> Outcome {
    with(app, Need::Records, HINT, async |session: &Session| {
        for target in targets {
            let request = PinRequest {
                target: target.clone(),
                pinned,
            };
            let root: RootSummary = session.client().post("roots/pin", &request).await?;
            if app.output.json {
                app.output.object(&root)?;
            } else {
                let word = if root.pinned { "pinned" } else { "unpinned" };
                app.output
                    .line(format!("{word} {} ({})", clip(&root.name, 60), root.cid))?;
            }
        }
        Ok(())
    })
    .await
}
