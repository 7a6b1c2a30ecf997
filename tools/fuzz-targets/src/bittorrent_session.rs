//! A connection to a peer of `BitTorrent` that says what it likes, whatever this side does meanwhile.

use std::time::Duration;

use potluck_bittorrent::session::{Claim, Event, MAX_OUTSTANDING, MAX_QUEUED_UPLOADS, Session};
use potluck_bittorrent::wire::extended::{Extended, ExtendedHandshake, Extension, MetadataMessage};
use potluck_bittorrent::wire::{
    self, BLOCK_BYTES, Bitfield, Block, Features, FrameReader, Geometry, HashRequest, Message,
    piece_head,
};
use potluck_content::PieceSet;

use crate::seeds::seed;
use crate::take::Take;

const PIECES: u32 = 10;
const PIECE_BYTES: u64 = 65_536;
/// Bytes between two doings of this side.
const TURN: usize = 24;

/// The first bytes say what both sides can do and whether the torrent is known; then come what this
/// side does, 6 bytes, and what the peer says, [`TURN`] bytes, in turns. Whatever that is, what is asked
/// and queued stays within its bounds, and what this side says can be read.
pub fn bittorrent_session(data: &[u8]) {
    let mut take = Take(data);
    let start = take.u8();
    let features = Features {
        extended: start & 1 != 0,
        fast: start & 2 != 0,
        dht: start & 4 != 0,
        v2: start & 8 != 0,
    };
    let bytes = (0..PIECES).map(bytes_of).sum();
    let geometry = Geometry::new(bytes, PIECE_BYTES);
    let Some(geometry) = geometry else { return };
    let known = (start & 16 != 0).then_some(geometry);
    let mut side = Side {
        session: Session::new(features, known),
        frames: FrameReader::new(known),
        geometry,
        is_known: known.is_some(),
        now: Duration::ZERO,
    };
    let have = PieceSet::full(PIECES);
    let have = known.map(|_| &have);
    side.session
        .greet(&ExtendedHandshake::taking(Extension::ALL), have);
    let mut unread = Vec::new();
    while !take.is_empty() {
        side.act(take.u8(), take.u8(), take.u32());
        let (said, rest) = take.0.split_at(TURN.min(take.0.len()));
        take.0 = rest;
        unread.extend_from_slice(said);
        if side.hear(&mut unread).is_none() {
            return;
        }
        side.check();
    }
}

/// The last piece is shorter.
fn bytes_of(piece: u32) -> u64 {
    if piece + 1 < PIECES {
        PIECE_BYTES
    } else {
        PIECE_BYTES - 100
    }
}

struct Side {
    session: Session,
    frames: FrameReader,
    geometry: Geometry,
    is_known: bool,
    now: Duration,
}

impl Side {
    /// What this side does.
    fn act(&mut self, what: u8, small: u8, number: u32) {
        let piece = u32::from(small) % PIECES;
        let session = &mut self.session;
        match what % 12 {
            0 => session.ask(number % 8, piece, bytes_of(piece)),
            1 => session.fill(&mut |_, block| block.begin != number),
            2 => session.cancel(number % 8),
            3 => session.piece_is_here(piece),
            4 => session.set_choking(number.is_multiple_of(2)),
            5 => session.set_interested(number.is_multiple_of(2)),
            6 => drop(session.next_upload()),
            7 => session.have(piece),
            8 => session.dont_have(piece),
            9 => {
                let request = MetadataMessage::Request { piece };
                session.send_extended(&Extended::Metadata(request));
            }
            10 if !self.is_known => {
                let known = session.know(self.geometry, &PieceSet::new(PIECES));
                self.is_known = known.is_ok();
                if self.is_known {
                    self.frames.set_geometry(self.geometry);
                }
            }
            _ => self.now += Duration::from_millis(number.into()),
        }
    }

    /// What the peer says. None when it did what no peer may.
    fn hear(&mut self, unread: &mut Vec<u8>) -> Option<()> {
        let mut at = 0;
        loop {
            let (used, event) = self.frames.next(unread.get(at..)?).ok()?;
            at += used;
            match event {
                wire::Event::Need(_) => break,
                wire::Event::Message(message) => {
                    let event = self.session.handle(message).ok()?;
                    if let Event::Claims(Claim::Piece(piece) | Claim::Gone(piece)) = event {
                        assert!(piece < PIECES);
                    }
                }
                wire::Event::Piece(block) => drop(self.session.block_begins(&block).ok()?),
                wire::Event::Data {
                    block,
                    offset,
                    data,
                } => {
                    if offset as usize + data.len() == block.length as usize {
                        let order = self.session.order_of(&block);
                        assert_eq!(self.session.block_came(self.now, &block), order);
                    }
                }
            }
        }
        unread.drain(..at);
        Some(())
    }

    fn check(&mut self) {
        let session = &mut self.session;
        assert!(session.outstanding() <= MAX_OUTSTANDING);
        assert!(session.uploads_waiting() <= MAX_QUEUED_UPLOADS as usize);
        assert!(!session.they_choke() || session.outstanding() == 0);
        assert!(!session.we_choke() || session.uploads_waiting() == 0);
        assert!(session.claims().is_none_or(|claims| claims.len() == PIECES));
        let output = session.take_output();
        let mut reader = FrameReader::new(self.is_known.then_some(self.geometry));
        let mut rest = &output[..];
        while !rest.is_empty() {
            let read = reader.next(rest);
            assert!(
                matches!(read, Ok((_, wire::Event::Message(_)))),
                "said what can't be read: {read:?}"
            );
            rest = read.map_or(rest, |(used, _)| &rest[used..]);
        }
    }
}

/// A connection that goes well, and others that do not.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    const ALL: u8 = 0b1_1111;
    let block = Block {
        piece: 1,
        begin: 0,
        length: BLOCK_BYTES,
    };
    let hashes = HashRequest {
        root: [7; 32],
        base_layer: 0,
        index: 0,
        length: 2,
        proof_layers: 1,
    };
    let said = |messages: &[Message<'_>]| {
        let mut bytes = Vec::new();
        for message in messages {
            assert_eq!(message.encode(&mut bytes), Ok(()));
        }
        bytes
    };
    let has_all = [Message::HaveAll, Message::Unchoke, Message::Interested];
    let asks = [
        Message::Bitfield(Bitfield::from_bytes(&[0xff, 0xc0])),
        Message::Interested,
        Message::Request(block),
        Message::Request(block),
        Message::Cancel(block),
    ];
    let refuses = [&has_all[..], &[Message::Reject(block), Message::Choke]].concat();
    let proves = [Message::HashRequest(hashes), Message::HashReject(hashes)];
    let early = [Message::Have(3), Message::HaveAll, Message::Have(99)];
    let mut block_comes = said(&has_all);
    block_comes.extend(piece_head(&block));
    block_comes.extend([7; 64]);
    let ask = [0, 1, 0, 0, 0, 0];
    let fill = [1, 0, 9, 9, 9, 9];
    let serve = [4, 0, 1, 0, 0, 0];
    let know = [10, 0, 0, 0, 0, 0];
    vec![
        seed("block", turns(ALL, &[ask, fill], &block_comes)),
        seed(
            "asks",
            turns(ALL, &[serve, [6, 0, 0, 0, 0, 0]], &said(&asks)),
        ),
        seed("refuses", turns(ALL, &[ask, fill, fill], &said(&refuses))),
        seed("hashes", turns(ALL, &[serve], &said(&proves))),
        seed("early", turns(0b1111, &[fill, know, ask], &said(&early))),
        seed("plain", turns(0b1_0000, &[ask, fill, serve], &said(&asks))),
    ]
}

/// An input: what this side does in turn, over and over, while the peer says all that it says.
fn turns(start: u8, doings: &[[u8; 6]], said: &[u8]) -> Vec<u8> {
    let mut bytes = vec![start];
    for (doing, said) in doings.iter().cycle().zip(said.chunks(TURN)) {
        bytes.extend_from_slice(doing);
        bytes.extend_from_slice(said);
    }
    bytes
}
