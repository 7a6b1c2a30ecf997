//! The key that makes a node who it is.

use std::fmt;

use libp2p_identity::{KeyType, Keypair, PeerId};
use zeroize::Zeroizing;

/// An Ed25519 secret is 68 bytes as libp2p writes it; nothing near this can be one.
const MAX_ENCODED_BYTES: usize = 1024;

/// A node's own Ed25519 key pair.
#[derive(Clone)]
pub struct NodeKey {
    keypair: Keypair,
}

/// Why bytes are not a node's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodeKeyError {
    /// Not a key in libp2p's encoding.
    #[error("not a node key")]
    Malformed,
    /// A key, but of another type.
    #[error("a node key must be Ed25519")]
    NotEd25519,
}

impl NodeKey {
    /// The key that grows from these random bytes. The copy of the seed in here is wiped.
    #[must_use]
    #[expect(clippy::expect_used, reason = "every 32 bytes are an Ed25519 seed")]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let keypair = Keypair::ed25519_from_bytes(*seed).expect("32 bytes are an Ed25519 seed");
        Self { keypair }
    }

    /// Reads a key in libp2p's protobuf encoding, as other libp2p programs write it too.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NodeKeyError> {
        if bytes.len() > MAX_ENCODED_BYTES {
            return Err(NodeKeyError::Malformed);
        }
        let keypair =
            Keypair::from_protobuf_encoding(bytes).map_err(|_| NodeKeyError::Malformed)?;
        match keypair.key_type() {
            KeyType::Ed25519 => Ok(Self { keypair }),
            _ => Err(NodeKeyError::NotEd25519),
        }
    }

    /// The key in libp2p's protobuf encoding. Secret: keep it in a file that only its owner reads.
    #[must_use]
    #[expect(clippy::expect_used, reason = "an Ed25519 key always has an encoding")]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bytes = self.keypair.to_protobuf_encoding();
        Zeroizing::new(bytes.expect("an Ed25519 key has an encoding"))
    }

    /// The public name of the node.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// The key pair as libp2p takes it.
    #[must_use]
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.peer_id())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seed_has_one_name() {
        let key = NodeKey::from_seed([1; 32]);
        let name = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
        assert_eq!(key.peer_id().to_string(), name);
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", NodeKey::from_seed([0xab; 32]));
        assert!(text.starts_with("NodeKey(12D3KooW"), "{text}");
    }

    #[test]
    fn refuses_garbage() {
        for bytes in [&b""[..], b"\x08\x01", &[0; 68], &[0; 2000]] {
            assert!(NodeKey::from_bytes(bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn bytes_round_trip(seed in any::<[u8; 32]>()) {
            let key = NodeKey::from_seed(seed);
            let back = NodeKey::from_bytes(&key.to_bytes()).unwrap();
            prop_assert_eq!(back.peer_id(), key.peer_id());
            prop_assert_eq!(back.to_bytes(), key.to_bytes());
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = NodeKey::from_bytes(&bytes);
        }
    }
}
