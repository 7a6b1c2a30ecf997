//! Message stream encryption: how peers hide from networks that slow `BitTorrent` down that they
//! speak it.
//!
//! Two peers agree on a secret with Diffie-Hellman, mix it with the infohash that both know, and then
//! speak plainly or through RC4. Every byte of this handshake looks random. It hides a connection from
//! those who watch; it proves nothing about the peer and is not secure against those who interfere.
//!
//! [`Initiator`] and [`Responder`] are the two sides: bytes of the other side go in, bytes for it come
//! out, and at the end [`Agreed`] has what both settled on. In the terms of the specification:
//!
//! ```text
//! A → B: Ya, PadA
//! B → A: Yb, PadB
//! A → B: HASH('req1', S), HASH('req2', SKEY) xor HASH('req3', S),
//!        RC4(VC, crypto_provide, len(PadC), PadC, len(IA)), RC4(IA)
//! B → A: RC4(VC, crypto_select, len(PadD), PadD), payload
//! A → B: payload
//! ```
//!
//! Source: the "Message Stream Encryption" page of the Vuze wiki (there is no BEP), and libtorrent 2.1
//! where it is silent.

mod initiator;
mod input;
mod key;
mod keystream;
mod responder;

pub use initiator::Initiator;
pub use key::obfuscated_name;
pub use keystream::{Keystream, Keystreams};
pub use responder::Responder;

use crate::InfoHashV1;

/// Bytes of the longest padding.
pub const MAX_PAD_BYTES: usize = 512;
/// Random bytes that each side of a handshake takes: for its private key, the lengths of its two
/// paddings and the first of them. The second is encrypted and so of zeros.
pub const RANDOM_BYTES: usize = PRIVATE_BYTES + 2 * LENGTH_BYTES + MAX_PAD_BYTES;

/// Bytes of a private key. The specification asks for 16 at least and 20 at best; more costs more.
const PRIVATE_BYTES: usize = 24;
/// Bytes of a public key and of the secret.
const KEY_BYTES: usize = 96;
/// Bytes of a SHA-1.
const HASH_BYTES: usize = 20;
/// Bytes of a length.
const LENGTH_BYTES: usize = 2;
/// The verification constant, which shows where the padding ends.
const VC: [u8; 8] = [0; 8];
/// The bit of `crypto_provide` and `crypto_select` for plain payload.
const PLAIN_BIT: u32 = 1;
/// The bit for RC4.
const RC4_BIT: u32 = 2;

/// How the payload behind the handshake may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// Plain only.
    Plain,
    /// Encrypted only.
    Rc4,
    /// Either; who answers takes encrypted.
    Both,
}

/// How the payload is sent.
#[derive(Debug)]
pub enum Payload {
    /// As it is.
    Plain,
    /// Encrypted in each direction.
    Rc4(Box<Keystreams>),
}

/// What both sides have settled on.
#[derive(Debug)]
pub struct Agreed {
    /// The torrent, as the side that connected named it.
    pub torrent: InfoHashV1,
    /// How the payload is sent.
    pub payload: Payload,
    /// The first bytes of the other side's payload, no longer encrypted: what was received behind
    /// the handshake, or with it.
    pub early: Vec<u8>,
}

/// Why there is no agreement. After any of them the connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// A public key from which everybody could tell the secret, or that is out of range.
    #[error("a public key that nobody can have")]
    PublicKey,
    /// The padding doesn't end, or the other side has another secret: it knows another infohash, or
    /// doesn't speak this protocol.
    #[error("nothing known within {MAX_PAD_BYTES} bytes of padding")]
    NoMarker,
    /// The torrent is not one of those that are here.
    #[error("a torrent that is not here")]
    UnknownTorrent,
    /// The other side has no part of this secret.
    #[error("the verification constant is wrong")]
    WrongConstant,
    /// The other side can't, or doesn't, send its payload in a way that is allowed.
    #[error("no method of encryption in common (bits {0:#x})")]
    Methods(u32),
    /// Padding longer than any may be.
    #[error("padding of {0} bytes, more than the limit of {MAX_PAD_BYTES}")]
    PadTooLong(u16),
    /// The cipher takes no key of this length: there is no such case.
    #[error("RC4 refuses the key")]
    Cipher,
    /// The handshake has ended before, in an agreement or an error.
    #[error("the handshake is over")]
    Over,
}

impl Methods {
    fn bits(self) -> u32 {
        match self {
            Self::Plain => PLAIN_BIT,
            Self::Rc4 => RC4_BIT,
            Self::Both => PLAIN_BIT | RC4_BIT,
        }
    }
}

/// What a stage of a handshake comes to with the bytes at hand.
enum Step<S> {
    /// It is done: on to the next.
    Next(S),
    /// It needs more bytes.
    Wait(S),
    /// The handshake is done.
    Done(Agreed),
}

/// What a side sends by chance.
struct Chance<'a> {
    private: &'a [u8; PRIVATE_BYTES],
    /// The padding behind the public key.
    pad: &'a [u8],
    /// Bytes of the encrypted padding.
    zeros: u16,
}

impl<'a> Chance<'a> {
    fn new(random: &'a [u8; RANDOM_BYTES]) -> Result<Self, MseError> {
        let (private, rest) = random.split_first_chunk().ok_or(MseError::Cipher)?;
        let (lengths, pad) = rest.split_at(2 * LENGTH_BYTES);
        let length = |at: usize| {
            let number = u16::from_be_bytes([lengths[at], lengths[at + 1]]);
            number % (MAX_PAD + 1)
        };
        Ok(Self {
            private,
            pad: &pad[..usize::from(length(0))],
            zeros: length(LENGTH_BYTES),
        })
    }
}

/// [`MAX_PAD_BYTES`], as the lengths of the handshake are written.
const MAX_PAD: u16 = 512;
const _: () = assert!(MAX_PAD as usize == MAX_PAD_BYTES);

/// Checks the length of an encrypted padding.
fn pad_bytes(length: [u8; LENGTH_BYTES]) -> Result<usize, MseError> {
    let length = u16::from_be_bytes(length);
    if length > MAX_PAD {
        return Err(MseError::PadTooLong(length));
    }
    Ok(usize::from(length))
}

#[cfg(test)]
mod tests;
