//! The secret part of a link.

use std::fmt;
use std::str::FromStr;

const MAX_KEY_BYTES: usize = 256;

/// The part of a link after `#`: letters, digits, `-` and `_`. Whoever has it can read the content.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey(String);

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkKeyError {
    /// Nothing, or far too much.
    #[error("a key has 1 to {MAX_KEY_BYTES} characters")]
    Length,
    /// Another character than those of a key.
    #[error("a key has letters, digits, '-' and '_' only")]
    Character,
}

impl LinkKey {
    /// The secret text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkKey {
    type Err = LinkKeyError;

    fn from_str(text: &str) -> Result<Self, LinkKeyError> {
        if text.is_empty() || text.len() > MAX_KEY_BYTES {
            return Err(LinkKeyError::Length);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.bytes().all(allowed) {
            return Err(LinkKeyError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(secret)")
    }
}
