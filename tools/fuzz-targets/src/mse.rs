//! Message stream encryption: handshakes of peers who cheat, and bytes that are none.

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::mse::{
    Initiator, Methods, MseError, Payload, RANDOM_BYTES, Responder, obfuscated_name,
};

use crate::seeds::seed;

const TORRENT: InfoHashV1 = InfoHashV1::from_bytes([7; 20]);
/// Bytes of a public key.
const KEY: usize = 96;
/// Where the paddings' lengths are among the random bytes: both of two bytes, ahead of the padding.
const LENGTHS: usize = RANDOM_BYTES - 512 - 4;

/// The bytes come from the other side, for either side of a handshake; and they are mixed into a good
/// handshake, behind the public keys. What is encrypted there is a stream, so that this changes each
/// field as it likes. The first byte says how what is sent is cut.
pub fn mse(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else {
        return;
    };
    let cut = usize::from(*cut) + 1;
    strangers(data, cut);
    let is_whole = data.iter().all(|byte| *byte == 0);
    let agreed = liars(data, cut);
    assert!(!is_whole || agreed, "a good handshake was refused");
}

fn random(key: u8) -> [u8; RANDOM_BYTES] {
    let mut random = [key; RANDOM_BYTES];
    random[LENGTHS..LENGTHS + 4].copy_from_slice(&[0, 2, 0, key]);
    random
}

fn find(name: &[u8; 20]) -> Option<InfoHashV1> {
    (*name == obfuscated_name(&TORRENT)).then_some(TORRENT)
}

fn begin(first: &mut Vec<u8>) -> Option<(Initiator, Responder)> {
    let initiator = Initiator::new(TORRENT, Methods::Both, &random(3), first).ok()?;
    Some((initiator, Responder::new(Methods::Both, &random(5)).ok()?))
}

fn strangers(data: &[u8], cut: usize) {
    let mut out = Vec::new();
    let Some((mut initiator, mut responder)) = begin(&mut out) else {
        return;
    };
    out.clear();
    let mut failed = false;
    for piece in data.chunks(cut) {
        let taken = responder.receive(piece, &mut out, &find);
        assert!(!failed || matches!(taken, Err(MseError::Over)));
        failed = taken.is_err();
        let taken = initiator.receive(piece, &mut out);
        assert!(!matches!(taken, Ok(Some(_))), "nobody knows the torrent");
    }
    assert!(out.len() < 2 * RANDOM_BYTES + 2 * KEY);
}

/// Whether both sides agree.
fn liars(data: &[u8], cut: usize) -> bool {
    let (mut first, mut answer) = (Vec::new(), Vec::new());
    let Some((mut initiator, mut responder)) = begin(&mut first) else {
        return false;
    };
    let mut lies = data.iter().copied();
    let mut lie = |bytes: &mut [u8]| {
        for (byte, lie) in bytes.iter_mut().zip(lies.by_ref()) {
            *byte ^= lie;
        }
    };
    if responder.receive(&first, &mut answer, &find).is_err() {
        return false;
    }
    let mut second = Vec::new();
    if initiator.receive(&answer, &mut second).is_err() {
        return false;
    }
    lie(&mut second);
    let (mut last, mut theirs) = (Vec::new(), None);
    for piece in second.chunks(cut) {
        match responder.receive(piece, &mut last, &find) {
            Ok(agreed) => theirs = theirs.or(agreed),
            Err(_) => return false,
        }
    }
    lie(&mut last);
    let mut ours = None;
    for piece in last.chunks(cut) {
        match initiator.receive(piece, &mut Vec::new()) {
            Ok(agreed) => ours = ours.or(agreed),
            Err(_) => return false,
        }
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return false;
    };
    assert_eq!(ours.torrent, theirs.torrent);
    assert!(theirs.early.len() < second.len());
    matches!(
        (ours.payload, theirs.payload),
        (Payload::Plain, Payload::Plain) | (Payload::Rc4(_), Payload::Rc4(_))
    ) || !data.is_empty()
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    // Of the third message: the marker and the name, the constant, the offer, the length of the
    // padding, 3 bytes of it, the length of what is sent along.
    const CONSTANT: usize = 40;
    const OFFER: usize = CONSTANT + 8;
    const PAD: usize = OFFER + 4;
    const ALONG: usize = PAD + 2 + 3;
    const ANSWER: usize = ALONG + 2;
    let lie = |cut: u8, at: usize, lie: &[u8]| {
        let mut bytes = vec![cut];
        bytes.resize(1 + at, 0);
        bytes.extend_from_slice(lie);
        bytes
    };
    vec![
        seed("good", lie(255, 0, b"")),
        seed("good-cut", lie(0, 0, b"")),
        seed("other-marker", lie(255, 0, &[1])),
        seed("other-torrent", lie(255, 20, &[1])),
        seed("other-constant", lie(255, CONSTANT, &[1])),
        seed("plain-only", lie(255, OFFER + 3, &[2])),
        seed("no-method", lie(255, OFFER + 3, &[3])),
        seed("long-padding", lie(255, PAD, &[0xff])),
        seed("less-padding", lie(3, PAD + 1, &[3])),
        seed("sent-along", lie(255, ALONG + 1, &[9])),
        seed("answer-constant", lie(255, ANSWER + 7, &[1])),
        seed("answer-plain", lie(7, ANSWER + 11, &[3])),
        seed("answer-padding", lie(255, ANSWER + 12, &[1])),
        seed("stranger", lie(99, 700, &[0x55; 100])),
    ]
}
