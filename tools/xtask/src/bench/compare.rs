//! Programs that do the same thing in turn, and what each took.

use anyhow::Result;
use serde::Serialize;

use super::options::{Bench, Options};

/// One program, or pair of programs, with what its runs took.
#[derive(Serialize)]
pub(super) struct Row<S> {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) samples: Vec<S>,
    /// Why there are no figures, or fewer than asked for.
    pub(super) missing: Option<String>,
}

impl<S> Row<S> {
    pub(super) fn new(name: &str, version: String) -> Self {
        Self {
            name: name.to_owned(),
            version,
            samples: Vec::new(),
            missing: None,
        }
    }

    pub(super) fn missing(name: &str, why: String) -> Self {
        Self {
            missing: Some(why),
            ..Self::new(name, String::new())
        }
    }

    /// The median of a figure over the runs that have it.
    pub(super) fn median(&self, of: impl Fn(&S) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.samples.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)? / 2;
        // Of an even number of runs, the greater of the two in the middle.
        values.get(values.len() - 1 - middle).copied()
    }

    /// The least and the greatest of a figure.
    pub(super) fn range(&self, of: impl Fn(&S) -> Option<f64>) -> Option<(f64, f64)> {
        let values = || self.samples.iter().filter_map(&of);
        values().reduce(f64::min).zip(values().reduce(f64::max))
    }
}

/// Runs a program once.
pub(super) type Run<'a, S> = Box<dyn Fn() -> Result<S> + 'a>;

/// The programs of a comparison, ours first.
pub(super) struct Field<'a, S> {
    entrants: Vec<(Row<S>, Option<Run<'a, S>>)>,
}

impl<'a, S> Field<'a, S> {
    pub(super) fn new() -> Self {
        Self {
            entrants: Vec::new(),
        }
    }

    /// Adds a program, if it is asked for. `prepare` installs it and gives its version.
    pub(super) fn add<C>(
        &mut self,
        options: &Options,
        key: &str,
        name: &str,
        prepare: impl FnOnce() -> Result<(C, String)>,
        run: impl Fn(&C) -> Result<S> + 'a,
    ) where
        C: 'a,
    {
        if !options.wants(key) {
            return;
        }
        let entrant = match prepare() {
            Ok((contender, version)) => {
                let run: Run<'a, S> = Box::new(move || run(&contender));
                (Row::new(name, version), Some(run))
            }
            Err(error) => {
                println!("{name}: not measured: {error:#}");
                (Row::missing(name, format!("{error:#}")), None)
            }
        };
        self.entrants.push(entrant);
    }

    /// Runs the programs in turn, so that a slow minute of the machine falls on all of them.
    pub(super) fn compare(
        mut self,
        bench: &Bench,
        runs: u32,
        show: impl Fn(&S) -> String,
    ) -> Vec<Row<S>> {
        for round in 1..=runs {
            for (row, run) in &mut self.entrants {
                let Some(running) = run else { continue };
                match once(bench, running) {
                    Ok(sample) => {
                        println!("run {round}: {:<22} {}", row.name, show(&sample));
                        row.samples.push(sample);
                    }
                    Err(error) => {
                        println!("run {round}: {:<22} FAILED: {error:#}", row.name);
                        // What is written down names no folder of this machine.
                        let reason = format!("{error:#}");
                        let tools = bench.tools.display().to_string();
                        row.missing = Some(format!("failed: {}", reason.replace(&tools, "…")));
                        *run = None;
                    }
                }
            }
        }
        self.entrants.into_iter().map(|(row, _)| row).collect()
    }
}

fn once<S>(bench: &Bench, run: &Run<'_, S>) -> Result<S> {
    bench.clear()?;
    let sample = run()?;
    bench.clean_up()?;
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f64]) -> Row<f64> {
        let mut row = Row::new("x", String::new());
        row.samples = values.to_vec();
        row
    }

    #[test]
    fn medians() {
        let median = |values: &[f64]| row(values).median(|value| Some(*value));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0]), Some(3.0));
    }

    #[test]
    fn ranges() {
        let range = |values: &[f64]| row(values).range(|value| Some(*value));
        assert_eq!(range(&[]), None);
        assert_eq!(range(&[3.0, 1.0, 2.0]), Some((1.0, 3.0)));
    }
}
