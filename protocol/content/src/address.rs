//! Addresses: what kind of thing, and its hash, written as a CID.

use std::fmt;
use std::str::FromStr;

use cid::{Cid, Version, multibase};
use multihash::Multihash;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Hash;

const RAW_CODEC: u64 = 0x55;
const DAG_CBOR_CODEC: u64 = 0x71;
const BLAKE3_CODE: u64 = 0x1e;
const SHA2_256_CODE: u64 = 0x12;
/// A CID of ours has 59 characters in base32 and 289 in base2, the longest spelling.
const MAX_TEXT_BYTES: usize = 512;

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Plain bytes: a file.
    Blob,
    /// A manifest that names blobs.
    Folder,
}

/// The name of a blob or folder: kind and BLAKE3 hash, written as a `CIDv1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What the address leads to.
    pub kind: Kind,
    /// The hash of the blob, or of the folder's manifest.
    pub hash: Hash,
}

/// Why something is not an address of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a CID at all.
    #[error("not a content address")]
    Syntax,
    /// A CID, but not of BLAKE3.
    #[error("not a BLAKE3 address (its hash has code {code:#x})")]
    NotBlake3 {
        /// The multihash code that was found.
        code: u64,
    },
    /// BLAKE3, but cut or extended.
    #[error("a BLAKE3 address has a 32-byte hash, not {found}")]
    DigestLength {
        /// The length that was found.
        found: u8,
    },
    /// BLAKE3, but of something else than a file or a folder.
    #[error("a BLAKE3 address of unsupported content (codec {codec:#x})")]
    UnsupportedCodec {
        /// The codec that was found.
        codec: u64,
    },
}

impl Kind {
    /// The multicodec of the kind in a CID.
    const fn codec(self) -> u64 {
        match self {
            Self::Blob => RAW_CODEC,
            Self::Folder => DAG_CBOR_CODEC,
        }
    }
}

impl Address {
    /// The address of a blob.
    #[must_use]
    pub const fn blob(hash: Hash) -> Self {
        let kind = Kind::Blob;
        Self { kind, hash }
    }

    /// The address of a folder whose manifest has this hash.
    #[must_use]
    pub const fn folder(hash: Hash) -> Self {
        let kind = Kind::Folder;
        Self { kind, hash }
    }

    /// The address as a CID.
    #[must_use]
    pub fn cid(&self) -> Cid {
        Cid::new_v1(self.kind.codec(), self.multihash())
    }

    /// Reads a CID as an address.
    pub fn from_cid(cid: &Cid) -> Result<Self, AddressError> {
        let hash = cid.hash();
        if hash.code() != BLAKE3_CODE {
            return Err(AddressError::NotBlake3 { code: hash.code() });
        }
        let digest = hash.digest().try_into();
        let digest: [u8; 32] =
            digest.map_err(|_| AddressError::DigestLength { found: hash.size() })?;
        let kind = match cid.codec() {
            RAW_CODEC => Kind::Blob,
            DAG_CBOR_CODEC => Kind::Folder,
            codec => return Err(AddressError::UnsupportedCodec { codec }),
        };
        let hash = Hash::from_bytes(digest);
        Ok(Self { kind, hash })
    }

    /// The bytes of the CID.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.cid().to_bytes()
    }

    /// Reads the bytes of a CID as an address.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(AddressError::Syntax);
        }
        let cid = Cid::try_from(bytes).map_err(|_| AddressError::Syntax)?;
        let address = Self::from_cid(&cid)?;
        // One address has one spelling in bytes: nothing may trail, no number may be padded.
        if address.to_bytes() == bytes {
            Ok(address)
        } else {
            Err(AddressError::Syntax)
        }
    }

    /// The bytes of the multihash: the key under which providers are found. It is the same for a blob
    /// and a folder with that hash, as in other networks that speak of multihashes.
    #[must_use]
    pub fn multihash_bytes(&self) -> Vec<u8> {
        self.multihash().to_bytes()
    }

    #[expect(
        clippy::expect_used,
        reason = "32 bytes always fit in a 64-byte multihash"
    )]
    fn multihash(&self) -> Multihash<64> {
        Multihash::wrap(BLAKE3_CODE, self.hash.as_bytes()).expect("32 bytes fit in 64")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cid().fmt(f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_TEXT_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AddressError::Syntax);
        }
        if Version::is_v0_str(text) {
            return Err(AddressError::NotBlake3 {
                code: SHA2_256_CODE,
            });
        }
        let (_, bytes) = multibase::decode(text).map_err(|_| AddressError::Syntax)?;
        Self::from_bytes(&bytes)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(AddressVisitor)
        } else {
            deserializer.deserialize_bytes(AddressVisitor)
        }
    }
}

struct AddressVisitor;

impl Visitor<'_> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a BLAKE3 CID")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Address, E> {
        Address::from_bytes(bytes).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts() {
        let blob = Address::blob(Hash::of(b""));
        assert_eq!(
            blob.to_string(),
            "bafkr4ifpcne3t5pzugtkaqcn5i3nzskjtpfslsnnyejlpte2spfoihzsmi"
        );
        let folder = Address::folder(Hash::of(b""));
        assert!(folder.to_string().starts_with("bafyr4i"));
    }

    #[test]
    fn round_trips() {
        for kind in [Kind::Blob, Kind::Folder] {
            let hash = Hash::of(b"potluck");
            let address = Address { kind, hash };
            assert_eq!(address.to_string().parse(), Ok(address));
            assert_eq!(Address::from_bytes(&address.to_bytes()), Ok(address));
            assert_eq!(Address::from_cid(&address.cid()), Ok(address));
            let base58 = multibase::encode(multibase::Base::Base58Btc, address.to_bytes());
            assert_eq!(base58.parse(), Ok(address));
            let bytes = serde_ipld_dagcbor::to_vec(&address).unwrap();
            assert_eq!(bytes.len(), 38);
            let back: Address = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
            assert_eq!(back, address);
        }
    }

    #[test]
    fn multihash_has_no_kind() {
        let hash = Hash::of(b"x");
        let bytes = Address::blob(hash).multihash_bytes();
        assert_eq!(bytes, Address::folder(hash).multihash_bytes());
        assert_eq!(bytes[..2], [0x1e, 0x20]);
        assert_eq!(bytes[2..], *hash.as_bytes());
    }

    #[test]
    fn refuses_other_cids() {
        let parse = |text: &str| text.parse::<Address>().unwrap_err();
        let v0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
        assert_eq!(parse(v0), AddressError::NotBlake3 { code: 0x12 });
        let sha2 = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        assert_eq!(parse(sha2), AddressError::NotBlake3 { code: 0x12 });
        for text in ["", "b", "hello", "/ipfs/b", "bafkr4", "ba\u{301}", "\0abc"] {
            assert_eq!(parse(text), AddressError::Syntax, "{text:?}");
        }
    }

    #[test]
    fn refuses_other_bytes() {
        let good = Address::blob(Hash::of(b"x")).to_bytes();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Address::from_bytes(&bytes)
        };
        assert_eq!(
            with(1, 0x70),
            Err(AddressError::UnsupportedCodec { codec: 0x70 })
        );
        assert_eq!(with(2, 0x12), Err(AddressError::NotBlake3 { code: 0x12 }));
        assert_eq!(with(3, 31), Err(AddressError::DigestLength { found: 31 }));
        assert_eq!(Address::from_bytes(&good[..35]), Err(AddressError::Syntax));
        let longer = [&good[..], &[0]].concat();
        assert_eq!(Address::from_bytes(&longer), Err(AddressError::Syntax));
        // The codec as a padded varint.
        let padded = [&[1, 0xd5, 0x00], &good[2..]].concat();
        assert_eq!(Address::from_bytes(&padded), Err(AddressError::Syntax));
    }
}
