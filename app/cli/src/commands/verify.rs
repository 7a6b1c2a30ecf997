//! `potluck verify`

use crate::app::App;
use crate::args::Verify;
use crate::failure::{Failure, Outcome};
use crate::session::{Need, Session, with};
use crate::ui::units::{clip, count, size};
use crate::ui::verify_view::VerifyView;
use potluck_api::{ErrorBody, ExitCode, Problem, VerifyEvent, VerifyRequest};

/// Reads everything again; ends with code 4 when something is damaged and stays so.
pub(crate) async fn run(app: &App, args: Verify) -> Outcome {
    let targets: Vec<Option<String>> = match args.targets.is_empty() {
        true => vec![None],
        false => args.targets.into_iter().map(Some).collect(),
    };
    let need = if args.repair {
        Need::Peers(&args.node)
    } else {
        Need::Records
    };
    let bad = with(
        app,
        need,
        "run it again; nothing was changed",
        async |session: &Session| {
            let mut bad = 0;
            for target in targets {
                bad += verify(
                    app,
                    session,
                    &VerifyRequest {
                        target,
                        repair: args.repair,
                    },
                )
                .await?;
            }
            Ok(bad)
        },
    )
    .await?;
    if bad == 0 {
        return Ok(());
    }
    let hint = if args.repair {
        "no peer had those bytes; try again when one that has them is connected"
    } else {
        "'potluck verify --repair' fetches them again; share changed files anew"
    };
    let message = format!("{} are damaged or gone", size(bad));
    Err(Failure::Error(ErrorBody::new(
        ExitCode::Verification,
        message,
        hint,
    )))
}

async fn verify(app: &App, session: &Session, request: &VerifyRequest) -> Outcome<u64> {
    let mut events = session.client().stream("verify", request).await?;
    let mut view = VerifyView::new(&app.output);
    loop {
        let (event, line) = events.next::<VerifyEvent>().await?;
        view.event(&event);
        if app.output.json && !matches!(event, VerifyEvent::Error(_)) {
            app.output.line(line)?;
        }
        match event {
            VerifyEvent::Error(error) => return Err(error.into()),
            VerifyEvent::Checked {
                name,
                bytes,
                bad_bytes,
                problems,
                ..
            } => {
                checked(app, &name, bytes, bad_bytes, &problems)?;
            }
            VerifyEvent::Repaired { bytes, .. } if !app.output.json => {
                app.output
                    .line(format!("repaired: {} fetched again", size(bytes)))?;
            }
            VerifyEvent::Verified {
                roots,
                bytes,
                bad_bytes,
            } => {
                drop(view);
                if !app.output.json {
                    let what = count(roots, "thing");
                    app.output
                        .note(&format!("{what} checked, {} read", size(bytes)));
                }
                return Ok(bad_bytes);
            }
            _ => {}
        }
    }
}

fn checked(app: &App, name: &str, bytes: u64, bad: u64, problems: &[Problem]) -> Outcome {
    if app.output.json {
        return Ok(());
    }
    let paint = app.output.paint_data();
    let verdict = if bad == 0 && problems.is_empty() {
        paint.good("good")
    } else {
        paint.bad(&format!("{} bad", size(bad)))
    };
    app.output.line(format!(
        "{verdict:<8}  {:>10}  {}",
        size(bytes),
        clip(name, 60)
    ))?;
    for problem in problems {
        let (path, hint) = (clip(&problem.path, 300), clip(&problem.hint, 200));
        app.output
            .line(format!("  {} {path}: {hint}", problem.what))?;
    }
    Ok(())
}
