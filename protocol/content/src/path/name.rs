//! Single names.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Most bytes of a name.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// What stands in for a name of which nothing is usable.
const FALLBACK_NAME: &str = "shared";

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name is empty")]
    Empty,
    /// `.` or `..`.
    #[error("'.' and '..' are not names")]
    Dots,
    /// More bytes than [`MAX_COMPONENT_BYTES`].
    #[error("a name of {bytes} bytes is longer than {MAX_COMPONENT_BYTES}")]
    TooLong {
        /// Bytes of the name.
        bytes: usize,
    },
    /// A separator, or a character that means a drive or a stream somewhere.
    #[error("a name has the character {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
    /// A control character, or one that changes how the text around it is shown.
    #[error("a name has the control character {character:?}")]
    Control {
        /// The first such character.
        character: char,
    },
    /// A dot or space at the end, which Windows drops.
    #[error("a name ends with a dot or a space")]
    Trailing,
    /// A device name of Windows.
    #[error("a name is reserved on Windows")]
    Reserved,
}

/// Whether a name may stand in a manifest or a link.
pub fn check_name(name: &str) -> Result<(), NameError> {
    match name {
        "" => return Err(NameError::Empty),
        "." | ".." => return Err(NameError::Dots),
        _ => {}
    }
    let bytes = name.len();
    if bytes > MAX_COMPONENT_BYTES {
        return Err(NameError::TooLong { bytes });
    }
    for character in name.chars() {
        if is_separator(character) {
            return Err(NameError::Character { character });
        }
        if is_control(character) {
            return Err(NameError::Control { character });
        }
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameError::Trailing);
    }
    if is_reserved(name) {
        return Err(NameError::Reserved);
    }
    Ok(())
}

/// Separates components on Unix or Windows, or means a drive or an alternate stream on Windows.
fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\' | ':')
}

/// Control characters, line separators, and the marks that reorder the text around them: with those,
/// a program can be shown with the name of a picture.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Device names of Windows: whatever the case, and whatever follows the first dot.
fn is_reserved(name: &str) -> bool {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    if DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let mut characters = stem.chars();
    let port: String = characters.by_ref().take(3).collect();
    let numbered = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
    let is_port = port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT");
    is_port && characters.next().is_some_and(numbered) && characters.next().is_none()
}

/// What names that some file system takes for the same have in common: case and composition gone.
#[must_use]
pub fn fold_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // Folding a composed text can miss marks that fold too, and leaves some texts half composed.
    name.nfd().default_case_fold().nfc().collect()
}

/// The name nearest to `name` that [`check_name`] takes.
#[must_use]
pub fn safe_name(name: &str) -> String {
    let replaced = name.chars().map(|c| {
        if is_separator(c) || is_control(c) {
            '_'
        } else {
            c
        }
    });
    let mut safe: String = replaced.collect();
    if is_reserved(&safe) {
        safe.insert(0, '_');
    }
    while safe.len() > MAX_COMPONENT_BYTES {
        safe.pop();
    }
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    if check_name(&safe).is_ok() {
        safe
    } else {
        FALLBACK_NAME.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_people_use() {
        let names = [
            "a",
            ".hidden",
            "...a",
            "what is love?.mp3",
            "caf\u{e9}",
            "日本語.txt",
            "a b",
            " a",
            "-rf",
            "~",
            "it's",
            "a*b",
            "<b>",
            "CONSOLE",
            "COM",
            "COM10",
            "COMX",
            "nul-l",
            "LPT",
            "🎉",
            "a\u{200d}b",
        ];
        for name in names {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        assert_eq!(check_name(&"x".repeat(255)), Ok(()));
    }

    #[test]
    fn refuses_what_is_dangerous() {
        let refused = |names: &[&str], error: fn(&NameError) -> bool| {
            for name in names {
                assert!(check_name(name).is_err_and(|e| error(&e)), "{name:?}");
            }
        };
        refused(&[""], |e| *e == NameError::Empty);
        refused(&[".", ".."], |e| *e == NameError::Dots);
        refused(&["a/b", "a\\b", "a:b", "C:"], |e| {
            matches!(e, NameError::Character { .. })
        });
        let controls = [
            "a\0",
            "\n",
            "a\u{1b}[31m",
            "\u{7f}",
            "\u{85}",
            "gpj.\u{202e}exe",
            "\u{2066}",
        ];
        refused(&controls, |e| matches!(e, NameError::Control { .. }));
        refused(&["a.", "a ", "...", " "], |e| *e == NameError::Trailing);
        let devices = [
            "con",
            "Nul.txt",
            "AUX.tar.gz",
            "com1",
            "LPT9.x",
            "com\u{b9}",
            "COM0",
            "prn .txt",
            "conin$",
        ];
        refused(&devices, |e| *e == NameError::Reserved);
        let long = "é".repeat(128);
        assert_eq!(check_name(&long), Err(NameError::TooLong { bytes: 256 }));
    }

    #[test]
    fn folds_case_and_composition() {
        let same = [
            ("README", "readme"),
            ("Caf\u{e9}", "cafe\u{301}"),
            ("STRASSE", "straße"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("\u{212b}", "\u{e5}"),
            ("\u{1fb3}", "\u{3b1}\u{345}"),
        ];
        for (a, b) in same {
            assert_eq!(fold_name(a), fold_name(b), "{a} {b}");
        }
        assert_ne!(fold_name("a"), fold_name("b"));
    }

    #[test]
    fn safe_names_stay_near() {
        let pairs = [
            ("plain.txt", "plain.txt"),
            ("12:30:00.log", "12_30_00.log"),
            ("../../etc", ".._.._etc"),
            ("nul.txt", "_nul.txt"),
            ("end. .", "end"),
            ("..", "shared"),
            ("", "shared"),
        ];
        for (name, safe) in pairs {
            assert_eq!(safe_name(name), safe);
        }
    }

    proptest! {
        #[test]
        fn safe_names_are_safe(name in any::<String>(), long in "[a. ]{250,260}") {
            prop_assert_eq!(check_name(&safe_name(&name)), Ok(()));
            prop_assert_eq!(check_name(&safe_name(&long)), Ok(()));
            if check_name(&name).is_ok() {
                prop_assert_eq!(safe_name(&name), name);
            }
        }

        #[test]
        fn folding_settles(name in any::<String>()) {
            let folded = fold_name(&name);
            prop_assert_eq!(&fold_name(&folded), &folded);
            prop_assert_eq!(&fold_name(&name.nfd().collect::<String>()), &folded);
            prop_assert_eq!(fold_name(&name.nfc().collect::<String>()), folded);
        }
    }
}
