//! `potluck doctor`

use crate::app::App;
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::ui::Paint;
use potluck_api::{DoctorCheck, DoctorReport, ErrorBody, ExitCode, Verdict};

/// Asks the running node, or looks at what can be seen without one. Ends with code 1 when
/// something will not work.
pub(crate) async fn run(app: &App) -> Outcome {
    let report = report(app).await;
    if app.output.json {
        app.output.object(&report)?;
    } else {
        let paint = app.output.paint_data();
        for check in &report.checks {
            for line in lines(paint, check) {
                app.output.line(line)?;
            }
        }
    }
    if report.verdict != Verdict::Bad {
        return Ok(());
    }
    let bad: Vec<&str> = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Bad)
        .map(|check| check.name.as_str())
        .collect();
    let message = format!("not in order: {}", bad.join(", "));
    let body = ErrorBody::new(
        ExitCode::Failed,
        message,
        "do what stands beside each of them",
    );
    Err(Failure::Error(body))
}

async fn report(app: &App) -> DoctorReport {
    // A node that does not answer is itself a finding, not a reason to say nothing.
    let mut trouble = None;
    match Client::find(&app.data).await {
        Ok(Some(client)) => match client.get("doctor").await {
            Ok(report) => return report,
            Err(error) => trouble = Some(error),
        },
        Ok(None) => {}
        Err(error) => trouble = Some(error),
    }
    let mut report = potluck_daemon::doctor::offline(&app.data);
    if let Some(error) = trouble {
        report.checks.push(DoctorCheck {
            name: "running node".to_owned(),
            verdict: Verdict::Bad,
            found: error.message,
            advice: error.hint,
        });
        report.verdict = Verdict::Bad;
    }
    report
}

fn lines(paint: Paint, check: &DoctorCheck) -> Vec<String> {
    let verdict = match check.verdict {
        Verdict::Good => paint.good("good   "),
        Verdict::Warning => paint.warn("warning"),
        Verdict::Bad => paint.bad("bad    "),
    };
    let mut lines = vec![format!("{verdict}  {:<16} {}", check.name, check.found)];
    if !check.advice.is_empty() {
        lines.push(format!(
            "{:26}{}",
            "",
            paint.faint(&format!("→ {}", check.advice))
        ));
    }
    lines
}
