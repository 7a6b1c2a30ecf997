//! Ctrl-C: the first one asks for a clean stop, the second one does not ask.

use potluck_api::{ErrorBody, ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Watches for SIGINT, SIGTERM and SIGHUP from now on. The token is cancelled by the first.
pub(crate) fn watch() -> CancellationToken {
    let stop = CancellationToken::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let stop = stop.clone();
        let Ok(mut signals) = signal(kind) else {
            continue;
        };
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if stop.is_cancelled() {
                    std::process::exit(u8::from(ExitCode::Interrupted).into());
                }
                stop.cancel();
            }
        });
    }
    stop
}

/// What a command that was stopped before its end says.
pub(crate) fn interrupted(hint: &str) -> ErrorBody {
    ErrorBody::new(ExitCode::Interrupted, "interrupted", hint)
}
