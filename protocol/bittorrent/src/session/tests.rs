use std::time::Duration;

use potluck_content::PieceSet;

use super::*;
use crate::wire::{Block, Event as FrameEvent, FrameReader, piece_head};

const FEATURES: Features = Features {
    extended: true,
    fast: true,
    dht: false,
    v2: false,
};

fn geometry() -> Geometry {
    Geometry::new(10 * 65_536 - 100, 65_536).unwrap()
}

fn session() -> Session {
    Session::new(FEATURES, Some(geometry()))
}

/// What a session has sent, as messages in words.
fn sent(session: &mut Session) -> Vec<String> {
    let bytes = session.take_output();
    let mut reader = FrameReader::new(Some(geometry()));
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let (used, event) = reader.next(&bytes[at..]).unwrap();
        at += used;
        match event {
            FrameEvent::Message(message) => found.push(format!("{message:?}")),
            other => panic!("{other:?}"),
        }
    }
    found
}

fn block(piece: u32, begin: u32) -> Block {
    Block {
        piece,
        begin,
        length: 16_384,
    }
}

#[test]
fn greets_with_what_it_has() {
    for (have, expected) in [
        (PieceSet::new(10), "HaveNone"),
        (PieceSet::full(10), "HaveAll"),
    ] {
        let mut session = session();
        session.greet(&ExtendedHandshake::default(), Some(&have));
        let messages = sent(&mut session);
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[1], expected);
    }
    let mut some = PieceSet::new(10);
    some.insert(3);
    let mut session = Session::new(Features::default(), Some(geometry()));
    session.greet(&ExtendedHandshake::default(), Some(&some));
    assert!(sent(&mut session)[0].starts_with("Bitfield"));
    let mut session = Session::new(Features::default(), None);
    session.greet(&ExtendedHandshake::default(), None);
    assert!(!session.has_output());
}

#[test]
fn nothing_is_asked_of_who_chokes() {
    let mut session = session();
    session.ask(1, 0, 65_536);
    session.fill(&mut |_, _| true);
    assert!(!session.has_output());
    assert_eq!(session.handle(Message::Unchoke).unwrap(), Event::Unchoked);
    assert_eq!(session.handle(Message::Unchoke).unwrap(), Event::Nothing);
    session.fill(&mut |_, _| true);
    assert_eq!(session.outstanding(), 4);
    assert_eq!(sent(&mut session).len(), 4);
    assert_eq!(session.handle(Message::Choke).unwrap(), Event::Choked);
    assert!(session.is_idle());
    // What was on the way is taken.
    assert!(session.block_begins(&block(0, 16_384)).unwrap());
    assert_eq!(session.block_came(Duration::ZERO, &block(0, 16_384)), None);
}

#[test]
fn blocks_that_are_here_are_not_asked_for_and_the_last_is_short() {
    let mut session = session();
    session.handle(Message::Unchoke).unwrap();
    session.ask(7, 9, 65_436);
    session.fill(&mut |_, block| block.begin != 16_384);
    let asked = sent(&mut session);
    assert_eq!(asked.len(), 3);
    assert!(
        asked[2].contains("begin: 49152, length: 16284"),
        "{asked:?}"
    );
    assert_eq!(
        session.block_came(Duration::ZERO, &block(9, 0)),
        Some(7),
        "the order that asked for it"
    );
    assert!(!session.is_order_done(7));
    session.piece_is_here(9);
    assert!(session.is_order_done(7) && session.is_idle());
    assert_eq!(sent(&mut session).len(), 2, "both others are cancelled");
}

#[test]
fn a_cancelled_order_leaves_the_others() {
    let mut session = session();
    session.handle(Message::Unchoke).unwrap();
    session.ask(1, 0, 65_536);
    session.ask(2, 1, 65_536);
    session.fill(&mut |_, _| true);
    session.cancel(1);
    assert!(session.is_order_done(1) && !session.is_order_done(2));
    assert_eq!(session.outstanding(), 4);
}

#[test]
fn the_depth_follows_the_rate_and_what_the_peer_takes() {
    let mut session = Session::new(FEATURES, Geometry::new(1 << 30, 1 << 20));
    session.handle(Message::Unchoke).unwrap();
    for piece in 0..1024 {
        session.ask(piece, piece, 1 << 20);
    }
    session.fill(&mut |_, _| true);
    assert_eq!(session.outstanding(), 16);
    let mut now = Duration::from_secs(1);
    // One block a millisecond: 16 MB/s, of which three seconds are more than the peer takes.
    for _ in 0..2000 {
        now += Duration::from_millis(1);
        let next = *session.requests.outstanding.keys().next().unwrap();
        session.block_came(now, &next);
        session.fill(&mut |_, _| true);
    }
    assert_eq!(session.outstanding(), 250);
    // One block in 200 ms: 15 blocks are three seconds.
    for _ in 0..400 {
        now += Duration::from_millis(200);
        let next = *session.requests.outstanding.keys().next().unwrap();
        session.block_came(now, &next);
        session.fill(&mut |_, _| true);
    }
    assert_eq!(session.outstanding(), 16);
}

#[test]
fn unrequested_blocks_end_the_connection() {
    let mut session = session();
    let mut refused = 0;
    while session.block_begins(&block(0, 0)) == Ok(false) {
        refused += 1;
        assert!(refused < 1000);
    }
    assert_eq!(refused, 64);
    assert_eq!(
        session.block_begins(&block(0, 0)),
        Err(Violation::Unrequested)
    );
}

#[test]
fn a_choked_peer_is_refused_and_an_unchoked_one_served_in_its_order() {
    let mut session = session();
    assert_eq!(
        session.handle(Message::Request(block(1, 0))).unwrap(),
        Event::Nothing
    );
    assert!(sent(&mut session)[0].starts_with("Reject"));
    session.set_choking(false);
    for begin in [0, 16_384, 32_768] {
        let event = session.handle(Message::Request(block(1, begin))).unwrap();
        assert_eq!(event, Event::Asked);
    }
    session.handle(Message::Cancel(block(1, 16_384))).unwrap();
    assert_eq!(session.next_upload(), Some(block(1, 0)));
    assert_eq!(sent(&mut session), ["Unchoke"]);
    session.set_choking(true);
    assert_eq!(sent(&mut session).len(), 2, "choke, and one refusal");
    assert_eq!(session.next_upload(), None);
    // Repeated requests and endless ones are bounded.
    session.set_choking(false);
    for n in 0..2000 {
        let piece = n % 10;
        let request = Block {
            piece,
            begin: n,
            length: 100,
        };
        session.handle(Message::Request(request)).unwrap();
        session.handle(Message::Request(request)).unwrap();
    }
    assert_eq!(session.uploads_waiting(), MAX_QUEUED_UPLOADS as usize);
}

#[test]
fn what_was_said_before_the_torrent_is_known_is_understood_later() {
    let mut bits = PieceSet::new(10);
    bits.insert(2);
    let bytes = Bitfield::bytes_of(&bits);
    let mut session = Session::new(FEATURES, None);
    let message = Message::Bitfield(Bitfield::from_bytes(&bytes));
    assert_eq!(session.handle(message).unwrap(), Event::Nothing);
    assert_eq!(session.handle(Message::Have(4)).unwrap(), Event::Nothing);
    session.know(geometry(), &PieceSet::new(10)).unwrap();
    let have: Vec<u32> = session.claims().unwrap().ranges().flatten().collect();
    assert_eq!(have, [2, 4]);
    assert_eq!(
        session.handle(Message::Have(5)).unwrap(),
        Event::Claims(Claim::Piece(5))
    );
    assert_eq!(session.handle(Message::Have(5)).unwrap(), Event::Nothing);
    // One that can't be.
    let mut session = Session::new(FEATURES, None);
    session.handle(Message::Have(10)).unwrap();
    assert!(session.know(geometry(), &PieceSet::new(10)).is_err());
}

#[test]
fn broken_extensions_are_forgiven_a_few_times() {
    let mut session = session();
    let broken = Message::Extended {
        id: 0,
        payload: b"x",
    };
    for _ in 0..16 {
        assert_eq!(session.handle(broken).unwrap(), Event::Nothing);
    }
    assert_eq!(session.handle(broken), Err(Violation::Broken));
    let mut plain = Session::new(Features::default(), Some(geometry()));
    assert_eq!(plain.handle(broken), Err(Violation::NotAgreed));
}

#[test]
fn extensions_are_sent_by_the_numbers_that_the_peer_gave() {
    let mut session = session();
    let request = Extended::Metadata(MetadataMessage::Request { piece: 0 });
    assert!(!session.send_extended(&request));
    let mut handshake = ExtendedHandshake::taking([Extension::Metadata]);
    handshake.messages.insert(Extension::Metadata, 77);
    let payload = handshake.encode();
    let message = Message::Extended {
        id: 0,
        payload: &payload,
    };
    assert!(matches!(
        session.handle(message).unwrap(),
        Event::Handshake(_)
    ));
    assert!(session.takes(Extension::Metadata) && !session.takes(Extension::Pex));
    assert!(session.send_extended(&request));
    let bytes = session.take_output();
    assert_eq!(bytes[4..6], [20, 77]);
}

#[test]
fn a_head_of_a_block_is_what_the_reader_sees() {
    let head = piece_head(&block(1, 0));
    let mut reader = FrameReader::new(Some(geometry()));
    let (_, event) = reader.next(&head).unwrap();
    assert_eq!(event, FrameEvent::Piece(block(1, 0)));
}

#[test]
fn a_part_of_a_piece_is_asked_for() {
    let mut session = session();
    session.handle(Message::Unchoke).unwrap();
    session.ask_part(5, 2, 16_384..40_000);
    let mut asked = Vec::new();
    session.fill(&mut |order, block| {
        assert_eq!(order, 5);
        asked.push((block.piece, block.begin, block.length));
        true
    });
    assert_eq!(asked, [(2, 16_384, 16_384), (2, 32_768, 7_232)]);
}

#[test]
fn answers_to_what_nobody_asked_end_the_connection() {
    let request = HashRequest {
        root: [7; 32],
        base_layer: 0,
        index: 0,
        length: 1,
        proof_layers: 0,
    };
    let mut with_v2 = Session::new(
        Features {
            v2: true,
            ..FEATURES
        },
        Some(geometry()),
    );
    for _ in 0..100 {
        with_v2.send(&Message::HashRequest(request));
    }
    // Each question is good for one answer.
    for _ in 0..100 + MAX_UNASKED {
        with_v2.handle(Message::HashReject(request)).unwrap();
    }
    let hashes = HashList::new(&[[7; 32]]);
    let last = with_v2.handle(Message::Hashes { request, hashes });
    assert_eq!(last, Err(Violation::Unasked));

    let mut session = session();
    let part = MetadataMessage::Data {
        piece: 0,
        total_bytes: 16_384,
        data: &[7; 16_384],
    };
    let (_, payload) = Extended::Metadata(part).encode().unwrap();
    let message = Message::Extended {
        id: Extension::Metadata.id(),
        payload: &payload,
    };
    for _ in 0..MAX_UNASKED {
        session.handle(message).unwrap();
    }
    assert_eq!(session.handle(message), Err(Violation::Unasked));
}
