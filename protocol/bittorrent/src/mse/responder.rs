//! The side that somebody connects to.

use super::input::Input;
use super::key::{PrivateKey, Secret};
use super::{
    Agreed, Chance, HASH_BYTES, KEY_BYTES, Keystreams, LENGTH_BYTES, Methods, MseError, PLAIN_BIT,
    Payload, RANDOM_BYTES, RC4_BIT, Step, VC, pad_bytes,
};
use crate::InfoHashV1;

/// The handshake of the side that somebody connects to.
pub struct Responder {
    allowed: Methods,
    private: PrivateKey,
    /// What goes out behind their public key: ours and the padding.
    first: Vec<u8>,
    zeros: u16,
    input: Input,
    stage: Stage,
}

enum Stage {
    /// Their public key.
    Key,
    /// The end of their padding.
    Marker(Secret),
    /// The name of the torrent.
    Torrent(Secret),
    /// What they offer.
    Offer(Session),
    /// Their encrypted padding.
    Pad {
        session: Session,
        selected: u32,
        bytes: usize,
    },
    /// The payload that they send along.
    Payload {
        session: Session,
        selected: u32,
        bytes: usize,
    },
    Over,
}

struct Session {
    torrent: InfoHashV1,
    keystreams: Box<Keystreams>,
}

impl Responder {
    /// Begins to answer a handshake. There is nothing to send until the other side has.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn new(allowed: Methods, random: &[u8; RANDOM_BYTES]) -> Result<Self, MseError> {
        let chance = Chance::new(random)?;
        Ok(Self {
            allowed,
            private: PrivateKey::new(chance.private),
            first: chance.pad.to_vec(),
            zeros: chance.zeros,
            input: Input::default(),
            stage: Stage::Key,
        })
    }

    /// Takes what the other side sent, cut anywhere, and appends to `out` what is to be sent now.
    /// `find` tells which torrent has this [`obfuscated_name`](super::obfuscated_name), if any here
    /// does. Returns the agreement once there is one. Keeps a copy of what it can't use yet, so
    /// `bytes` ought to be short: some KiB.
    ///
    /// # Errors
    ///
    /// Refuses what is not this handshake, about a torrent that is not here or with no allowed
    /// method, and anything after the end.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        find: &dyn Fn(&[u8; 20]) -> Option<InfoHashV1>,
    ) -> Result<Option<Agreed>, MseError> {
        self.input.push(bytes);
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            match self.step(stage, out, find)? {
                Step::Next(next) => self.stage = next,
                Step::Wait(same) => {
                    self.stage = same;
                    return Ok(None);
                }
                Step::Done(agreed) => return Ok(Some(agreed)),
            }
        }
    }

    fn step(
        &mut self,
        stage: Stage,
        out: &mut Vec<u8>,
        find: &dyn Fn(&[u8; 20]) -> Option<InfoHashV1>,
    ) -> Result<Step<Stage>, MseError> {
        match stage {
            Stage::Key => {
                let Some(theirs) = self.input.take::<KEY_BYTES>() else {
                    return Ok(Step::Wait(Stage::Key));
                };
                let secret = self.private.secret(&theirs)?;
                out.extend_from_slice(&self.private.public());
                out.append(&mut self.first);
                Ok(Step::Next(Stage::Marker(secret)))
            }
            Stage::Marker(secret) => {
                if self.input.skip_past(&secret.marker())? {
                    return Ok(Step::Next(Stage::Torrent(secret)));
                }
                Ok(Step::Wait(Stage::Marker(secret)))
            }
            Stage::Torrent(secret) => {
                let Some(masked) = self.input.take::<HASH_BYTES>() else {
                    return Ok(Step::Wait(Stage::Torrent(secret)));
                };
                let torrent = find(&secret.mask(&masked)).ok_or(MseError::UnknownTorrent)?;
                Session::new(&secret, torrent).map(|session| Step::Next(Stage::Offer(session)))
            }
            Stage::Offer(session) => self.offered(session),
            Stage::Pad {
                session,
                selected,
                bytes,
            } => Ok(self.padded(session, selected, bytes, out)),
            Stage::Payload {
                session,
                selected,
                bytes,
            } => Ok(self.payload(session, selected, bytes)),
            Stage::Over => Err(MseError::Over),
        }
    }

    fn offered(&mut self, mut session: Session) -> Result<Step<Stage>, MseError> {
        let receive = &mut session.keystreams.receive;
        let field = self.input.open::<{ VC.len() + 4 + LENGTH_BYTES }>(receive);
        let Some([vc @ .., a, b, c, d, e, f]) = field else {
            return Ok(Step::Wait(Stage::Offer(session)));
        };
        if vc != VC {
            return Err(MseError::WrongConstant);
        }
        // Bits of unknown meaning are of methods that are not known here.
        let offered = u32::from_be_bytes([a, b, c, d]);
        let common = offered & self.allowed.bits();
        let selected = [RC4_BIT, PLAIN_BIT]
            .into_iter()
            .find(|bit| common & bit != 0);
        Ok(Step::Next(Stage::Pad {
            session,
            selected: selected.ok_or(MseError::Methods(offered))?,
            bytes: pad_bytes([e, f])?,
        }))
    }

    fn padded(
        &mut self,
        mut session: Session,
        selected: u32,
        pad: usize,
        out: &mut Vec<u8>,
    ) -> Step<Stage> {
        let keystreams = &mut session.keystreams;
        let field = self
            .input
            .open_bytes(pad + LENGTH_BYTES, &mut keystreams.receive);
        let length = field.as_ref().and_then(|field| field.last_chunk());
        let Some(length) = length else {
            return Step::Wait(Stage::Pad {
                session,
                selected,
                bytes: pad,
            });
        };
        let start = out.len();
        out.extend_from_slice(&VC);
        out.extend_from_slice(&selected.to_be_bytes());
        out.extend_from_slice(&self.zeros.to_be_bytes());
        out.resize(out.len() + usize::from(self.zeros), 0);
        keystreams.send.apply(&mut out[start..]);
        let bytes = usize::from(u16::from_be_bytes(*length));
        Step::Next(Stage::Payload {
            session,
            selected,
            bytes,
        })
    }

    /// What is sent along is encrypted even when all that follows is plain.
    fn payload(&mut self, mut session: Session, selected: u32, bytes: usize) -> Step<Stage> {
        let receive = &mut session.keystreams.receive;
        let Some(mut early) = self.input.open_bytes(bytes, receive) else {
            return Step::Wait(Stage::Payload {
                session,
                selected,
                bytes,
            });
        };
        let mut rest = self.input.take_rest();
        let payload = if selected == RC4_BIT {
            receive.apply(&mut rest);
            Payload::Rc4(session.keystreams)
        } else {
            Payload::Plain
        };
        early.append(&mut rest);
        Step::Done(Agreed {
            torrent: session.torrent,
            payload,
            early,
        })
    }
}

impl Session {
    fn new(secret: &Secret, torrent: InfoHashV1) -> Result<Self, MseError> {
        let keystreams = Box::new(Keystreams {
            send: secret.responders(&torrent)?,
            receive: secret.initiators(&torrent)?,
        });
        Ok(Self {
            torrent,
            keystreams,
        })
    }
}
