//! The secret of a connection, and what is made of it.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U192, U768};
use sha1::{Digest as _, Sha1};

use super::{HASH_BYTES, KEY_BYTES, Keystream, MseError, PRIVATE_BYTES};
use crate::InfoHashV1;

const PRIME: Odd<U768> = Odd::<U768>::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
));
const FIELD: FixedMontyParams<{ U768::LIMBS }> = FixedMontyParams::new_vartime(PRIME);
const GENERATOR: U768 = U768::from_u8(2);

/// The secret number of one side.
pub(super) struct PrivateKey(U192);

/// What both sides know and nobody else.
pub(super) struct Secret([u8; KEY_BYTES]);

impl PrivateKey {
    pub(super) fn new(bytes: &[u8; PRIVATE_BYTES]) -> Self {
        Self(U192::from_be_slice(bytes))
    }

    fn power(&self, base: &U768) -> [u8; KEY_BYTES] {
        let power = FixedMontyForm::new(base, &FIELD).pow(&self.0).retrieve();
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(power.to_be_bytes().as_ref());
        bytes
    }

    pub(super) fn public(&self) -> [u8; KEY_BYTES] {
        self.power(&GENERATOR)
    }

    pub(super) fn secret(&self, theirs: &[u8; KEY_BYTES]) -> Result<Secret, MseError> {
        let theirs = U768::from_be_slice(theirs);
        // The powers of 0, 1 and -1 are no secret.
        let last = PRIME.as_ref().wrapping_sub(&U768::ONE);
        if theirs <= U768::ONE || theirs >= last {
            return Err(MseError::PublicKey);
        }
        Ok(Secret(self.power(&theirs)))
    }
}

impl Secret {
    /// Where the padding of the side that connects ends.
    pub(super) fn marker(&self) -> [u8; HASH_BYTES] {
        hash(b"req1", &[&self.0])
    }

    /// Hides an obfuscated name from those without the secret, or shows it again.
    pub(super) fn mask(&self, name: &[u8; HASH_BYTES]) -> [u8; HASH_BYTES] {
        let mut masked = hash(b"req3", &[&self.0]);
        for (masked, name) in masked.iter_mut().zip(name) {
            *masked ^= name;
        }
        masked
    }

    /// The keystream of what the side that connected sends.
    pub(super) fn initiators(&self, torrent: &InfoHashV1) -> Result<Keystream, MseError> {
        Keystream::new(&hash(b"keyA", &[&self.0, torrent.as_bytes()]))
    }

    /// The keystream of what the other side sends.
    pub(super) fn responders(&self, torrent: &InfoHashV1) -> Result<Keystream, MseError> {
        Keystream::new(&hash(b"keyB", &[&self.0, torrent.as_bytes()]))
    }
}

/// What stands for a torrent in these handshakes: `HASH('req2', SKEY)`. Who has many torrents keeps
/// it for each, to find the one that is meant.
#[must_use]
pub fn obfuscated_name(torrent: &InfoHashV1) -> [u8; 20] {
    hash(b"req2", &[torrent.as_bytes()])
}

fn hash(purpose: &[u8; 4], parts: &[&[u8]]) -> [u8; HASH_BYTES] {
    let mut hasher = Sha1::new();
    hasher.update(purpose);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
