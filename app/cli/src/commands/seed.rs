//! `potluck torrent seed`

use super::torrent::ReadView;
use super::up;
use crate::app::{App, absolute, as_text};
use crate::args::SeedTorrent;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::units::{clip, size};
use potluck_api::{SeedEvent, SeedRequest};

/// Seeds; without a daemon it then serves until Ctrl-C, which is its good end.
pub(crate) async fn run(app: &App, args: SeedTorrent) -> Outcome {
    let request = SeedRequest {
        torrent: as_text(absolute(&args.torrent)?)?,
        place: as_text(absolute(&args.place)?)?,
    };
    let hint = "run it again; the files are as they were";
    let work = async |session: &Session| {
        seed(app, session, &request).await?;
        if !session.is_own() {
            return Ok(());
        }
        app.output
            .note("serving until Ctrl-C; 'potluck up' keeps a node running for all torrents");
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = up::show(app, session.client()) => {}
        }
        Ok(())
    };
    with(app, Need::Peers(&args.node), hint, work).await
}

async fn seed(app: &App, session: &Session, request: &SeedRequest) -> Outcome {
    let mut events = session.client().stream("torrents/seed", request).await?;
    let mut view = ReadView::new(app, "checking");
    loop {
        let (event, line) = events.next::<SeedEvent>().await?;
        if app.output.json && !matches!(event, SeedEvent::Error(_)) {
            app.output.line(line)?;
        }
        match event {
            SeedEvent::Error(error) => return Err(error.into()),
            SeedEvent::Checking {
                done_bytes,
                total_bytes,
            } => {
                let _ = view.tick(done_bytes, total_bytes);
            }
            SeedEvent::Seeding {
                name,
                bytes,
                magnet,
                port,
                ..
            } => {
                drop(view);
                if !app.output.json {
                    let name = clip(&name, 60);
                    let text = format!("{name}: {}, served on port {port}", size(bytes));
                    app.output.note(&text);
                    app.output.line(magnet)?;
                }
                return Ok(());
            }
        }
    }
}
