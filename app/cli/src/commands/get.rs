//! `potluck get`

use crate::app::{App, absolute, as_text};
use crate::args::Get;
use crate::failure::Outcome;
use crate::session::{Need, Session, with};
use crate::ui::get_view::GetView;
use crate::ui::units::{average, clip, count, duration, peer, percent, rate, size};
use potluck_api::{ErrorBody, GetEvent, GetRequest, SourceResult};
use std::path::{MAIN_SEPARATOR, Path};

/// Fetches.
pub(crate) async fn run(app: &App, args: Get) -> Outcome {
    let request = GetRequest {
        link: link(args.link)?,
        also: args.also.into_iter().map(link).collect::<Result<_, _>>()?,
        dest: destination(args.output.as_deref())?,
        files: args.files,
        timeout: args.timeout,
        serve: !args.no_serve,
        sequential: args.sequential,
    };
    let hint = "run the same command again; it goes on where it stopped";
    with(
        app,
        Need::Peers(&args.node),
        hint,
        async |session: &Session| fetch(app, session, &request).await,
    )
    .await
}

/// What is to be fetched. A file that is there can only be a torrent.
fn link(given: String) -> Result<String, ErrorBody> {
    let path = Path::new(&given);
    let is_path = given.ends_with(".torrent") && !given.contains("://");
    if is_path || path.is_file() {
        return as_text(absolute(path)?);
    }
    Ok(given)
}

/// The destination from the root of the file system. A slash at its end stays: it says that the
/// content goes below it under its own name.
fn destination(output: Option<&Path>) -> Result<String, ErrorBody> {
    let given = output.unwrap_or(Path::new("./"));
    let shown = given.as_os_str().as_encoded_bytes();
    let below = shown.ends_with(b"/") || matches!(shown, b"." | b"..") || ends_in_dots(shown);
    let mut whole = as_text(absolute(given)?)?;
    if below && !whole.ends_with(MAIN_SEPARATOR) {
        whole.push(MAIN_SEPARATOR);
    }
    Ok(whole)
}

/// `…/.` and `…/..` can only be folders.
fn ends_in_dots(path: &[u8]) -> bool {
    path.ends_with(b"/.") || path.ends_with(b"/..")
}

async fn fetch(app: &App, session: &Session, request: &GetRequest) -> Outcome {
    let mut events = session.client().stream("get", request).await?;
    let mut view = GetView::new(&app.output);
    loop {
        let (event, line) = events.next::<GetEvent>().await?;
        if let GetEvent::Error(error) = event {
            return Err(error.into());
        }
        view.event(&event);
        if app.output.json {
            app.output.line(line)?;
        }
        if let GetEvent::Done { .. } = &event {
            drop(view);
            return if app.output.json {
                Ok(())
            } else {
                summary(app, &event)
            };
        }
    }
}

fn summary(app: &App, done: &GetEvent) -> Outcome {
    let GetEvent::Done {
        path,
        bytes,
        files,
        fetched_bytes,
        wasted_bytes,
        seconds,
        sources,
        ..
    } = done
    else {
        return Ok(());
    };
    let what = format!("{}, {}", size(*bytes), count(*files, "file"));
    let mut text = format!("{what} in {}: all verified", duration(*seconds));
    if *fetched_bytes > 0 {
        let speed = rate(average(*fetched_bytes, *seconds));
        text.push_str(&format!("; fetched {} at {speed}", size(*fetched_bytes)));
    }
    if *wasted_bytes > 0 {
        text.push_str(&format!(", {} not needed", size(*wasted_bytes)));
    }
    app.output.note(&app.output.paint().good(&text));
    for line in who(sources) {
        app.output.note(&line);
    }
    app.output.line(path)
}

/// Who delivered what, most first.
fn who(sources: &[SourceResult]) -> Vec<String> {
    let all: u64 = sources.iter().map(|source| source.bytes).sum();
    let mut sorted: Vec<&SourceResult> = sources.iter().collect();
    sorted.sort_by_key(|source| std::cmp::Reverse(source.bytes));
    let line = |source: &&SourceResult| {
        let name = match source.kind.as_str() {
            "local" => "this node".to_owned(),
            "native" => peer(&source.peer),
            kind => format!("{} {}", clip(kind, 12), peer(&clip(&source.peer, 60))),
        };
        format!(
            "  {name:<12} {:>10}  {:>5}",
            size(source.bytes),
            percent(source.bytes, all)
        )
    };
    sorted.iter().take(10).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::destination;
    use std::path::Path;

    #[test]
    fn destinations_are_absolute_and_keep_their_slash() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        for (given, whole) in [
            (None, format!("{here}/")),
            (Some("."), format!("{here}/")),
            (Some("out"), format!("{here}/out")),
            (Some("out/"), format!("{here}/out/")),
            (Some("out/."), format!("{here}/out/")),
            (Some("/tmp/x"), "/tmp/x".to_owned()),
            (Some("/tmp/"), "/tmp/".to_owned()),
        ] {
            assert_eq!(
                destination(given.map(Path::new)).unwrap(),
                whole,
                "{given:?}"
            );
        }
        assert!(destination(Some(Path::new(".."))).unwrap().ends_with('/'));
    }
}
