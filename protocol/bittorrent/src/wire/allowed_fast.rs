//! Pieces that a peer may ask for while it is choked (BEP 6).

use std::net::Ipv4Addr;

use sha1::{Digest as _, Sha1};

use crate::InfoHashV1;

/// How many pieces are usually allowed.
pub const ALLOWED_FAST: usize = 10;
/// Most pieces that [`allowed_fast`] gives.
pub const MAX_ALLOWED_FAST: usize = 64;

/// Hashes after which the set is left as it is. Each gives five pieces; the fullest set takes about
/// fifty.
const MAX_ROUNDS: usize = 1000;

/// The pieces that the peer at an address is allowed while it is choked, in the order in which they
/// are told. All nodes give the same peer the same ones, which is what keeps it from getting
/// everything that way.
///
/// `infohash` is the one of the handshake. BEP 6 says nothing of IPv6, so such peers get none. With no
/// more pieces than `count` it is all of them.
#[must_use]
pub fn allowed_fast(ip: Ipv4Addr, infohash: InfoHashV1, pieces: u32, count: usize) -> Vec<u32> {
    let count = count.min(MAX_ALLOWED_FAST);
    if u64::from(pieces) <= count as u64 {
        return (0..pieces).collect();
    }
    let [a, b, c, _] = ip.octets();
    // Neighbours share a set, so that more addresses don't bring more pieces.
    let mut hash = Sha1::new_with_prefix([a, b, c, 0]);
    hash.update(infohash.as_bytes());
    let mut seed: [u8; 20] = hash.finalize().into();
    let mut set = Vec::with_capacity(count);
    for _ in 0..MAX_ROUNDS {
        for number in seed.as_chunks::<4>().0 {
            let piece = u32::from_be_bytes(*number) % pieces;
            if set.len() < count && !set.contains(&piece) {
                set.push(piece);
            }
        }
        if set.len() == count {
            break;
        }
        seed = Sha1::digest(seed).into();
    }
    set
}
