//! The key that the members of a private network share.

use std::fmt::{self, Write};

use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const MAX_TEXT_BYTES: usize = 4096;
const TYPE_LINE: &str = "/key/swarm/psk/1.0.0/";
const ENCODING_LINE: &str = "/base16/";
const FINGERPRINT_CONTEXT: &str = "potluck 1 network key fingerprint";
const FINGERPRINT_BYTES: usize = 8;

/// A pre-shared key: nodes without it can't speak with the network. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why a text is not a network key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkKeyError {
    /// The first line is another one.
    #[error("a network key starts with the line {TYPE_LINE}")]
    Type,
    /// The second line is another one.
    #[error("the second line of a network key is {ENCODING_LINE}")]
    Encoding,
    /// The third line is not 64 hexadecimal digits.
    #[error("the third line of a network key is 64 hexadecimal digits")]
    Key,
    /// Something follows, or the text is far too long.
    #[error("a network key has three lines")]
    Trailing,
}

impl NetworkKey {
    /// The key with these random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; KEY_BYTES]) -> Self {
        let bytes = Zeroizing::new(seed);
        Self { bytes }
    }

    /// Reads the three-line text that IPFS programs keep in `swarm.key`.
    pub fn parse(text: &str) -> Result<Self, NetworkKeyError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(NetworkKeyError::Trailing);
        }
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some(TYPE_LINE) {
            return Err(NetworkKeyError::Type);
        }
        if lines.next() != Some(ENCODING_LINE) {
            return Err(NetworkKeyError::Encoding);
        }
        let bytes = decode_hex(lines.next().unwrap_or_default()).ok_or(NetworkKeyError::Key)?;
        if lines.any(|line| !line.is_empty()) {
            return Err(NetworkKeyError::Trailing);
        }
        Ok(Self { bytes })
    }

    /// The text that [`Self::parse`] reads, with a line end. Secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let hex = encode_hex(self.bytes.as_slice());
        Zeroizing::new(format!("{TYPE_LINE}\n{ENCODING_LINE}\n{}\n", *hex))
    }

    /// The key itself. Secret.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// A short public name by which people can tell that they hold the same key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let derived = blake3::derive_key(FINGERPRINT_CONTEXT, self.bytes.as_slice());
        encode_hex(&derived[..FINGERPRINT_BYTES]).to_string()
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey({})", self.fingerprint())
    }
}

fn encode_hex(bytes: &[u8]) -> Zeroizing<String> {
    // Reserved in full: growing would leave copies of a secret behind.
    let mut hex = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn decode_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_what_ipfs_writes() {
        let key = NetworkKey::from_seed([0x0f; 32]);
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "0f".repeat(32));
        assert_eq!(*key.to_text(), text);
        assert_eq!(NetworkKey::parse(text.trim_end()), Ok(key.clone()));
        assert_eq!(NetworkKey::parse(&text.replace('\n', "\r\n")), Ok(key));
    }

    #[test]
    fn says_what_is_wrong() {
        let parse = |text: &str| NetworkKey::parse(text).unwrap_err();
        assert_eq!(parse(""), NetworkKeyError::Type);
        assert_eq!(
            parse("/key/swarm/psk/1.0.0/\n/base64/\n"),
            NetworkKeyError::Encoding
        );
        let head = "/key/swarm/psk/1.0.0/\n/base16/\n";
        assert_eq!(parse(head), NetworkKeyError::Key);
        assert_eq!(
            parse(&format!("{head}{}", "x".repeat(64))),
            NetworkKeyError::Key
        );
        assert_eq!(
            parse(&format!("{head}{}", "é".repeat(32))),
            NetworkKeyError::Key
        );
        let more = format!("{head}{}\nmore", "0".repeat(64));
        assert_eq!(parse(&more), NetworkKeyError::Trailing);
        assert_eq!(parse(&" ".repeat(5000)), NetworkKeyError::Trailing);
    }

    #[test]
    fn fingerprint_tells_keys_apart_and_hides_them() {
        let key = NetworkKey::from_seed([7; 32]);
        assert_eq!(key.fingerprint().len(), 16);
        assert_ne!(
            key.fingerprint(),
            NetworkKey::from_seed([8; 32]).fingerprint()
        );
        assert_eq!(
            format!("{key:?}"),
            format!("NetworkKey({})", key.fingerprint())
        );
    }

    proptest! {
        #[test]
        fn round_trip(seed in any::<[u8; 32]>()) {
            let key = NetworkKey::from_seed(seed);
            prop_assert_eq!(NetworkKey::parse(&key.to_text()), Ok(key.clone()));
            prop_assert_eq!(key.bytes(), &seed);
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            let _ = NetworkKey::parse(&text);
        }
    }
}
