//! The downloader's end of the control stream `/potluck/swarm/1`.

use crate::context::Context;
use crate::frames::{FLOOD, Patience, WEIGHT_OF_PEERS, breach, read_frame, write_frame};
use crate::source::{CloseReason, ProvenHead, Reporter, SourceNews};
use potluck_content::tree::{self, Geometry};
use potluck_content::{Address, Kind, MAX_MANIFEST_BYTES, MAX_TOTAL_BYTES};
use potluck_identity::PeerId;
use potluck_net::{Channel, Multiaddr, PipeReader, PipeWriter};
use potluck_transfer::wire::PieceMap;
use potluck_transfer::wire::control::{
    Head, Hello, MAX_FRAME_BYTES, Message, Reject, RejectReason, RetractReason, Welcome,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a provider may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Providers say something at least every 15 s; one that is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// An open control stream.
pub(super) struct Session {
    reader: PipeReader,
    /// Held open: closing it tells the provider that this download ended.
    _writer: PipeWriter,
}

/// Asks a peer for a root, and checks the proof of its size.
pub(super) async fn open(
    ctx: &Arc<Context>,
    root: Address,
    peer: PeerId,
    serving: bool,
    report: &Reporter,
) -> Result<Session, CloseReason> {
    let lost = |error: &dyn std::fmt::Display| CloseReason::Lost(error.to_string());
    let pipe = ctx
        .net
        .open(peer, Channel::Swarm)
        .await
        .map_err(|error| lost(&error))?;
    let (mut reader, mut writer) = (pipe.reader, pipe.writer);
    let hello = Message::Hello(Hello {
        root,
        head: true,
        serving,
    });
    let hello = hello.encode().map_err(|error| lost(&error))?;
    write_frame(&mut writer, &hello)
        .await
        .map_err(|error| lost(&error))?;
    let answer = tokio::time::timeout(ANSWER_TIME, read_frame(&mut reader, MAX_FRAME_BYTES));
    let frame = answer
        .await
        .map_err(|_| CloseReason::Lost("no answer in time".to_owned()))?
        .map_err(|error| ended(&error))?
        .ok_or_else(|| CloseReason::Lost("closed by the peer".to_owned()))?;
    match Message::decode(&frame) {
        Ok(Message::Welcome(welcome)) => {
            let (head, have) = check_welcome(root, welcome).map_err(CloseReason::Liar)?;
            report
                .tell(SourceNews::Ready {
                    head: Arc::new(head),
                    have,
                })
                .await;
            Ok(Session {
                reader,
                _writer: writer,
            })
        }
        Ok(Message::Reject(Reject { reason })) => Err(match reason {
            RejectReason::Busy => CloseReason::Busy,
            RejectReason::Changed => CloseReason::Changed,
            RejectReason::NotFound | RejectReason::Banned | RejectReason::Private => {
                CloseReason::NotFound
            }
        }),
        Ok(_) => Err(CloseReason::Liar("answered out of order".to_owned())),
        Err(error) => Err(CloseReason::Liar(format!("broke the protocol: {error}"))),
    }
}

/// Why a stream ended: a frame that cannot be one is no accident.
fn ended(error: &std::io::Error) -> CloseReason {
    match breach(error) {
        Some(what) => CloseReason::Liar(what),
        None => CloseReason::Lost(error.to_string()),
    }
}

/// The proof of the last group holds for one size only, so a checked head is a proven size.
fn check_welcome(root: Address, welcome: Welcome) -> Result<(ProvenHead, PieceMap), String> {
    let Welcome { size, head, have } = welcome;
    if root.kind == Kind::Folder && size > MAX_MANIFEST_BYTES as u64 {
        return Err(format!("claims a manifest of {size} bytes"));
    }
    if size > MAX_TOTAL_BYTES {
        return Err(format!("claims a file of {size} bytes"));
    }
    let Some(Head { proof, data }) = head else {
        return Err("left out the proof of the size".to_owned());
    };
    let geometry = Geometry::new(size);
    let span = geometry.last_group();
    let first = span.start;
    let checked = tree::check(&root.hash, geometry, span, &proof)
        .map_err(|_| "sent a wrong proof of the size".to_owned())?;
    if data.len() != geometry.group_len(first) || checked.check_groups(first, &data).is_err() {
        return Err("sent wrong bytes with the proof of the size".to_owned());
    }
    Ok((ProvenHead { size, proof, data }, have))
}

/// The addresses that make sense; a hint that does not is passed over.
fn readable(addrs: &[serde_bytes::ByteBuf]) -> Vec<Multiaddr> {
    addrs
        .iter()
        .filter_map(|bytes| Multiaddr::try_from(bytes.to_vec()).ok())
        .collect()
}

impl Session {
    /// Passes on what the provider says until the stream ends.
    pub(super) async fn listen(mut self, report: &Reporter) -> CloseReason {
        let mut patience = Patience::new(Instant::now());
        loop {
            let frame =
                tokio::time::timeout(SILENCE, read_frame(&mut self.reader, MAX_FRAME_BYTES));
            let frame = match frame.await {
                Err(_) => return CloseReason::Lost("silent".to_owned()),
                Ok(Err(error)) => return ended(&error),
                Ok(Ok(None)) => return CloseReason::Lost("closed by the peer".to_owned()),
                Ok(Ok(Some(frame))) => frame,
            };
            let message = Message::decode(&frame);
            let weight = match &message {
                Ok(Message::Peers(_)) => WEIGHT_OF_PEERS,
                _ => 1,
            };
            if !patience.allows(Instant::now(), weight) {
                return CloseReason::Liar(FLOOD.to_owned());
            }
            let news = match message {
                Ok(Message::Have(have)) => SourceNews::Have(have.ranges),
                Ok(Message::Retract(retract)) => match retract.reason {
                    RetractReason::Removed => return CloseReason::NotFound,
                    RetractReason::Changed => SourceNews::Retract(retract.ranges),
                },
                Ok(Message::Peers(peers)) => SourceNews::Introduced(
                    peers
                        .peers
                        .into_iter()
                        .map(|peer| (peer.id, readable(&peer.addrs)))
                        .collect(),
                ),
                Ok(Message::Ping) => continue,
                Ok(_) => return CloseReason::Liar("spoke out of order".to_owned()),
                Err(error) => return CloseReason::Liar(format!("broke the protocol: {error}")),
            };
            report.tell(news).await;
        }
    }
}
