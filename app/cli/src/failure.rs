//! How a command ends when it does not end well, and how that is said.

use crate::output::Output;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use potluck_api::{ErrorBody, ExitCode};
use serde::Serialize;
use std::io::IsTerminal;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell the user.
    Error(ErrorBody),
    /// Whoever read the output has gone; there is nobody to tell.
    Pipe,
}

/// What most steps of a command give.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self::Error(body)
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename = "error")]
struct ErrorEvent<'a> {
    #[serde(flatten)]
    body: &'a ErrorBody,
}

/// A malformed command line or setting.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ExitCode::Usage, message, hint)
}

/// A failure without an exit code of its own.
pub(crate) fn failed(message: impl Into<String>, hint: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ExitCode::Failed, message, hint)
}

/// Says what went wrong; gives the exit code.
pub(crate) fn report(output: &Output, failure: &Failure) -> u8 {
    let Failure::Error(body) = failure else {
        return ExitCode::Failed.into();
    };
    if output.json {
        let _ = output.object(&ErrorEvent { body });
    }
    // A script that reads the JSON still leaves the reason in its log; a person sees it once.
    if !output.json || !std::io::stdout().is_terminal() {
        let paint = output.paint();
        output.always(&format!("{} {}", paint.bad("error:"), body.message));
        if !body.hint.is_empty() {
            output.always(&format!("{} {}", paint.strong("hint:"), body.hint));
        }
    }
    body.code.into()
}

/// What clap says about a malformed command line, in our words: one line and a hint. `help` is the
/// command line that says more.
pub(crate) fn from_clap(error: &clap::Error, help: &str) -> ErrorBody {
    let rendered = error.render().to_string();
    let mut paragraphs = rendered.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let message = one_line(first.trim().trim_start_matches("error: "));
    let tip = error.get(ContextKind::Suggested).and_then(tips);
    let usage_line = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(text)) => one_line(&text.to_string()),
        _ => String::new(),
    };
    let hint = match (tip, similar(error)) {
        (Some(tip), _) => tip,
        (None, Some(similar)) => format!("did you mean '{similar}'?"),
        (None, None) if !usage_line.is_empty() => usage_line.replace("Usage: ", "usage: "),
        (None, None) => format!("'{help}' shows how it is written"),
    };
    usage(message, hint)
}

fn tips(value: &ContextValue) -> Option<String> {
    let ContextValue::StyledStrs(tips) = value else {
        return None;
    };
    let tips: Vec<String> = tips.iter().map(|tip| one_line(&tip.to_string())).collect();
    (!tips.is_empty()).then(|| tips.join("; "))
}

fn similar(error: &clap::Error) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // The best guess stands last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    })
}

/// Whether clap only wants something printed that was asked for.
pub(crate) fn is_answer(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Whether there was no command on the command line.
pub(crate) fn is_empty(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
