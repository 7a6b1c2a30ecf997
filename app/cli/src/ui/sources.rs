//! One line for each source of a download.

use super::units::{peer, percent, rate};
use super::{Paint, bar};
use potluck_api::{SourceProgress, SourceState};

/// Sources that get a line of their own.
const SHOWN: usize = 6;
const BAR: usize = 12;

/// Lines for the first few sources, and one for how many more there are. The bar is the source's
/// share of what all of them delivered.
pub(crate) fn lines(paint: Paint, sources: &[SourceProgress], all: u32) -> Vec<String> {
    let delivered: u64 = sources.iter().map(|source| source.bytes).sum();
    let mut lines: Vec<String> = sources
        .iter()
        .take(SHOWN)
        .map(|source| line(paint, source, delivered))
        .collect();
    let more = (all as usize)
        .max(sources.len())
        .saturating_sub(lines.len());
    if more > 0 {
        lines.push(paint.faint(&format!("  and {more} more")));
    }
    lines
}

fn line(paint: Paint, source: &SourceProgress, delivered: u64) -> String {
    let state = match source.state {
        SourceState::Active => String::new(),
        SourceState::Idle => paint.faint("idle"),
        SourceState::Empty => paint.faint("has nothing more for us"),
        SourceState::Stalled => paint.warn("stalled"),
    };
    let kind = if source.kind == "native" {
        String::new()
    } else {
        format!(" {}", source.kind)
    };
    format!(
        "  {:<11}{kind} {:<7} {:>12}  {} {:>5}  {state}",
        peer(&source.peer),
        source.path.to_string(),
        rate(source.rate),
        bar(paint, source.bytes, delivered.max(1), BAR),
        percent(source.bytes, delivered.max(1)),
    )
}
