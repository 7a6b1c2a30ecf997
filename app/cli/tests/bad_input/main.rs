//! Bad input: whatever is malformed, hostile, unreadable or taken ends in one line that says what
//! is wrong, one that says what to do, and an exit code. Nothing panics, nothing is written.
//!
//! Each table has a line for each case: what is given, the exit code, a part of the message, a part
//! of the hint.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod cbor;
mod files;
mod links;
mod manifests;
mod provider;
mod settings;
mod start;

use support::Run;

/// Runs a command twice, for people and for scripts, and checks what is said in both.
fn refused(case: &str, run: impl Fn() -> Run, code: i32, message: &str, hint: &str) {
    let plain = run().fails(code);
    let lines: Vec<&str> = plain.stderr.lines().collect();
    let [error, advice] = lines[..] else {
        panic!("{case}: not one line and a hint: {plain}");
    };
    let said = error
        .strip_prefix("error: ")
        .unwrap_or_else(|| panic!("{case}: {plain}"));
    let advised = advice
        .strip_prefix("hint: ")
        .unwrap_or_else(|| panic!("{case}: {plain}"));
    assert!(said.contains(message), "{case}: no '{message}' in: {said}");
    assert!(advised.contains(hint), "{case}: no '{hint}' in: {advised}");
    assert!(
        !said.contains(char::is_control) && said.len() < 600,
        "{case}: {said:?}"
    );
    assert_eq!(plain.stdout, "", "{case}: {plain}");

    let json = run().env("POTLUCK_JSON", "1").fails(code);
    let event = json.last("error");
    assert_eq!(event["code"], code, "{case}: {json}");
    assert_eq!(event["message"], said, "{case}: {json}");
    assert_eq!(event["hint"], advised, "{case}: {json}");
}
