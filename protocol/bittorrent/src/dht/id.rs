//! Names of nodes, which are places in the same space as infohashes.

use std::fmt;
use std::net::IpAddr;

use crate::InfoHashV1;

/// Where a node is in the space of infohashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

impl NodeId {
    /// The name of a node with an address, which leaves it little choice (BEP 42). `random` is the choice.
    #[must_use]
    pub fn for_address(ip: IpAddr, random: [u8; 20]) -> Self {
        let mut id = random;
        let choice = id[19] & 7;
        let (mut bytes, mask) = match ip {
            IpAddr::V4(ip) => (ip.octets().to_vec(), &[0x03, 0x0f, 0x3f, 0xff][..]),
            IpAddr::V6(ip) => (
                ip.octets()[..8].to_vec(),
                &[0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff][..],
            ),
        };
        for (byte, mask) in bytes.iter_mut().zip(mask) {
            *byte &= mask;
        }
        bytes[0] |= choice << 5;
        let [a, b, c, _] = crc32c(&bytes).to_be_bytes();
        (id[0], id[1]) = (a, b);
        id[2] = (c & 0xf8) | (id[2] & 7);
        Self(id)
    }

    /// How far two places are from each other.
    #[must_use]
    pub fn distance(&self, other: &Self) -> [u8; 20] {
        let mut distance = [0; 20];
        for (index, byte) in distance.iter_mut().enumerate() {
            *byte = self.0[index] ^ other.0[index];
        }
        distance
    }

    /// How many bits are the same before the first that is not: 160 for the same place.
    #[must_use]
    pub fn common_bits(&self, other: &Self) -> usize {
        let mut bits = 0;
        for byte in self.distance(other) {
            bits += byte.leading_zeros() as usize;
            if byte != 0 {
                break;
            }
        }
        bits
    }
}

impl From<InfoHashV1> for NodeId {
    fn from(hash: InfoHashV1) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

/// CRC-32C (RFC 3720), bit by bit: it is needed once for a start.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc >>= 1;
            if low == 1 {
                crc ^= 0x82f6_3b78;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of BEP 42.
    #[test]
    fn names_by_address() {
        for (ip, choice, start) in [
            ("124.31.75.21", 1, [0x5f, 0xbf, 0xbf]),
            ("21.75.31.124", 86, [0x5a, 0x3c, 0xe9]),
            ("65.23.51.170", 22, [0xa5, 0xd4, 0x32]),
            ("84.124.73.14", 65, [0x1b, 0x03, 0x21]),
            ("43.213.53.83", 90, [0xe5, 0x6f, 0x6c]),
        ] {
            let mut random = [0; 20];
            random[19] = choice;
            let id = NodeId::for_address(ip.parse().unwrap(), random);
            assert_eq!(id.0[..2], start[..2], "{ip}");
            assert_eq!(id.0[2] & 0xf8, start[2] & 0xf8, "{ip}");
            assert_eq!(id.0[19], choice);
        }
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        let id = NodeId::for_address(one, [7; 20]);
        // The same network has the same choices.
        assert_eq!(id, NodeId::for_address(other, [7; 20]));
        assert_ne!(
            id,
            NodeId::for_address("2001:db9::1".parse().unwrap(), [7; 20])
        );
    }

    #[test]
    fn places_and_distances() {
        let mut other = NodeId([0; 20]);
        assert_eq!(other.common_bits(&NodeId([0; 20])), 160);
        other.0[2] = 0x10;
        assert_eq!(other.common_bits(&NodeId([0; 20])), 19);
        assert_eq!(other.distance(&NodeId([0; 20])), other.0);
    }
}
