//! Encrypts what is sent without keeping any of it.

use std::io::{self, IoSlice};
use std::task::Poll;

use potluck_bittorrent::mse::Keystream;

/// Most bytes that are encrypted and sent at once: those of a block.
const CHUNK: usize = 16 * 1024;

/// The next bytes of a keystream, ahead of what they will be mixed with.
///
/// A cipher can't go back, and a connection takes as many bytes as it likes. So the keystream is made
/// ahead, mixed with the bytes to send, and unmixed again from those that were not taken. Then a write
/// is as one without encryption: nothing waits for a flush, and a caller may change its mind.
pub(super) struct Mixer {
    ahead: Box<[u8; CHUNK]>,
    /// Where the bytes that were not used begin.
    start: usize,
}

impl Mixer {
    pub(super) fn new() -> Self {
        Self {
            ahead: Box::new([0; CHUNK]),
            start: CHUNK,
        }
    }

    /// Sends the first bytes of the slices through `send`, and returns how many it took.
    pub(super) fn poll_send(
        &mut self,
        slices: &[IoSlice<'_>],
        keystream: &mut Keystream,
        send: impl FnOnce(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.start == CHUNK {
            keystream.write(&mut self.ahead[..]);
            self.start = 0;
        }
        let count = mix(&mut self.ahead[self.start..], slices, 0);
        let mixed = &mut self.ahead[self.start..][..count];
        let sent = send(mixed);
        let taken = match &sent {
            Poll::Ready(Ok(taken)) => (*taken).min(count),
            _ => 0,
        };
        mix(&mut mixed[taken..], slices, taken);
        self.start += taken;
        sent
    }
}

/// Mixes bytes with those of the slices behind the first `skip`, and returns how many.
fn mix(bytes: &mut [u8], slices: &[IoSlice<'_>], mut skip: usize) -> usize {
    let mut count = 0;
    for slice in slices {
        let skipped = skip.min(slice.len());
        skip -= skipped;
        let rest = &mut bytes[count..];
        if rest.is_empty() {
            break;
        }
        for (byte, other) in rest.iter_mut().zip(&slice[skipped..]) {
            *byte ^= other;
        }
        count += rest.len().min(slice.len() - skipped);
    }
    count
}

impl std::fmt::Debug for Mixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mixer")
    }
}

#[cfg(test)]
mod tests {
    use potluck_bittorrent::InfoHashV1;
    use potluck_bittorrent::mse::{
        Initiator, Keystreams, Methods, Payload, RANDOM_BYTES, Responder, obfuscated_name,
    };

    use super::*;

    /// The keystreams of two sides of one connection.
    fn pair() -> (Keystreams, Keystreams) {
        let torrent = InfoHashV1::from_bytes([7; 20]);
        let find = |name: &[u8; 20]| (*name == obfuscated_name(&torrent)).then_some(torrent);
        let (mut to, mut back) = (Vec::new(), Vec::new());
        let random = [1; RANDOM_BYTES];
        let mut initiator = Initiator::new(torrent, Methods::Rc4, &random, &mut to).unwrap();
        let mut responder = Responder::new(Methods::Rc4, &[2; RANDOM_BYTES]).unwrap();
        responder.receive(&to, &mut back, &find).unwrap();
        to.clear();
        initiator.receive(&back, &mut to).unwrap();
        back.clear();
        let theirs = responder.receive(&to, &mut back, &find).unwrap();
        let ours = initiator.receive(&back, &mut to).unwrap();
        let (Payload::Rc4(ours), Payload::Rc4(theirs)) =
            (ours.unwrap().payload, theirs.unwrap().payload)
        else {
            panic!("not encrypted");
        };
        (*ours, *theirs)
    }

    #[test]
    fn what_is_not_taken_is_encrypted_again() {
        let (mut ours, mut theirs) = pair();
        let mut mixer = Mixer::new();
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let mut sent = Vec::new();
        let mut written = 0;
        // The carrier takes nothing, fails, and takes parts, over and over.
        for turn in 0_usize.. {
            let rest = &bytes[written..];
            if rest.is_empty() {
                break;
            }
            // Other bytes than were offered last, which a caller may.
            let (one, two) = rest.split_at(rest.len().min(turn * 37 % 5000));
            let slices = [IoSlice::new(one), IoSlice::new(&[]), IoSlice::new(two)];
            let result = mixer.poll_send(&slices, &mut ours.send, |mixed| match turn % 3 {
                0 => Poll::Pending,
                1 => Poll::Ready(Err(io::ErrorKind::Interrupted.into())),
                _ => {
                    let taken = mixed.len().min(1 + turn * 511 % 9000);
                    sent.extend_from_slice(&mixed[..taken]);
                    Poll::Ready(Ok(taken))
                }
            });
            if let Poll::Ready(Ok(taken)) = result {
                written += taken;
            }
        }
        assert_ne!(sent, bytes);
        theirs.receive.apply(&mut sent);
        assert_eq!(sent, bytes);
    }
}
