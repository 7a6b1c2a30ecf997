//! Lies on the control stream: about the size, about what the liar has, and about the protocol.

use super::liar::{Out, Seen, add, read_frame};
use super::truth::{Truth, bytes};
use potluck_content::{GROUP_BYTES, PieceSet};
use potluck_identity::NodeKey;
use potluck_net::{Multiaddr, Pipe};
use potluck_transfer::wire::PieceMap;
use potluck_transfer::wire::control::{
    Have, Head, Hello, MAX_ADDRS, MAX_PEERS, MAX_RANGES, Message, PeerHint, Peers, Welcome,
};
use serde_bytes::ByteBuf;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt as _;

/// What it says on the control stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Truth,
    WrongProof,
    WrongHeadBytes,
    WrongHeadLength,
    OneByteMore,
    HalfTheSize,
    HugeSize,
    NoProof,
    /// A bitmap of one byte too many.
    LongBitmap,
    /// A bitmap with a bit behind the last piece.
    StrayBit,
    /// A `have` for pieces that no content of this size has.
    PiecesBeyondTheEnd,
    /// The first frame is not a message.
    Garbage,
    /// A frame after the welcome is not a message.
    GarbageLater,
    /// A message spelt in another way than the only one.
    NotCanonical,
    /// The first frame claims four gigabytes.
    Oversized,
    /// A frame after the welcome claims four gigabytes.
    OversizedLater,
    /// A frame of nothing.
    Empty,
    /// It greets where it should welcome.
    Hello,
    /// It welcomes twice.
    SecondWelcome,
    /// No end of `have`s, each as long as may be.
    Haves,
    /// No end of peers that do not exist.
    Peers,
    /// No end of pings.
    Pings,
    /// One message of peers that cannot be reached, among them the victim itself.
    JunkPeers,
    /// The same, at this port of loopback, as many as a provider may name.
    PeersAtPort(u16),
}

/// Serves one control stream to its end.
pub async fn serve(pipe: Pipe, says: Says, truth: &Truth, seen: Arc<Seen>) -> io::Result<()> {
    let mut reader = pipe.reader;
    let hello = Message::decode(&read_frame(&mut reader).await?);
    assert!(matches!(hello, Ok(Message::Hello(_))), "{hello:?}");
    add(&seen.hellos, 1);
    let mut out = Out {
        writer: pipe.writer,
        seen,
        lied: false,
    };
    if let Some(frame) = first_lie(says, truth) {
        out.lied();
        out.put(&frame).await?;
    } else {
        out.put(&welcome(says, truth).encode().unwrap()).await?;
        later(says, truth, &mut out).await?;
    }
    // Stays, as an honest provider would, until the victim has had enough.
    reader.read_u8().await.map(drop)
}

/// Frames that are wrong in the place of a welcome.
fn first_lie(says: Says, truth: &Truth) -> Option<Vec<u8>> {
    let hello = Message::Hello(Hello {
        root: truth.root,
        head: true,
        serving: true,
    });
    match says {
        Says::Garbage => Some(garbage()),
        Says::Oversized => Some(vec![0xFF; 64]),
        Says::Empty => Some(vec![0; 4]),
        Says::Hello => Some(hello.encode().unwrap()),
        Says::NotCanonical => Some(not_canonical()),
        _ => None,
    }
}

fn garbage() -> Vec<u8> {
    let mut frame = 1000u32.to_be_bytes().to_vec();
    frame.extend_from_slice(&bytes(1000, 99));
    frame
}

/// A welcome whose size takes nine bytes where one would do.
fn not_canonical() -> Vec<u8> {
    let plain = Message::Welcome(Welcome {
        size: 7,
        head: None,
        have: PieceMap::All,
    });
    let mut body = plain.encode().unwrap().split_off(4);
    assert_eq!(body.pop(), Some(7));
    body.extend_from_slice(&[0x1B, 0, 0, 0, 0, 0, 0, 0, 7]);
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    frame
}

fn welcome(says: Says, truth: &Truth) -> Message {
    let (mut size, mut head) = truth.head();
    let mut have = PieceMap::All;
    let pieces = truth.layout.pieces();
    match says {
        Says::WrongProof => *head.proof.last_mut().unwrap() ^= 1,
        Says::WrongHeadBytes => *head.data.last_mut().unwrap() ^= 1,
        Says::WrongHeadLength => drop(head.data.pop()),
        Says::OneByteMore => size += 1,
        Says::HalfTheSize => size /= 2,
        Says::HugeSize => size = u64::MAX,
        Says::LongBitmap => {
            let mut bitmap = PieceSet::full(pieces).to_bytes();
            bitmap.push(0);
            have = PieceMap::Bitmap(bitmap);
        }
        Says::StrayBit => {
            let mut bitmap = PieceSet::full(pieces).to_bytes();
            assert!(!pieces.is_multiple_of(8), "there is room for a stray bit");
            *bitmap.last_mut().unwrap() = 0xFF;
            have = PieceMap::Bitmap(bitmap);
        }
        _ => {}
    }
    assert!(head.data.len() as u64 <= GROUP_BYTES);
    let head = (says != Says::NoProof).then_some(Head { ..head });
    Message::Welcome(Welcome { size, head, have })
}

/// What comes after the welcome.
async fn later(says: Says, truth: &Truth, out: &mut Out) -> io::Result<()> {
    match says {
        Says::PiecesBeyondTheEnd => {
            let first = truth.layout.pieces();
            lie_once(out, &have(std::iter::once(first..first + 1).collect())).await
        }
        Says::GarbageLater => lie_once(out, &garbage()).await,
        Says::OversizedLater => lie_once(out, &[0xFF; 64]).await,
        Says::SecondWelcome => {
            let again = welcome(Says::Truth, truth);
            lie_once(out, &again.encode().unwrap()).await
        }
        Says::Haves => {
            let every_other = (0..truth.layout.pieces()).step_by(2);
            let ranges = every_other.map(|piece| piece..piece + 1);
            flood(out, &have(ranges.take(MAX_RANGES).collect())).await
        }
        Says::Pings => flood(out, &Message::Ping.encode().unwrap()).await,
        Says::Peers => {
            let many: Vec<u8> = (0..20).flat_map(|seed| peers(seed, &[1; 200])).collect();
            flood(out, &many).await
        }
        Says::JunkPeers => {
            for seed in 0..20 {
                out.put(&peers(seed, &bytes(40, seed))).await?;
            }
            Ok(())
        }
        Says::PeersAtPort(port) => {
            let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
            for seed in 0..20 {
                out.put(&peers(seed, &address.to_vec())).await?;
            }
            Ok(())
        }
        _ => {
            // A wrong welcome was the lie itself.
            if out.seen.lies.load(Ordering::Relaxed) == 0 && says != Says::Truth {
                out.lied();
            }
            Ok(())
        }
    }
}

async fn lie_once(out: &mut Out, frame: &[u8]) -> io::Result<()> {
    out.lied();
    out.put(frame).await
}

async fn flood(out: &mut Out, frame: &[u8]) -> io::Result<()> {
    loop {
        lie_once(out, frame).await?;
    }
}

fn have(ranges: Vec<std::ops::Range<u32>>) -> Vec<u8> {
    Message::Have(Have { ranges }).encode().unwrap()
}

/// As many peers as a message may name, all of them made up.
fn peers(seed: u64, address: &[u8]) -> Vec<u8> {
    let peers = (0..MAX_PEERS as u64).map(|index| {
        let mut key = [7; 32];
        key[..8].copy_from_slice(&(seed * MAX_PEERS as u64 + index).to_le_bytes());
        PeerHint {
            id: NodeKey::from_seed(key).peer_id(),
            addrs: vec![ByteBuf::from(address.to_vec()); MAX_ADDRS],
        }
    });
    let peers = peers.collect();
    Message::Peers(Peers { peers }).encode().unwrap()
}
