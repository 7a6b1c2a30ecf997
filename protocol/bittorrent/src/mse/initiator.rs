//! The side that connects.

use super::input::Input;
use super::key::PrivateKey;
use super::{
    Agreed, Chance, KEY_BYTES, Keystreams, LENGTH_BYTES, Methods, MseError, PLAIN_BIT, Payload,
    RANDOM_BYTES, RC4_BIT, Step, VC, obfuscated_name, pad_bytes,
};
use crate::InfoHashV1;

/// The handshake of the side that connects. It sends no payload along (the specification's IA).
pub struct Initiator {
    torrent: InfoHashV1,
    offer: Methods,
    private: PrivateKey,
    zeros: u16,
    input: Input,
    stage: Stage,
}

enum Stage {
    /// Their public key.
    Key,
    /// The end of their padding.
    Marker {
        keystreams: Box<Keystreams>,
        marker: [u8; VC.len()],
    },
    /// What they chose.
    Select(Box<Keystreams>),
    /// Their encrypted padding.
    Pad {
        keystreams: Box<Keystreams>,
        selected: u32,
        bytes: usize,
    },
    Over,
}

impl Initiator {
    /// Begins a handshake about a torrent, named by its infohash (of version 2: truncated), and
    /// appends to `out` what is to be sent first.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn new(
        torrent: InfoHashV1,
        offer: Methods,
        random: &[u8; RANDOM_BYTES],
        out: &mut Vec<u8>,
    ) -> Result<Self, MseError> {
        let chance = Chance::new(random)?;
        let private = PrivateKey::new(chance.private);
        out.extend_from_slice(&private.public());
        out.extend_from_slice(chance.pad);
        Ok(Self {
            torrent,
            offer,
            private,
            zeros: chance.zeros,
            input: Input::default(),
            stage: Stage::Key,
        })
    }

    /// Takes what the other side sent, cut anywhere, and appends to `out` what is to be sent now.
    /// Returns the agreement once there is one. Keeps a copy of what it can't use yet, so `bytes`
    /// ought to be short: some KiB.
    ///
    /// # Errors
    ///
    /// Refuses what is not this handshake, or not about the same torrent, and anything after the end.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Agreed>, MseError> {
        self.input.push(bytes);
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            match self.step(stage, out)? {
                Step::Next(next) => self.stage = next,
                Step::Wait(same) => {
                    self.stage = same;
                    return Ok(None);
                }
                Step::Done(agreed) => return Ok(Some(agreed)),
            }
        }
    }

    fn step(&mut self, stage: Stage, out: &mut Vec<u8>) -> Result<Step<Stage>, MseError> {
        match stage {
            Stage::Key => match self.input.take::<KEY_BYTES>() {
                Some(theirs) => self.answer_key(&theirs, out).map(Step::Next),
                None => Ok(Step::Wait(Stage::Key)),
            },
            Stage::Marker { keystreams, marker } => {
                if self.input.skip_past(&marker)? {
                    return Ok(Step::Next(Stage::Select(keystreams)));
                }
                Ok(Step::Wait(Stage::Marker { keystreams, marker }))
            }
            Stage::Select(mut keystreams) => {
                let field = self
                    .input
                    .open::<{ 4 + LENGTH_BYTES }>(&mut keystreams.receive);
                let Some([a, b, c, d, length @ ..]) = field else {
                    return Ok(Step::Wait(Stage::Select(keystreams)));
                };
                let selected = u32::from_be_bytes([a, b, c, d]);
                let is_one = selected == PLAIN_BIT || selected == RC4_BIT;
                if !is_one || selected & self.offer.bits() == 0 {
                    return Err(MseError::Methods(selected));
                }
                Ok(Step::Next(Stage::Pad {
                    keystreams,
                    selected,
                    bytes: pad_bytes(length)?,
                }))
            }
            Stage::Pad {
                mut keystreams,
                selected,
                bytes,
            } => {
                let pad = self.input.open_bytes(bytes, &mut keystreams.receive);
                if pad.is_none() {
                    return Ok(Step::Wait(Stage::Pad {
                        keystreams,
                        selected,
                        bytes,
                    }));
                }
                Ok(Step::Done(self.agreed(selected, keystreams)))
            }
            Stage::Over => Err(MseError::Over),
        }
    }

    /// Names the torrent and offers methods to who has this public key.
    fn answer_key(&self, theirs: &[u8; KEY_BYTES], out: &mut Vec<u8>) -> Result<Stage, MseError> {
        let secret = self.private.secret(theirs)?;
        let mut keystreams = Box::new(Keystreams {
            send: secret.initiators(&self.torrent)?,
            receive: secret.responders(&self.torrent)?,
        });
        out.extend_from_slice(&secret.marker());
        out.extend_from_slice(&secret.mask(&obfuscated_name(&self.torrent)));
        let start = out.len();
        out.extend_from_slice(&VC);
        out.extend_from_slice(&self.offer.bits().to_be_bytes());
        out.extend_from_slice(&self.zeros.to_be_bytes());
        out.resize(out.len() + usize::from(self.zeros), 0);
        // The length of the payload that is sent along.
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        keystreams.send.apply(&mut out[start..]);
        let mut marker = VC;
        keystreams.receive.apply(&mut marker);
        Ok(Stage::Marker { keystreams, marker })
    }

    fn agreed(&mut self, selected: u32, mut keystreams: Box<Keystreams>) -> Agreed {
        let mut early = self.input.take_rest();
        let payload = if selected == RC4_BIT {
            keystreams.receive.apply(&mut early);
            Payload::Rc4(keystreams)
        } else {
            Payload::Plain
        };
        Agreed {
            torrent: self.torrent,
            payload,
            early,
        }
    }
}
