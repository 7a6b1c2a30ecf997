//! The matrix as a page.

use std::fmt::Write as _;

use super::cell::{Cell, Outcome, Row};

/// All cells of one program.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Its version, or why it was not tried.
    pub(super) version: String,
    /// Outcomes in the order of [`Cell::COLUMNS`].
    pub(super) rows: Vec<(Row, Vec<Outcome>)>,
}

/// All programs.
pub(super) struct Page {
    pub(super) subject: String,
    pub(super) mib: u64,
    pub(super) sections: Vec<Section>,
}

const TOP: &str = "\
# Interoperability with other BitTorrent programs

Made by `cargo xtask interop`, which starts real programs on loopback and writes this page. Each cell is
one transfer with new programs, a new tracker and empty folders; it passes when the fetched files have the
bytes of the source, within a minute. (Transmission 3 leaves out empty files: their absence is no failure
of it. It dials no loopback addresses either, so where it fetches it is started first, and Potluck hears
of it from the tracker and dials.)

- *folder*: five files: an empty one, one of a byte, one of 100 kB, one with a name in other scripts in a
  subfolder, and a large one. *one file*: a single file of the same size. Pieces are of 256 KiB, and the
  torrent is made by `potluck torrent create`.
- *fetches*: Potluck fetches from the other program. *serves*: the other program fetches from Potluck.
- Peers find each other through an HTTP tracker or, with a magnet link, through its `x.pe` where the
  fetching program reads that; then nobody waits for the tracker. Nothing else that looks for peers is on.
- *plain TCP*: both sides refuse encryption if they can. *encrypted TCP*: both require it (MSE, RC4).
  *uTP*: Potluck refuses TCP, and so does the other program if it can.
- *n/a*: not to be had from the other program; the note says what it lacks.
- Seconds are from the start of the fetching program until it says that it is complete. They tell that a
  transfer did not limp, not who is faster.
";

impl Page {
    /// Whether a cell fails that is not known to.
    pub(super) fn is_bad(&self) -> bool {
        self.outcomes().any(Outcome::is_bad)
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.sections.iter().flat_map(Section::outcomes)
    }

    /// The page.
    pub(super) fn markdown(&self) -> String {
        // Writing to a string cannot fail.
        let mut text = format!("{TOP}\n{}, {} MiB.\n\n", self.subject, self.mib);
        text.push_str("| | pass | fail | fail as known | n/a |\n|---|--:|--:|--:|--:|\n");
        for section in &self.sections {
            let _ = write!(text, "| {} |", section.version);
            let kinds: [fn(&Outcome) -> bool; 4] = [
                |outcome| matches!(outcome, Outcome::Pass(_)),
                |outcome| matches!(outcome, Outcome::Fail(_)),
                |outcome| matches!(outcome, Outcome::Known(..)),
                |outcome| matches!(outcome, Outcome::Never(_)),
            ];
            for kind in kinds {
                let count = section.outcomes().filter(|outcome| kind(outcome)).count();
                let _ = write!(text, " {count} |");
            }
            text.push('\n');
        }
        for section in &self.sections {
            let _ = write!(text, "\n{}", section.markdown());
        }
        text
    }
}

impl Section {
    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.rows.iter().flat_map(|(_, outcomes)| outcomes)
    }

    fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n| |", self.name, self.version);
        for (direction, connection) in Cell::COLUMNS {
            let direction = direction.to_string();
            let verb = direction.split(' ').next().unwrap_or_default();
            let _ = write!(text, " {verb}, {connection} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(Cell::COLUMNS.len()));
        text.push('\n');
        let mut notes = Vec::new();
        for (row, outcomes) in &self.rows {
            let _ = write!(text, "| {row} |");
            for outcome in outcomes {
                let _ = write!(text, " {} |", short(outcome, &mut notes));
            }
            text.push('\n');
        }
        if !notes.is_empty() {
            text.push('\n');
        }
        for (index, note) in notes.iter().enumerate() {
            let _ = writeln!(text, "{}. {note}", index + 1);
        }
        text
    }
}

/// What a cell shows; what is longer becomes a note.
fn short(outcome: &Outcome, notes: &mut Vec<String>) -> String {
    let (word, note) = match outcome {
        Outcome::Pass(seconds) => return format!("{seconds:.1} s"),
        Outcome::Fail(reason) => ("**fails**", reason.clone()),
        Outcome::Known(reason, why) => ("fails as known", format!("{why}: {reason}")),
        Outcome::Never(why) => ("n/a", why.clone()),
    };
    let known = notes.iter().position(|known| *known == note);
    let index = known.unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    format!("{word} ({})", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(last: Outcome) -> Page {
        let never = || Outcome::Never("no such thing".to_owned());
        let outcomes = vec![
            Outcome::Pass(1.25),
            never(),
            Outcome::Pass(3.0),
            Outcome::Known("late".to_owned(), "slow".to_owned()),
            never(),
            last,
        ];
        Page {
            subject: "potluck".to_owned(),
            mib: 1,
            sections: vec![Section {
                name: "other",
                version: "other 1".to_owned(),
                rows: vec![(Row::all()[0], outcomes)],
            }],
        }
    }

    #[test]
    fn every_cell_is_shown_and_notes_are_shared() {
        let fine = page(Outcome::Pass(0.5));
        assert!(!fine.is_bad());
        let text = fine.markdown();
        let line = "| folder, v1, .torrent | 1.2 s | n/a (1) | 3.0 s | fails as known (2) | n/a (1) | 0.5 s |";
        assert!(text.contains(line), "{text}");
        assert!(
            text.ends_with("1. no such thing\n2. slow: late\n"),
            "{text}"
        );
        assert!(text.contains("| other 1 | 3 | 0 | 1 | 2 |"), "{text}");
    }

    #[test]
    fn a_failure_is_bad() {
        let bad = page(Outcome::Fail("it broke".to_owned()));
        assert!(bad.is_bad());
        assert!(bad.markdown().contains("**fails** (3)"));
    }
}
