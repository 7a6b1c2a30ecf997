//! RC4 as this protocol uses it.

use std::fmt;

use rc4::{KeyInit, Rc4, StreamCipher};

use super::{HASH_BYTES, MseError};

/// The first bytes of RC4 tell something of the key, and so are thrown away.
const DISCARDED_BYTES: usize = 1024;

/// The bytes that one direction of a connection is mixed with.
pub struct Keystream(Rc4);

/// The keystreams of both directions of a connection.
#[derive(Debug)]
pub struct Keystreams {
    /// For what we send.
    pub send: Keystream,
    /// For what we receive.
    pub receive: Keystream,
}

impl Keystream {
    pub(super) fn new(key: &[u8; HASH_BYTES]) -> Result<Self, MseError> {
        let rc4 = Rc4::new_from_slice(key).map_err(|_| MseError::Cipher)?;
        let mut keystream = Self(rc4);
        keystream.write(&mut [0; DISCARDED_BYTES]);
        Ok(keystream)
    }

    /// Encrypts or decrypts the next bytes of the direction, in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }

    /// Fills `bytes` with the next bytes of the keystream, for who mixes them in later.
    pub fn write(&mut self, bytes: &mut [u8]) {
        self.0.write_keystream(bytes);
    }
}

impl fmt::Debug for Keystream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keystream")
    }
}
