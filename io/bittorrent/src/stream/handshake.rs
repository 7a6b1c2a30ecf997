//! The encrypted handshake on a connection.

use std::io;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::mse::{
    Agreed, Initiator, Methods, MseError, RANDOM_BYTES, Responder, obfuscated_name,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Carrier;

/// Most bytes that are read at once during a handshake. One is shorter, save for a payload that is
/// sent along.
const CHUNK: usize = 2048;

/// Why two sides could not agree on encryption.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// What the other side sent is no such handshake, or not one that may be.
    #[error(transparent)]
    Mse(#[from] MseError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The other side went away.
    #[error("the other side closed the connection")]
    Closed,
    /// It took too long.
    #[error("no agreement on encryption in time")]
    Timeout,
}

/// A machine that takes what was received and appends what is to be sent.
trait Machine {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Agreed>, MseError>;
}

impl Machine for Initiator {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Agreed>, MseError> {
        Self::receive(self, bytes, out)
    }
}

/// The side that answers, with the torrents that are here.
struct Answering<'a> {
    responder: Responder,
    torrents: &'a [InfoHashV1],
}

impl Machine for Answering<'_> {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Agreed>, MseError> {
        let find = |name: &[u8; 20]| {
            let mut torrents = self.torrents.iter().copied();
            torrents.find(|torrent| obfuscated_name(torrent) == *name)
        };
        self.responder.receive(bytes, out, &find)
    }
}

fn random() -> Box<[u8; RANDOM_BYTES]> {
    let mut random = Box::new([0; RANDOM_BYTES]);
    rand::fill(&mut random[..]);
    random
}

/// Begins the handshake on a new connection and sees it through.
pub(super) async fn initiate(
    carrier: &mut Carrier,
    torrent: InfoHashV1,
    methods: Methods,
) -> Result<Agreed, HandshakeError> {
    let mut out = Vec::new();
    let initiator = Initiator::new(torrent, methods, &random(), &mut out)?;
    exchange(carrier, initiator, out).await
}

/// Answers a handshake that began with these bytes.
pub(super) async fn respond(
    carrier: &mut Carrier,
    torrents: &[InfoHashV1],
    methods: Methods,
    began: &[u8],
) -> Result<Agreed, HandshakeError> {
    let responder = Responder::new(methods, &random())?;
    let mut machine = Answering {
        responder,
        torrents,
    };
    let mut out = Vec::new();
    machine.receive(began, &mut out)?;
    exchange(carrier, machine, out).await
}

async fn exchange(
    carrier: &mut Carrier,
    mut machine: impl Machine,
    mut out: Vec<u8>,
) -> Result<Agreed, HandshakeError> {
    let mut chunk = vec![0; CHUNK];
    loop {
        carrier.write_all(&out).await?;
        carrier.flush().await?;
        out.clear();
        let count = carrier.read(&mut chunk).await?;
        let received = chunk.get(..count).unwrap_or_default();
        if received.is_empty() {
            return Err(HandshakeError::Closed);
        }
        let agreed = machine.receive(received, &mut out)?;
        if let Some(agreed) = agreed {
            carrier.write_all(&out).await?;
            carrier.flush().await?;
            return Ok(agreed);
        }
    }
}
