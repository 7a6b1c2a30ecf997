//! What the matrix is made of: one cell is one transfer of the same content.

use std::fmt;

/// Which versions of BitTorrent the torrent is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// BEP 3.
    V1,
    /// Both in one.
    Hybrid,
    /// BEP 52.
    V2,
}

/// How the fetching side is told what to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the torrent file.
    File,
    /// By a magnet link (BEP 9).
    Magnet,
}

/// What carries the peer protocol; both sides refuse the other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// TCP without encryption.
    Plain,
    /// TCP with Message Stream Encryption (MSE), RC4.
    Encrypted,
    /// uTP (BEP 29) without encryption.
    Utp,
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Potluck, from the other program.
    Fetches,
    /// The other program, from Potluck.
    Serves,
}

/// What is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Five files, one of them empty and one in a subfolder.
    Folder,
    /// One file.
    Single,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) content: Content,
    pub(super) version: Version,
    pub(super) way: Way,
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) row: Row,
    pub(super) direction: Direction,
    pub(super) connection: Connection,
}

impl Version {
    /// Its name on the command line of `potluck torrent create`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

impl Row {
    /// All lines, in the order of the table.
    pub(super) fn all() -> Vec<Self> {
        let versions = [Version::V1, Version::Hybrid, Version::V2];
        let row = |content, version, way| Self {
            content,
            version,
            way,
        };
        let folders = versions
            .into_iter()
            .flat_map(|version| [Way::File, Way::Magnet].map(|way| (version, way)))
            .map(|(version, way)| row(Content::Folder, version, way));
        let singles = versions
            .into_iter()
            .map(|version| row(Content::Single, version, Way::File));
        folders.chain(singles).collect()
    }
}

impl Cell {
    /// The columns of the table.
    pub(super) const COLUMNS: [(Direction, Connection); 6] = [
        (Direction::Fetches, Connection::Plain),
        (Direction::Fetches, Connection::Encrypted),
        (Direction::Fetches, Connection::Utp),
        (Direction::Serves, Connection::Plain),
        (Direction::Serves, Connection::Encrypted),
        (Direction::Serves, Connection::Utp),
    ];

    /// The cell of a line in a column.
    pub(super) fn new(row: Row, (direction, connection): (Direction, Connection)) -> Self {
        Self {
            row,
            direction,
            connection,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = match self.content {
            Content::Folder => "folder",
            Content::Single => "one file",
        };
        let way = match self.way {
            Way::File => ".torrent",
            Way::Magnet => "magnet",
        };
        write!(f, "{content}, {}, {way}", self.version.name())
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain TCP",
            Self::Encrypted => "encrypted TCP",
            Self::Utp => "uTP",
        })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetches => "fetches from it",
            Self::Serves => "serves it",
        })
    }
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The same bytes arrived, after this many seconds.
    Pass(f64),
    /// They did not, and nobody knew.
    Fail(String),
    /// They did not, as was known: what happened, and why it is known.
    Known(String, String),
    /// The pair cannot do this, for this reason.
    Never(String),
}

impl Outcome {
    /// Whether the run is spoiled by it.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self, Self::Fail(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(seconds) => write!(f, "pass, {seconds:.1} s"),
            Self::Fail(reason) => write!(f, "FAIL: {reason}"),
            Self::Known(reason, why) => write!(f, "fails as known: {why} ({reason})"),
            Self::Never(why) => write!(f, "n/a: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_all_there_and_differ() {
        let rows = Row::all();
        assert_eq!(rows.len(), 9);
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[..index].contains(row), "{row} twice");
        }
    }

    #[test]
    fn only_an_unknown_failure_is_bad() {
        assert!(Outcome::Fail(String::new()).is_bad());
        let known = Outcome::Known(String::new(), String::new());
        for fine in [known, Outcome::Pass(1.0), Outcome::Never(String::new())] {
            assert!(!fine.is_bad());
        }
    }
}
