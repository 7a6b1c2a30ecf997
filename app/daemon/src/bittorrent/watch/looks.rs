//! Which files of the watched folder are to be taken: those that nobody writes to any more, each once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that are taken at a time, at most; each waits for its turn to be fetched.
const MAX_BUSY: usize = 256;

/// How a file looks: its bytes, and when they changed last (seconds, nanoseconds).
pub(super) type Look = (u64, i64, i64);

/// See the module.
#[derive(Default)]
pub(super) struct Looks {
    files: BTreeMap<PathBuf, Known>,
}

struct Known {
    look: Look,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Seen once as it looks now.
    New,
    /// Taken, and not done with.
    Busy,
    /// Of no more interest until it changes.
    Over,
    /// To be taken again at this time.
    Later(Duration),
}

impl Looks {
    /// Compares the folder with how it was last; gives the files to take now. Times are since any fixed
    /// moment.
    pub(super) fn compare(
        &mut self,
        now: Duration,
        found: &BTreeMap<PathBuf, Look>,
    ) -> Vec<PathBuf> {
        self.files
            .retain(|path, known| known.state == State::Busy || found.contains_key(path));
        let mut busy = self.busy();
        let mut taken = Vec::new();
        for (path, look) in found {
            let new = || Known {
                look: *look,
                state: State::New,
            };
            let Some(known) = self.files.get_mut(path) else {
                self.files.insert(path.clone(), new());
                continue;
            };
            if known.state == State::Busy {
                continue;
            }
            if known.look != *look {
                *known = new();
                continue;
            }
            let is_ripe = match known.state {
                State::New => true,
                State::Later(at) => at <= now,
                State::Busy | State::Over => false,
            };
            if is_ripe && busy < MAX_BUSY {
                known.state = State::Busy;
                busy += 1;
                taken.push(path.clone());
            }
        }
        taken
    }

    /// A file that was taken is done with, or is to be taken again at `later`.
    pub(super) fn ended(&mut self, path: &Path, later: Option<Duration>) {
        if let Some(known) = self.files.get_mut(path) {
            known.state = later.map_or(State::Over, State::Later);
        }
    }

    /// How many are taken and not done with.
    pub(super) fn busy(&self) -> usize {
        let states = self.files.values().map(|known| known.state);
        states.filter(|state| *state == State::Busy).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn folder(files: &[(&str, u64)]) -> BTreeMap<PathBuf, Look> {
        let files = files.iter();
        files
            .map(|(name, bytes)| (PathBuf::from(name), (*bytes, 0, 0)))
            .collect()
    }

    #[test]
    fn a_file_is_taken_once_nobody_writes_to_it_any_more() {
        let mut looks = Looks::default();
        for bytes in [0, 10, 20] {
            let taken = looks.compare(SECOND, &folder(&[("a", bytes)]));
            assert!(taken.is_empty(), "it grows");
        }
        assert_eq!(
            looks.compare(SECOND, &folder(&[("a", 20)])),
            [PathBuf::from("a")]
        );
        assert_eq!(looks.busy(), 1);
        for _ in 0..3 {
            assert!(looks.compare(SECOND, &folder(&[("a", 30)])).is_empty());
        }
        looks.ended(Path::new("a"), None);
        assert!(looks.compare(SECOND, &folder(&[("a", 30)])).is_empty());
        assert_eq!(
            looks.compare(SECOND, &folder(&[("a", 30)])).len(),
            1,
            "it changed meanwhile"
        );
    }

    #[test]
    fn what_failed_is_taken_again_later_and_what_is_over_never() {
        let mut looks = Looks::default();
        let files = folder(&[("a", 1), ("b", 1)]);
        looks.compare(SECOND, &files);
        assert_eq!(looks.compare(SECOND, &files).len(), 2);
        looks.ended(Path::new("a"), Some(SECOND * 10));
        looks.ended(Path::new("b"), None);
        assert!(looks.compare(SECOND * 9, &files).is_empty());
        assert_eq!(looks.compare(SECOND * 10, &files), [PathBuf::from("a")]);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut looks = Looks::default();
        let files = folder(&[("a", 1)]);
        looks.compare(SECOND, &files);
        looks.compare(SECOND, &files);
        looks.ended(Path::new("a"), None);
        looks.compare(SECOND, &folder(&[]));
        looks.compare(SECOND, &files);
        assert_eq!(looks.compare(SECOND, &files).len(), 1);
    }

    #[test]
    fn a_full_folder_is_taken_bit_by_bit() {
        let mut looks = Looks::default();
        let names: Vec<String> = (0..MAX_BUSY + 5).map(|n| format!("{n:04}")).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let files = folder(&files);
        looks.compare(SECOND, &files);
        assert_eq!(looks.compare(SECOND, &files).len(), MAX_BUSY);
        assert!(looks.compare(SECOND, &files).is_empty());
        looks.ended(Path::new("0003"), None);
        assert_eq!(looks.compare(SECOND, &files).len(), 1);
    }
}
