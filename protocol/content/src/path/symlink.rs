//! Targets of symbolic links.

use super::{EntryPath, MAX_PATH_BYTES, NameError, check_name};

/// Why a symbolic link is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No target.
    #[error("the link has no target")]
    Empty,
    /// More bytes than a path has.
    #[error("the link's target of {bytes} bytes is longer than {MAX_PATH_BYTES}")]
    TooLong {
        /// Bytes of the target.
        bytes: usize,
    },
    /// The target starts at the root of the file system.
    #[error("the link's target {target:?} is absolute")]
    Absolute {
        /// The target.
        target: String,
    },
    /// The target is above the folder.
    #[error("the link's target {target:?} is outside the folder")]
    Outside {
        /// The target.
        target: String,
    },
    /// `..` after a name. Where that leads depends on whether the name is itself a link.
    #[error("the link's target {target:?} has '..' after a name")]
    Backtrack {
        /// The target.
        target: String,
    },
    /// A component is refused.
    #[error("the link's target {target:?} is refused: {reason}")]
    Name {
        /// The target.
        target: String,
        /// What is wrong with one of its components.
        reason: NameError,
    },
}

/// Whether a symbolic link at `path` may have this target: relative, inside the folder, and written
/// as steps up first, then names.
///
/// A link's own directory is never reached through another link (nothing may be below one), so steps
/// up from it are plain. A name on the way down may be a link, whose target is inside by this rule
/// too. So no chain of links leads out, whatever the links are.
pub fn check_symlink_target(path: &EntryPath, target: &str) -> Result<(), TargetError> {
    if target.is_empty() {
        return Err(TargetError::Empty);
    }
    if target.len() > MAX_PATH_BYTES {
        let bytes = target.len();
        return Err(TargetError::TooLong { bytes });
    }
    let owned = || target.to_owned();
    if target.starts_with('/') {
        return Err(TargetError::Absolute { target: owned() });
    }
    let up = target.split('/').take_while(|step| *step == "..").count();
    if up > path.depth() - 1 {
        return Err(TargetError::Outside { target: owned() });
    }
    for name in target.split('/').skip(up) {
        if name == ".." {
            return Err(TargetError::Backtrack { target: owned() });
        }
        check_name(name).map_err(|reason| TargetError::Name {
            target: owned(),
            reason,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, target: &str) -> Result<(), TargetError> {
        check_symlink_target(&EntryPath::new(path).unwrap(), target)
    }

    #[test]
    fn takes_targets_inside() {
        for target in ["b", "b/c", "..", "../b", "../../a", "../.."] {
            assert_eq!(check("x/y/link", target), Ok(()), "{target:?}");
        }
        assert_eq!(check("link", "gone"), Ok(()));
    }

    #[test]
    fn refuses_targets_that_may_lead_out() {
        assert_eq!(check("link", ""), Err(TargetError::Empty));
        assert!(matches!(
            check("link", "/etc"),
            Err(TargetError::Absolute { .. })
        ));
        assert!(matches!(
            check("link", ".."),
            Err(TargetError::Outside { .. })
        ));
        assert!(matches!(
            check("a/link", "../.."),
            Err(TargetError::Outside { .. })
        ));
        assert!(matches!(
            check("a/link", "b/../../.."),
            Err(TargetError::Backtrack { .. })
        ));
        for target in ["a//b", "a/", "./a", "C:\\x", "a\0", "con"] {
            assert!(
                matches!(check("link", target), Err(TargetError::Name { .. })),
                "{target:?}"
            );
        }
        let bytes = MAX_PATH_BYTES + 1;
        assert_eq!(
            check("link", &"a".repeat(bytes)),
            Err(TargetError::TooLong { bytes })
        );
    }
}
