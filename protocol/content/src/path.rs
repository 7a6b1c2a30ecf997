//! Paths in manifests and names in links, which are hostile until checked.
//!
//! The rules refuse what is dangerous on some platform that may receive the folder: names that lead
//! out of it, that mean a device, a drive or a hidden stream, that the platform changes silently, or
//! that make text around them read as something else. They do not refuse what is merely unusual.

mod name;
mod symlink;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

pub use name::{MAX_COMPONENT_BYTES, NameError, check_name, fold_name, safe_name};
pub use symlink::{TargetError, check_symlink_target};

/// Most components of a path.
pub const MAX_DEPTH: usize = 64;
/// Most bytes of a path.
pub const MAX_PATH_BYTES: usize = 4096;

/// A checked path within a folder: relative, with `/` between its components.
///
/// Paths are ordered component by component, so that what is in a directory stands together.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(String);

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// More bytes than [`MAX_PATH_BYTES`].
    #[error("a path of {bytes} bytes is longer than {MAX_PATH_BYTES}")]
    TooLong {
        /// Bytes of the path.
        bytes: usize,
    },
    /// More components than [`MAX_DEPTH`].
    #[error("the path {path:?} is deeper than {MAX_DEPTH} folders")]
    TooDeep {
        /// The path.
        path: String,
    },
    /// The path starts at the root of the file system.
    #[error("the path {path:?} is absolute")]
    Absolute {
        /// The path.
        path: String,
    },
    /// A component is refused.
    #[error("the path {path:?} is refused: {reason}")]
    Name {
        /// The path.
        path: String,
        /// What is wrong with one of its components.
        reason: NameError,
    },
}

impl EntryPath {
    /// Checks a path.
    pub fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        match check_path(&path) {
            None => Ok(Self(path)),
            Some(Flaw::TooLong) => Err(PathError::TooLong { bytes: path.len() }),
            Some(Flaw::TooDeep) => Err(PathError::TooDeep { path }),
            Some(Flaw::Absolute) => Err(PathError::Absolute { path }),
            Some(Flaw::Name(reason)) => Err(PathError::Name { path, reason }),
        }
    }

    /// The path with `/` between its components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Number of components.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The path without its last component, unless there is only one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        Some(Self(parent.to_owned()))
    }

    /// The path of `name` in the directory at this path.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        Self::new(format!("{}/{name}", self.0))
    }
}

enum Flaw {
    TooLong,
    TooDeep,
    Absolute,
    Name(NameError),
}

fn check_path(path: &str) -> Option<Flaw> {
    if path.len() > MAX_PATH_BYTES {
        return Some(Flaw::TooLong);
    }
    if path.starts_with('/') {
        return Some(Flaw::Absolute);
    }
    if path.split('/').count() > MAX_DEPTH {
        return Some(Flaw::TooDeep);
    }
    path.split('/')
        .find_map(|name| check_name(name).err().map(Flaw::Name))
}

/// Orders paths component by component.
pub(crate) fn compare_paths(a: &str, b: &str) -> Ordering {
    // No name has a byte as low as zero, so a separator read as zero sorts before all names that go
    // on: the order of the components, without splitting.
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_paths(&self.0, &other.0)
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for EntryPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        Self::new(path)
    }
}

impl AsRef<str> for EntryPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts() {
        let path = EntryPath::new("photos/2024/a.jpg").unwrap();
        assert_eq!(
            path.components().collect::<Vec<_>>(),
            ["photos", "2024", "a.jpg"]
        );
        assert_eq!((path.depth(), path.file_name()), (3, "a.jpg"));
        assert_eq!(path.parent().unwrap().as_str(), "photos/2024");
        let top = EntryPath::new("a.jpg").unwrap();
        assert_eq!((top.file_name(), top.parent()), ("a.jpg", None));
        assert_eq!(top.join("b").unwrap().as_str(), "a.jpg/b");
        assert!(top.join("..").is_err());
    }

    #[test]
    fn refuses_paths_that_lead_elsewhere() {
        for path in [
            "", "..", "a/..", "a/../b", ".", "a/./b", "a//b", "a/", "a\\..\\b", "C:/x",
        ] {
            assert!(
                matches!(EntryPath::new(path), Err(PathError::Name { .. })),
                "{path:?}"
            );
        }
        for path in ["/", "/etc/passwd", "//host/share"] {
            assert!(
                matches!(EntryPath::new(path), Err(PathError::Absolute { .. })),
                "{path:?}"
            );
        }
    }

    #[test]
    fn limits() {
        let deep = |depth: usize| EntryPath::new(vec!["d"; depth].join("/"));
        assert!(deep(MAX_DEPTH).is_ok());
        assert!(matches!(
            deep(MAX_DEPTH + 1),
            Err(PathError::TooDeep { .. })
        ));
        let long = |bytes: usize| {
            let path: String = "x"
                .repeat(199)
                .chars()
                .chain(['/'])
                .cycle()
                .take(bytes)
                .collect();
            EntryPath::new(path)
        };
        assert!(long(MAX_PATH_BYTES).is_ok());
        let bytes = MAX_PATH_BYTES + 1;
        assert_eq!(long(bytes), Err(PathError::TooLong { bytes }));
    }

    proptest! {
        #[test]
        fn order_is_that_of_components(a in "[a!.-]{1,3}(/[a!.-]{1,3}){0,2}", b in "[a!.-]{1,3}(/[a!.-]{1,3}){0,2}") {
            if let (Ok(a), Ok(b)) = (EntryPath::new(a), EntryPath::new(b)) {
                let plain = a.components().cmp(b.components());
                prop_assert_eq!(a.cmp(&b), plain);
            }
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            if let Ok(path) = EntryPath::new(text.clone()) {
                prop_assert_eq!(path.as_str(), text);
                prop_assert!(path.components().all(|name| check_name(name).is_ok()));
            }
        }
    }
}
