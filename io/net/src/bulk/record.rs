//! TLS 1.3 records, sealed and opened where they lie (RFC 8446, section 5).
//!
//! rustls makes the handshake and derives the keys. Its own record layer copies what it sends and
//! allocates for each record; on a bulk lane, that costs as much as the encryption itself.

use std::sync::{Arc, Mutex, PoisonError};

use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::{
    ConnectionTrafficSecrets, client::ClientConnectionData, kernel::KernelConnection,
    server::ServerConnectionData,
};

/// Bytes of a record's header: outer type, version, length.
pub(super) const HEADER_BYTES: usize = 5;
/// Most bytes of content in a record. It is also the size of a group, the unit of verification.
pub(super) const MAX_CONTENT_BYTES: usize = 16 * 1024;
/// Bytes that a record has besides its content: header, inner type, tag.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + 1 + TAG_BYTES;
/// Most bytes after a record's header (RFC 8446, section 5.2).
const MAX_BODY_BYTES: usize = MAX_CONTENT_BYTES + 256;
const TAG_BYTES: usize = 16;

const LEGACY_VERSION: [u8; 2] = [3, 3];
const TYPE_ALERT: u8 = 21;
const TYPE_HANDSHAKE: u8 = 22;
const TYPE_APPLICATION_DATA: u8 = 23;
/// `close_notify`, at the level "warning".
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
/// A `KeyUpdate` that asks for none in return (RFC 8446, section 4.6.3).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// Records after which a sender takes new keys. AES-GCM is good for 2^24.5 full records
/// (RFC 8446, section 5.5).
const RECORDS_PER_KEY: u64 = 1 << 24;

/// The other side does not speak TLS as it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// A length that no record has.
    #[error("a TLS record of {0} bytes")]
    Length(usize),
    /// A record that is not application data, after the handshake.
    #[error("a TLS record of type {0} after the handshake")]
    Type(u8),
    /// A tag that does not match, or the keys cannot be used.
    #[error("a TLS record that cannot be decrypted")]
    Decrypt,
    /// Something that cannot be encrypted.
    #[error("a TLS record that cannot be encrypted")]
    Encrypt,
    /// The other side reports an error.
    #[error("the peer sent the TLS alert {0}")]
    Alert(u8),
    /// A message of the handshake that this node does not take after its end.
    #[error("an unexpected TLS handshake message")]
    Handshake,
}

impl From<RecordError> for std::io::Error {
    fn from(error: RecordError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Derives the keys that follow those in use, in either direction.
#[derive(Clone)]
pub(super) struct KeySchedule(Arc<Mutex<Side>>);

/// Which side of the handshake this node was.
pub(super) enum Side {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

impl KeySchedule {
    pub(super) fn new(side: Side) -> Self {
        Self(Arc::new(Mutex::new(side)))
    }

    fn next(&self, sending: bool) -> Result<(u64, ConnectionTrafficSecrets), rustls::Error> {
        let mut side = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *side, sending) {
            (Side::Client(keys), true) => keys.update_tx_secret(),
            (Side::Client(keys), false) => keys.update_rx_secret(),
            (Side::Server(keys), true) => keys.update_tx_secret(),
            (Side::Server(keys), false) => keys.update_rx_secret(),
        }
    }
}

/// One direction's key, with the number of its next record.
struct Cipher {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Cipher {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return None,
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).ok()?;
        Some(Self {
            key: LessSafeKey::new(key),
            iv: iv.as_ref().try_into().ok()?,
            sequence,
        })
    }

    /// Each number is used once, so that no nonce repeats under a key.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Makes a record out of its frame: header, content, and room for type and tag.
    fn seal(&mut self, content_type: u8, frame: &mut [u8]) -> Result<(), RecordError> {
        let body = frame.len().saturating_sub(HEADER_BYTES);
        if body <= TAG_BYTES || body > MAX_CONTENT_BYTES + 1 + TAG_BYTES {
            return Err(RecordError::Encrypt);
        }
        let (header, body) = frame.split_at_mut(HEADER_BYTES);
        let length = u16::try_from(body.len()).map_err(|_| RecordError::Encrypt)?;
        header[0] = TYPE_APPLICATION_DATA;
        header[1..3].copy_from_slice(&LEGACY_VERSION);
        header[3..].copy_from_slice(&length.to_be_bytes());
        let (inner, tag) = body.split_at_mut(body.len() - TAG_BYTES);
        if let Some(last) = inner.last_mut() {
            *last = content_type;
        }
        let nonce = self.nonce();
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), inner)
            .map_err(|_| RecordError::Encrypt)?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(())
    }

    /// Decrypts a whole record in place; gives the type and length of its content.
    fn open(&mut self, record: &mut [u8]) -> Result<(u8, usize), RecordError> {
        let Some((header, body)) = record.split_at_mut_checked(HEADER_BYTES) else {
            return Err(RecordError::Length(record.len()));
        };
        let nonce = self.nonce();
        let inner = self
            .key
            .open_in_place(nonce, Aad::from(&*header), body)
            .map_err(|_| RecordError::Decrypt)?;
        // The content ends with its type, which zeros may follow.
        let Some(at) = inner.iter().rposition(|byte| *byte != 0) else {
            return Err(RecordError::Decrypt);
        };
        if at > MAX_CONTENT_BYTES {
            return Err(RecordError::Length(at));
        }
        Ok((inner[at], at))
    }
}

/// Encrypts the records of one direction.
pub(super) struct Sealer {
    cipher: Cipher,
    schedule: KeySchedule,
}

impl Sealer {
    pub(super) fn new(
        secrets: (u64, ConnectionTrafficSecrets),
        schedule: KeySchedule,
    ) -> Option<Self> {
        let cipher = Cipher::new(secrets)?;
        Some(Self { cipher, schedule })
    }

    /// Makes a record of application data out of its frame: header, content, and room for the rest.
    pub(super) fn seal(&mut self, frame: &mut [u8]) -> Result<(), RecordError> {
        self.cipher.seal(TYPE_APPLICATION_DATA, frame)
    }

    /// The record that says that nothing more comes.
    pub(super) fn close_notify(&mut self) -> Result<Vec<u8>, RecordError> {
        self.message(TYPE_ALERT, &CLOSE_NOTIFY)
    }

    /// Takes new keys when those in use have seen enough; the record tells the other side.
    pub(super) fn renew(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        if self.cipher.sequence < RECORDS_PER_KEY {
            return Ok(None);
        }
        self.update().map(Some)
    }

    pub(super) fn update(&mut self) -> Result<Vec<u8>, RecordError> {
        let told = self.message(TYPE_HANDSHAKE, &KEY_UPDATE)?;
        let next = self.schedule.next(true).map_err(|_| RecordError::Encrypt)?;
        self.cipher = Cipher::new(next).ok_or(RecordError::Encrypt)?;
        Ok(told)
    }

    fn message(&mut self, content_type: u8, content: &[u8]) -> Result<Vec<u8>, RecordError> {
        let mut frame = vec![0; content.len() + OVERHEAD_BYTES];
        frame[HEADER_BYTES..HEADER_BYTES + content.len()].copy_from_slice(content);
        self.cipher.seal(content_type, &mut frame)?;
        Ok(frame)
    }
}

/// What a record turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// So many bytes of content, right after the header.
    Content(usize),
    /// Nothing for the one who reads.
    Control,
    /// Nothing more comes.
    End,
}

/// Decrypts the records of one direction.
pub(super) struct Opener {
    cipher: Cipher,
    schedule: KeySchedule,
}

impl Opener {
    pub(super) fn new(
        secrets: (u64, ConnectionTrafficSecrets),
        schedule: KeySchedule,
    ) -> Option<Self> {
        let cipher = Cipher::new(secrets)?;
        Some(Self { cipher, schedule })
    }

    /// Decrypts a whole record, header included, in place.
    pub(super) fn open(&mut self, record: &mut [u8]) -> Result<Opened, RecordError> {
        let (content_type, length) = self.cipher.open(record)?;
        let content = &record[HEADER_BYTES..HEADER_BYTES + length];
        match (content_type, content) {
            (TYPE_APPLICATION_DATA, _) => Ok(Opened::Content(length)),
            (TYPE_ALERT, [_, 0]) => Ok(Opened::End),
            (TYPE_ALERT, [_, alert]) => Err(RecordError::Alert(*alert)),
            (TYPE_HANDSHAKE, message) if *message == KEY_UPDATE => {
                let next = self
                    .schedule
                    .next(false)
                    .map_err(|_| RecordError::Decrypt)?;
                self.cipher = Cipher::new(next).ok_or(RecordError::Decrypt)?;
                Ok(Opened::Control)
            }
            (TYPE_HANDSHAKE, _) => Err(RecordError::Handshake),
            (other, _) => Err(RecordError::Type(other)),
        }
    }
}

/// The length of the record that begins with these bytes, header included; `None` when there are
/// too few to tell.
pub(super) fn record_len(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    if header[0] != TYPE_APPLICATION_DATA {
        return Err(RecordError::Type(header[0]));
    }
    body_len(*header).map(|body| Some(HEADER_BYTES + body))
}

/// The bytes that follow a record's header.
pub(super) fn body_len(header: [u8; HEADER_BYTES]) -> Result<usize, RecordError> {
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    if length == 0 || length > MAX_BODY_BYTES {
        return Err(RecordError::Length(length));
    }
    Ok(length)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
