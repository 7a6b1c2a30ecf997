//! One connection to a peer after its handshake: what both sides know of each other, whom to ask for
//! which blocks, and what to answer (BEP 3, 6, 10).
//!
//! A pure machine. Messages of the peer go into [`Session::handle`]; what is to be sent collects in
//! [`Session::take_output`]; the caller reads and writes the data of blocks itself and only tells of
//! them. Who is asked for which piece, and who may ask us, is decided elsewhere.

mod claims;
mod requests;
mod uploads;

use potluck_content::PieceSet;

use crate::wire::extended::{
    Extended, ExtendedHandshake, Extension, Holepunch, MetadataMessage, PeerExtensions, Pex,
};
use crate::wire::{Bitfield, Features, Geometry, HashList, HashRequest, Message, WireError};

pub use claims::Claim;
use claims::Claims;
pub use requests::MAX_OUTSTANDING;
use requests::Requests;
pub use uploads::MAX_QUEUED_UPLOADS;
use uploads::Uploads;

/// Messages of extensions that could not be read, before the peer is dropped.
const MAX_BROKEN: u32 = 16;

/// Answers to what was not asked, before the peer is dropped.
const MAX_UNASKED: u32 = 16;

/// A connection to a peer. See the module.
#[derive(Debug)]
pub struct Session {
    features: Features,
    geometry: Option<Geometry>,
    extensions: PeerExtensions,
    claims: Claims,
    they_choke: bool,
    they_are_interested: bool,
    we_choke: bool,
    we_are_interested: bool,
    requests: Requests,
    uploads: Uploads,
    broken: u32,
    /// Answers with parts of the info dictionary and with hashes that may still come.
    metadata_asked: u32,
    hashes_asked: u32,
    /// Such answers to no question.
    unasked: u32,
    output: Vec<u8>,
}

/// What a message of the peer means to the caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing to do.
    Nothing,
    /// The peer answers requests from now on.
    Unchoked,
    /// The peer answers no more. Nothing is asked of it now.
    Choked,
    /// Whether the peer wants anything of ours changed.
    Interested(bool),
    /// What the peer has changed.
    Claims(Claim),
    /// The peer asks for blocks: see [`Session::next_upload`].
    Asked,
    /// The peer won't give a block that it was asked for, for this order.
    Refused(u32),
    /// What the peer tells of itself.
    Handshake(Box<ExtendedHandshake>),
    /// Other peers.
    Pex(Pex),
    /// About two peers that are to be brought together.
    Holepunch(Holepunch),
    /// About the info dictionary.
    Metadata(MetadataMessage<'a>),
    /// The port of the peer's node of the DHT.
    DhtPort(u16),
    /// The peer asks for hashes of version 2.
    HashRequest(HashRequest),
    /// Hashes that were asked for.
    Hashes(HashRequest, HashList<'a>),
    /// The peer won't give hashes.
    HashReject(HashRequest),
}

/// What a peer did that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message that can't be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Blocks that nobody asked for, again and again.
    #[error("sent blocks that were not asked for")]
    Unrequested,
    /// Messages of extensions that can't be read, again and again.
    #[error("sent broken messages of extensions")]
    Broken,
    /// Parts of the info dictionary or hashes that nobody asked for, again and again.
    #[error("sent metadata or hashes that were not asked for")]
    Unasked,
    /// A message of an extension that was not agreed on.
    #[error("sent a message of an extension that was not agreed on")]
    NotAgreed,
}

impl Session {
    /// A connection on which both sides can do what `features` says, about a torrent that may not be
    /// known yet.
    #[must_use]
    pub fn new(features: Features, geometry: Option<Geometry>) -> Self {
        Self {
            features,
            geometry,
            extensions: PeerExtensions::default(),
            claims: Claims::new(geometry.as_ref().map(Geometry::pieces)),
            they_choke: true,
            they_are_interested: false,
            we_choke: true,
            we_are_interested: false,
            requests: Requests::default(),
            uploads: Uploads::default(),
            broken: 0,
            metadata_asked: 0,
            hashes_asked: 0,
            unasked: 0,
            output: Vec::new(),
        }
    }

    /// Says first what we take and have. `have` is none while the torrent is not known.
    pub fn greet(&mut self, handshake: &ExtendedHandshake, have: Option<&PieceSet>) {
        if self.features.extended {
            let payload = handshake.encode();
            self.send(&Message::Extended {
                id: 0,
                payload: &payload,
            });
        }
        let empty = have.is_none_or(PieceSet::is_empty);
        match have {
            Some(have) if have.is_full() && self.features.fast => self.send(&Message::HaveAll),
            Some(have) if !empty => {
                let bits = Bitfield::bytes_of(have);
                self.send(&Message::Bitfield(Bitfield::from_bytes(&bits)));
            }
            _ if self.features.fast => self.send(&Message::HaveNone),
            _ => {}
        }
    }

    /// Takes a message, which is never a block.
    ///
    /// # Errors
    ///
    /// What the peer did that no peer may do; the connection is to be closed.
    pub fn handle<'a>(&mut self, message: Message<'a>) -> Result<Event<'a>, Violation> {
        Ok(match message {
            Message::Choke => return Ok(self.choked()),
            Message::Unchoke => {
                let was = std::mem::replace(&mut self.they_choke, false);
                if was { Event::Unchoked } else { Event::Nothing }
            }
            Message::Interested => self.interested(true),
            Message::NotInterested => self.interested(false),
            Message::Have(piece) => self.claim(Claim::Piece(piece)),
            Message::Bitfield(bits) => match &self.geometry {
                Some(geometry) => {
                    let set = bits.to_set(geometry.pieces())?;
                    self.claim(Claim::Only(set))
                }
                None => {
                    self.claims.keep(bits);
                    Event::Nothing
                }
            },
            Message::HaveAll => self.claim(Claim::All),
            Message::HaveNone => self.claim(Claim::None),
            Message::Request(block) => self.asked(block),
            Message::Cancel(block) => {
                self.uploads.cancel(&block);
                Event::Nothing
            }
            Message::Reject(block) => match self.requests.refused(&block) {
                Some(order) => Event::Refused(order),
                None => Event::Nothing,
            },
            Message::Port(port) if self.features.dht => Event::DhtPort(port),
            Message::Extended { id, payload } => return self.extended(id, payload),
            Message::HashRequest(request) => Event::HashRequest(request),
            Message::Hashes { request, hashes } => {
                answered(&mut self.hashes_asked, &mut self.unasked)?;
                Event::Hashes(request, hashes)
            }
            Message::HashReject(request) => {
                answered(&mut self.hashes_asked, &mut self.unasked)?;
                Event::HashReject(request)
            }
            // Hints of which no use is made, and blocks, which come another way.
            Message::KeepAlive
            | Message::Suggest(_)
            | Message::AllowedFast(_)
            | Message::Port(_)
            | Message::Piece { .. }
            | Message::Unknown { .. } => Event::Nothing,
        })
    }

    fn extended<'a>(&mut self, id: u8, payload: &'a [u8]) -> Result<Event<'a>, Violation> {
        if !self.features.extended {
            return Err(Violation::NotAgreed);
        }
        let Ok(message) = Extended::decode(id, payload, self.geometry.as_ref()) else {
            self.broken += 1;
            return if self.broken > MAX_BROKEN {
                Err(Violation::Broken)
            } else {
                Ok(Event::Nothing)
            };
        };
        Ok(match message {
            Extended::Handshake(handshake) => {
                self.extensions.apply(&handshake);
                self.requests.peer_takes(handshake.max_requests);
                Event::Handshake(handshake)
            }
            Extended::Pex(pex) => Event::Pex(pex),
            Extended::Metadata(metadata) => {
                if let MetadataMessage::Data { .. } | MetadataMessage::Reject { .. } = metadata {
                    answered(&mut self.metadata_asked, &mut self.unasked)?;
                }
                Event::Metadata(metadata)
            }
            Extended::DontHave(piece) => self.claim(Claim::Gone(piece)),
            Extended::Holepunch(punch) => Event::Holepunch(punch),
            Extended::Unknown { .. } => Event::Nothing,
        })
    }

    fn choked<'a>(&mut self) -> Event<'a> {
        self.requests.drop_all();
        let was = std::mem::replace(&mut self.they_choke, true);
        if was { Event::Nothing } else { Event::Choked }
    }

    fn interested<'a>(&mut self, are: bool) -> Event<'a> {
        let were = std::mem::replace(&mut self.they_are_interested, are);
        if were == are {
            Event::Nothing
        } else {
            Event::Interested(are)
        }
    }

    fn claim<'a>(&mut self, claim: Claim) -> Event<'a> {
        if self.claims.apply(&claim) {
            Event::Claims(claim)
        } else {
            Event::Nothing
        }
    }

    /// Tells it the torrent, once that is known, and what of it is here.
    ///
    /// # Errors
    ///
    /// What the peer said that it has may not fit the torrent.
    pub fn know(&mut self, geometry: Geometry, have: &PieceSet) -> Result<(), Violation> {
        self.geometry = Some(geometry);
        self.claims.know(geometry.pieces())?;
        for piece in have.ranges().flatten() {
            self.send(&Message::Have(piece));
        }
        Ok(())
    }

    /// The pieces that the peer has. None while the torrent is not known.
    #[must_use]
    pub fn claims(&self) -> Option<&PieceSet> {
        self.claims.set()
    }

    /// Whether the peer answers no requests now.
    #[must_use]
    pub fn they_choke(&self) -> bool {
        self.they_choke
    }

    /// Whether the peer wants anything of ours.
    #[must_use]
    pub fn they_are_interested(&self) -> bool {
        self.they_are_interested
    }

    /// Whether we answer no requests of the peer now.
    #[must_use]
    pub fn we_choke(&self) -> bool {
        self.we_choke
    }

    /// Says whether we want anything of the peer's, when that changed.
    pub fn set_interested(&mut self, interested: bool) {
        if std::mem::replace(&mut self.we_are_interested, interested) != interested {
            self.send(if interested {
                &Message::Interested
            } else {
                &Message::NotInterested
            });
        }
    }

    /// Says that a piece came to be here.
    pub fn have(&mut self, piece: u32) {
        self.send(&Message::Have(piece));
    }

    /// Says that a piece is here no longer, as far as the peer understands that.
    pub fn dont_have(&mut self, piece: u32) {
        self.send_extended(&Extended::DontHave(piece));
    }

    /// Sends a message of an extension. False when the peer doesn't take it.
    pub fn send_extended(&mut self, message: &Extended<'_>) -> bool {
        let Some((extension, payload)) = message.encode() else {
            return false;
        };
        let id = match extension {
            None => Some(0),
            Some(extension) => self.extensions.id_of(extension),
        };
        let Some(id) = id.filter(|_| self.features.extended) else {
            return false;
        };
        if let Extended::Metadata(MetadataMessage::Request { .. }) = message {
            self.metadata_asked = self.metadata_asked.saturating_add(1);
        }
        self.send(&Message::Extended {
            id,
            payload: &payload,
        });
        true
    }

    /// Whether the peer takes messages of an extension.
    #[must_use]
    pub fn takes(&self, extension: Extension) -> bool {
        self.features.extended && self.extensions.id_of(extension).is_some()
    }

    /// What both sides can do.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Sends a message that needs no state.
    pub fn send(&mut self, message: &Message<'_>) {
        if let Message::HashRequest(_) = message {
            self.hashes_asked = self.hashes_asked.saturating_add(1);
        }
        // Ours are always sound; one that were not is left out.
        let _ = message.encode(&mut self.output);
    }

    /// The bytes to send, up to now.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether there is anything to send.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }
}

/// Counts an answer to a question of ours.
fn answered(asked: &mut u32, unasked: &mut u32) -> Result<(), Violation> {
    match asked.checked_sub(1) {
        Some(left) => *asked = left,
        None => *unasked += 1,
    }
    if *unasked > MAX_UNASKED {
        return Err(Violation::Unasked);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
