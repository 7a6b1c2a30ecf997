//! `potluck share`

use super::torrent::tiers;
use super::up;
use crate::app::{App, absolute, as_text};
use crate::args::Share;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::share_view::ShareView;
use crate::ui::units::{clip, count, duration, size};
use potluck_api::{ErrorBody, ShareEvent, ShareRequest, TorrentWish};
use std::path::{Path, PathBuf};

/// Shares; without a daemon it then serves until Ctrl-C, which is its good end.
pub(crate) async fn run(app: &App, args: Share) -> Outcome {
    let request = ShareRequest {
        paths: args
            .paths
            .iter()
            .map(|path| place(path))
            .collect::<Result<_, _>>()?,
        name: args.name,
        copy: args.copy,
        skip_unreadable: args.skip_unreadable,
        torrent: args.torrent.then(|| TorrentWish {
            piece_bytes: args.piece_size,
            trackers: tiers(&args.tracker),
            private: false,
        }),
    };
    let hint = "run it again to go on; what is indexed is kept";
    with(
        app,
        Need::Peers(&args.node),
        hint,
        async |session: &Session| {
            share(app, session, &request).await?;
            if !session.is_own() {
                return Ok(());
            }
            app.output
                .note("serving until Ctrl-C; 'potluck up' keeps a node running for all shares");
            tokio::select! {
                () = app.stop.cancelled() => {}
                () = up::show(app, session.client()) => {}
            }
            Ok(())
        },
    )
    .await
}

async fn share(app: &App, session: &Session, request: &ShareRequest) -> Outcome {
    let mut events = session.client().stream("share", request).await?;
    let mut view = ShareView::new(&app.output);
    loop {
        let (event, line) = events.next::<ShareEvent>().await?;
        if let ShareEvent::Error(error) = event {
            view.finish();
            return Err(error.into());
        }
        view.event(&event);
        if app.output.json {
            app.output.line(line)?;
        }
        if let ShareEvent::Shared {
            link,
            name,
            bytes,
            files,
            seconds,
            torrents,
            ..
        } = event
        {
            view.finish();
            if !app.output.json {
                let (name, files) = (clip(&name, 60), count(files, "file"));
                let took = duration(seconds);
                app.output.note(&format!(
                    "{name}: {}, {files}, indexed in {took}",
                    size(bytes)
                ));
                app.output.line(link)?;
                for torrent in torrents {
                    app.output.note(&format!("torrent: {}", torrent.file));
                    app.output.line(torrent.magnet)?;
                }
            }
            return Ok(());
        }
    }
}

/// The path from the root, with a last part that is a name: `.` and `..` have none to share under.
fn place(path: &Path) -> Result<String, ErrorBody> {
    let mut whole = absolute(path)?;
    if whole
        .components()
        .next_back()
        .is_some_and(|last| last.as_os_str() == "..")
    {
        whole = whole.canonicalize().unwrap_or(whole);
    }
    // A slash at the end says nothing more than the name does.
    let whole: PathBuf = whole.components().collect();
    as_text(whole)
}
