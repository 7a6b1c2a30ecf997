//! Both sides against each other, against sides that cheat, and against bytes that an implementation
//! of its own in another language gave.

use proptest::prelude::*;

use super::key::{PrivateKey, Secret};
use super::*;

const TORRENT: InfoHashV1 = InfoHashV1::from_bytes([7; 20]);
const OTHER: InfoHashV1 = InfoHashV1::from_bytes([8; 20]);

/// Random bytes with a private key of this byte and paddings of these lengths.
fn random(key: u8, pad: u16, zeros: u16) -> [u8; RANDOM_BYTES] {
    let mut random = [key; RANDOM_BYTES];
    random[PRIVATE_BYTES..PRIVATE_BYTES + 2].copy_from_slice(&pad.to_be_bytes());
    random[PRIVATE_BYTES + 2..PRIVATE_BYTES + 4].copy_from_slice(&zeros.to_be_bytes());
    random
}

fn find(name: &[u8; 20]) -> Option<InfoHashV1> {
    [OTHER, TORRENT]
        .into_iter()
        .find(|torrent| obfuscated_name(torrent) == *name)
}

/// What a side has come to.
type Outcome = Result<Option<Agreed>, MseError>;

/// Lets both sides talk until neither has more to say, in pieces of these lengths in turn.
fn talk(
    initiator: &mut Initiator,
    responder: &mut Responder,
    first: Vec<u8>,
    cuts: &[usize],
) -> (Outcome, Outcome) {
    let mut cuts = cuts.iter().copied().cycle();
    let mut to_responder = first;
    let (mut ours, mut theirs) = (None, None);
    loop {
        let mut to_initiator = Vec::new();
        let sent = std::mem::take(&mut to_responder);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let piece = rest.split_off(..rest.len().min(cuts.next().unwrap()));
            match responder.receive(piece.unwrap(), &mut to_initiator, &find) {
                Ok(agreed) => theirs = theirs.or(agreed),
                Err(error) => return (Ok(ours), Err(error)),
            }
        }
        let mut rest = &to_initiator[..];
        while !rest.is_empty() {
            let piece = rest.split_off(..rest.len().min(cuts.next().unwrap()));
            match initiator.receive(piece.unwrap(), &mut to_responder) {
                Ok(agreed) => ours = ours.or(agreed),
                Err(error) => return (Err(error), Ok(theirs)),
            }
        }
        if to_responder.is_empty() {
            return (Ok(ours), Ok(theirs));
        }
    }
}

fn meet(torrent: InfoHashV1, offer: Methods, allowed: Methods) -> (Outcome, Outcome) {
    let mut first = Vec::new();
    let mut initiator = Initiator::new(torrent, offer, &random(1, 3, 9), &mut first).unwrap();
    let mut responder = Responder::new(allowed, &random(2, 512, 512)).unwrap();
    talk(&mut initiator, &mut responder, first, &[100])
}

/// Whether the payload of both goes over the same keystreams, or is plain.
fn check(ours: Agreed, theirs: Agreed) -> bool {
    assert_eq!(ours.torrent, theirs.torrent);
    match (ours.payload, theirs.payload) {
        (Payload::Plain, Payload::Plain) => false,
        (Payload::Rc4(mut ours), Payload::Rc4(mut theirs)) => {
            let mut there = *b"there";
            ours.send.apply(&mut there);
            assert_ne!(&there, b"there");
            theirs.receive.apply(&mut there);
            let mut back = *b"back";
            theirs.send.apply(&mut back);
            ours.receive.apply(&mut back);
            assert_eq!((&there, &back), (b"there", b"back"));
            true
        }
        other => panic!("{other:?}"),
    }
}

/// A side that connects and says what it likes.
struct Liar {
    public: Vec<u8>,
    secret: Secret,
    send: Keystream,
}

impl Liar {
    /// One whose other side has begun with `responder` and been sent a public key.
    fn new(responder: &mut Responder) -> Self {
        let private = PrivateKey::new(&[5; PRIVATE_BYTES]);
        let mut out = Vec::new();
        let public = private.public().to_vec();
        let waits = responder.receive(&public, &mut out, &find).unwrap();
        assert!(waits.is_none());
        let secret = private.secret(out.first_chunk().unwrap()).unwrap();
        let send = secret.initiators(&TORRENT).unwrap();
        Self {
            public,
            secret,
            send,
        }
    }

    /// The rest of the handshake from after the padding, with a payload sent along.
    fn rest(&mut self, vc: u8, offer: u32, pad: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.secret.marker().to_vec();
        bytes.extend(self.secret.mask(&obfuscated_name(&TORRENT)));
        let mut closed = vec![0, 0, 0, 0, 0, 0, 0, vc];
        closed.extend(offer.to_be_bytes());
        closed.extend(pad.to_be_bytes());
        closed.extend(vec![0; usize::from(pad)]);
        closed.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        closed.extend(payload);
        self.send.apply(&mut closed);
        bytes.extend(closed);
        bytes
    }
}

fn responder() -> Responder {
    Responder::new(Methods::Both, &random(2, 0, 0)).unwrap()
}

#[test]
fn bytes_of_another_implementation() {
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    let mut initiator =
        Initiator::new(TORRENT, Methods::Both, &random(1, 0, 3), &mut sent).unwrap();
    let mut responder = Responder::new(Methods::Both, &random(2, 0, 5)).unwrap();
    let begun = responder.receive(&sent, &mut answered, &find).unwrap();
    assert!(begun.is_none());
    let mut second = Vec::new();
    assert!(initiator.receive(&answered, &mut second).unwrap().is_none());
    let mut last = Vec::new();
    let theirs = responder.receive(&second, &mut last, &find).unwrap();
    let ours = initiator.receive(&last, &mut Vec::new()).unwrap();
    sent.extend(second);
    answered.extend(last);
    let hash = |bytes: &[u8]| InfoHashV1::of(bytes).to_string();
    assert_eq!(hash(&sent), "20ea35bbfe451ddf30e5d8e4d15da8879c767a80");
    assert_eq!(hash(&answered), "a5f5b0cc906e69b37f276b185abc28f2b875c05a");
    let (Payload::Rc4(mut ours), Payload::Rc4(mut theirs)) =
        (ours.unwrap().payload, theirs.unwrap().payload)
    else {
        panic!("not encrypted");
    };
    let (mut hello, mut world) = (*b"hello", *b"world");
    ours.send.apply(&mut hello);
    theirs.send.apply(&mut world);
    assert_eq!(hello, [0x55, 0xc6, 0x03, 0x10, 0xc4]);
    assert_eq!(world, [0x58, 0xd4, 0x22, 0x40, 0x5e]);
}

#[test]
fn methods_in_common() {
    use Methods::{Both, Plain, Rc4};
    for (offer, allowed, encrypted) in [
        (Both, Both, true),
        (Both, Rc4, true),
        (Rc4, Both, true),
        (Rc4, Rc4, true),
        (Both, Plain, false),
        (Plain, Both, false),
        (Plain, Plain, false),
    ] {
        let (ours, theirs) = meet(TORRENT, offer, allowed);
        let found = check(ours.unwrap().unwrap(), theirs.unwrap().unwrap());
        assert_eq!(found, encrypted, "{offer:?} {allowed:?}");
    }
    for (offer, allowed) in [(Plain, Rc4), (Rc4, Plain)] {
        let (_, theirs) = meet(TORRENT, offer, allowed);
        assert_eq!(theirs.unwrap_err(), MseError::Methods(offer.bits()));
    }
}

#[test]
fn another_torrent() {
    let (ours, theirs) = meet(OTHER, Methods::Both, Methods::Both);
    assert_eq!(ours.unwrap().unwrap().torrent, OTHER);
    assert_eq!(theirs.unwrap().unwrap().torrent, OTHER);
    let unknown = InfoHashV1::from_bytes([9; 20]);
    let (_, theirs) = meet(unknown, Methods::Both, Methods::Both);
    assert_eq!(theirs.unwrap_err(), MseError::UnknownTorrent);
}

#[test]
fn who_answers_for_another_torrent_is_refused() {
    let mut first = Vec::new();
    let mut initiator =
        Initiator::new(TORRENT, Methods::Both, &random(1, 0, 0), &mut first).unwrap();
    let mut responder = Responder::new(Methods::Both, &random(2, 0, 512)).unwrap();
    let (mut answer, mut second, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let wrong = |_: &[u8; 20]| Some(OTHER);
    responder.receive(&first, &mut answer, &wrong).unwrap();
    initiator.receive(&answer, &mut second).unwrap();
    let refused = responder.receive(&second, &mut last, &wrong);
    assert_eq!(refused.unwrap_err(), MseError::WrongConstant);
    let refused = initiator.receive(&[0; MAX_PAD_BYTES + 8], &mut last);
    assert_eq!(refused.unwrap_err(), MseError::NoMarker);
    let over = initiator.receive(&[], &mut last);
    assert_eq!(over.unwrap_err(), MseError::Over);
}

#[test]
fn paddings_have_a_limit() {
    for (pad, expected) in [(512, None), (513, Some(MseError::NoMarker))] {
        let mut responder = responder();
        let mut liar = Liar::new(&mut responder);
        let mut bytes = vec![0xee; pad];
        bytes.extend(liar.rest(0, 3, 512, b""));
        let result = responder.receive(&bytes, &mut Vec::new(), &find);
        assert_eq!(result.err(), expected, "{pad}");
    }
    let mut responder = responder();
    let mut liar = Liar::new(&mut responder);
    let bytes = liar.rest(0, 3, 513, b"");
    let result = responder.receive(&bytes, &mut Vec::new(), &find);
    assert_eq!(result.unwrap_err(), MseError::PadTooLong(513));
}

#[test]
fn garbage_is_refused_by_its_length() {
    let garbage: Vec<u8> = (0..2000_u32).map(|at| (at * at % 251) as u8).collect();
    let mut responder = responder();
    let mut refused = None;
    for (at, byte) in garbage.iter().enumerate() {
        if let Err(error) = responder.receive(&[*byte], &mut Vec::new(), &find) {
            refused = Some((at + 1, error));
            break;
        }
    }
    let bytes = KEY_BYTES + MAX_PAD_BYTES + HASH_BYTES;
    assert_eq!(refused, Some((bytes, MseError::NoMarker)));

    let mut initiator =
        Initiator::new(TORRENT, Methods::Both, &random(1, 0, 0), &mut Vec::new()).unwrap();
    let result = initiator.receive(&garbage, &mut Vec::new());
    assert_eq!(result.unwrap_err(), MseError::NoMarker);
}

#[test]
fn public_keys_that_tell_the_secret() {
    let last = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
        020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
        4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090562";
    let last = data_encoding::HEXLOWER.decode(last.as_bytes()).unwrap();
    let mut one = [0; KEY_BYTES];
    one[KEY_BYTES - 1] = 1;
    for key in [&[0; KEY_BYTES][..], &one, &last, &[0xff; KEY_BYTES]] {
        let result = responder().receive(key, &mut Vec::new(), &find);
        assert_eq!(result.unwrap_err(), MseError::PublicKey);
    }
}

#[test]
fn a_payload_sent_along_is_handed_on() {
    for (offer, encrypted) in [(0x1002, true), (0x1001, false)] {
        let mut responder = responder();
        let mut liar = Liar::new(&mut responder);
        let mut bytes = liar.rest(0, offer, 0, b"handshake, ");
        let mut behind = *b"bitfield";
        if encrypted {
            liar.send.apply(&mut behind);
        }
        bytes.extend(behind);
        let agreed = responder.receive(&bytes, &mut Vec::new(), &find).unwrap();
        let agreed = agreed.unwrap();
        assert_eq!(agreed.early, b"handshake, bitfield");
        assert_eq!(matches!(agreed.payload, Payload::Rc4(_)), encrypted);
    }
}

#[test]
fn an_answer_ahead_of_the_payload_sent_along() {
    let mut responder = responder();
    let mut liar = Liar::new(&mut responder);
    let bytes = liar.rest(0, 2, 7, &[1; 5000]);
    let (head, tail) = bytes.split_at(bytes.len() - 1);
    let mut answer = Vec::new();
    let waits = responder.receive(head, &mut answer, &find).unwrap();
    assert!(waits.is_none());
    assert!(!answer.is_empty());
    let agreed = responder.receive(tail, &mut Vec::new(), &find).unwrap();
    assert_eq!(agreed.unwrap().early, [1; 5000]);
    let over = responder.receive(&[], &mut Vec::new(), &find);
    assert_eq!(over.unwrap_err(), MseError::Over);
}

#[test]
fn what_a_liar_says() {
    for (vc, offer, expected) in [
        (1, 3, MseError::WrongConstant),
        (0, 0, MseError::Methods(0)),
        (0, 4, MseError::Methods(4)),
    ] {
        let mut responder = responder();
        let mut liar = Liar::new(&mut responder);
        let bytes = liar.rest(vc, offer, 0, b"");
        let result = responder.receive(&bytes, &mut Vec::new(), &find);
        assert_eq!(result.unwrap_err(), expected);
        assert_eq!(liar.public.len(), KEY_BYTES);
    }
}

#[test]
fn what_may_be_selected() {
    let select = |offer: Methods, selected: u32, pad: u16| {
        let mut first = Vec::new();
        let mut initiator = Initiator::new(TORRENT, offer, &random(1, 0, 0), &mut first).unwrap();
        let private = PrivateKey::new(&[6; PRIVATE_BYTES]);
        let secret = private.secret(first.first_chunk().unwrap()).unwrap();
        let mut answer = VC.to_vec();
        answer.extend(selected.to_be_bytes());
        answer.extend(pad.to_be_bytes());
        answer.extend(vec![0; usize::from(pad)]);
        secret.responders(&TORRENT).unwrap().apply(&mut answer);
        let mut bytes = private.public().to_vec();
        bytes.extend(answer);
        initiator.receive(&bytes, &mut Vec::new())
    };
    assert!(select(Methods::Both, 1, 512).unwrap().is_some());
    assert!(select(Methods::Both, 2, 0).unwrap().is_some());
    for (offer, selected) in [
        (Methods::Both, 0),
        (Methods::Both, 3),
        (Methods::Both, 4),
        (Methods::Rc4, 1),
        (Methods::Plain, 2),
    ] {
        let refused = select(offer, selected, 0).unwrap_err();
        assert_eq!(refused, MseError::Methods(selected));
    }
    let refused = select(Methods::Both, 2, 513).unwrap_err();
    assert_eq!(refused, MseError::PadTooLong(513));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pads_cut_anywhere(
        ours in proptest::collection::vec(any::<u8>(), RANDOM_BYTES),
        theirs in proptest::collection::vec(any::<u8>(), RANDOM_BYTES),
        cuts in proptest::collection::vec(1..700_usize, 1..20),
        is_plain in any::<bool>(),
    ) {
        let allowed = if is_plain { Methods::Plain } else { Methods::Both };
        let mut first = Vec::new();
        let ours = ours.first_chunk().unwrap();
        let mut initiator = Initiator::new(TORRENT, Methods::Both, ours, &mut first).unwrap();
        let mut responder = Responder::new(allowed, theirs.first_chunk().unwrap()).unwrap();
        let (ours, theirs) = talk(&mut initiator, &mut responder, first, &cuts);
        let (ours, theirs) = (ours.unwrap().unwrap(), theirs.unwrap().unwrap());
        prop_assert!(ours.early.is_empty() && theirs.early.is_empty());
        prop_assert_eq!(check(ours, theirs), !is_plain);
    }

    #[test]
    fn any_bytes_are_judged(
        bytes in proptest::collection::vec(any::<u8>(), 0..900),
        cut in 1..900_usize,
    ) {
        let mut responder = responder();
        let mut out = Vec::new();
        let mut initiator =
            Initiator::new(TORRENT, Methods::Both, &random(1, 0, 0), &mut out).unwrap();
        for piece in bytes.chunks(cut) {
            let answered = responder.receive(piece, &mut out, &find);
            prop_assert!(!matches!(answered, Ok(Some(_))));
            let answered = initiator.receive(piece, &mut out);
            prop_assert!(!matches!(answered, Ok(Some(_))));
        }
    }
}
