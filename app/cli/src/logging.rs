//! Logs go to stderr, above whatever progress is shown there.

use crate::args::Global;
use crate::failure::usage;
use crate::ui::live;
use potluck_api::ErrorBody;
use std::io::{IsTerminal, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging as the flags say.
pub(crate) fn start(global: &Global) -> Result<(), ErrorBody> {
    let filter = match (&global.log, global.verbose) {
        (Some(filter), _) => EnvFilter::try_new(filter).map_err(|error| {
            usage(
                format!("--log is not understood: {error}"),
                "write for example potluck_net=debug",
            )
        })?,
        (None, 0) => EnvFilter::new("off,potluck_daemon=error,potluck_store=error"),
        (None, 1) => EnvFilter::new(ours("info")),
        (None, 2) => EnvFilter::new(ours("debug")),
        (None, _) => EnvFilter::new("debug"),
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let built = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(AboveProgress)
        .try_init();
    built.map_err(|error| crate::failure::failed(format!("cannot log: {error}"), ""))
}

fn ours(level: &str) -> String {
    let crates = ["potluck", "daemon", "net", "store", "transfer", "content"];
    let mut filter = "warn".to_owned();
    for name in crates {
        let target = if name == "potluck" {
            name.to_owned()
        } else {
            format!("potluck_{name}")
        };
        filter.push_str(&format!(",{target}={level}"));
    }
    filter
}

struct AboveProgress;

impl<'a> MakeWriter<'a> for AboveProgress {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for AboveProgress {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        live::above(|| std::io::stderr().lock().write(text))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
