//! Messages of the control stream, from any peer.

use potluck_content::tree::{self, Geometry};
use potluck_content::{Hash, PieceSet};
use potluck_transfer::wire::control::{
    Have, Head, Hello, MAX_FRAME_BYTES, Message, PeerHint, Peers, Reject, RejectReason, Retract,
    RetractReason, Welcome,
};
use potluck_transfer::wire::{PREFIX_BYTES, PieceMap, frame_len};

use crate::seeds::{blob, folder, seed};

/// A message that is taken is written back byte for byte, and what it says can be used.
pub fn wire_control(data: &[u8]) {
    if let Some(prefix) = data.first_chunk::<PREFIX_BYTES>() {
        let length = frame_len(*prefix, MAX_FRAME_BYTES);
        assert!(
            length.is_err() || length.is_ok_and(|length| (1..=MAX_FRAME_BYTES).contains(&length))
        );
    }
    let Ok(message) = Message::decode(data) else {
        return;
    };
    let Ok(frame) = message.encode() else {
        unreachable!("a message that was taken can be sent")
    };
    let (prefix, body) = frame.split_at(PREFIX_BYTES);
    assert_eq!(body, data);
    assert_eq!(
        prefix,
        u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes()
    );
    if let Message::Welcome(welcome) = message {
        read_welcome(&welcome);
    }
}

/// What a downloader does with a welcome, whatever it claims.
fn read_welcome(welcome: &Welcome) {
    let geometry = Geometry::new(welcome.size);
    if let Some(head) = &welcome.head {
        let last = geometry.last_group();
        let root = Hash::of(&head.data);
        if let Ok(shown) = tree::check(&root, geometry, last.clone(), &head.proof) {
            let _ = shown.check_groups(last.start, &head.data);
        }
    }
    if let PieceMap::Bitmap(bytes) = &welcome.have {
        let pieces = u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX);
        let Ok(set) = welcome.have.to_set(pieces) else {
            unreachable!("no bit of it is stray")
        };
        assert_eq!(PieceSet::to_bytes(&set), *bytes);
    }
}

/// One of each message.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let root = folder().map_or(blob("hello"), |folder| folder.address());
    let mut some = PieceSet::new(100);
    some.insert_range(10..40);
    let id = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5".parse();
    let peers = id.into_iter().map(|id| PeerHint {
        id,
        addrs: vec![vec![4, 127, 0, 0, 1, 6, 18, 163].into()],
    });
    let messages = [
        (
            "hello",
            Message::Hello(Hello {
                root,
                head: true,
                serving: false,
            }),
        ),
        (
            "welcome-all",
            Message::Welcome(Welcome {
                size: 5,
                head: None,
                have: PieceMap::All,
            }),
        ),
        (
            "welcome-head",
            Message::Welcome(Welcome {
                size: 16_385,
                head: Some(Head {
                    proof: vec![7; 64],
                    data: vec![9],
                }),
                have: PieceMap::of(&some),
            }),
        ),
        (
            "reject",
            Message::Reject(Reject {
                reason: RejectReason::NotFound,
            }),
        ),
        (
            "have",
            Message::Have(Have {
                ranges: vec![0..1, 5..9, 1_000..65_536],
            }),
        ),
        (
            "retract",
            Message::Retract(Retract {
                ranges: vec![3..4, 6..7],
                reason: RetractReason::Changed,
            }),
        ),
        (
            "peers",
            Message::Peers(Peers {
                peers: peers.collect(),
            }),
        ),
        ("ping", Message::Ping),
    ];
    let body = |message: &Message| Some(message.encode().ok()?.split_off(PREFIX_BYTES));
    messages
        .iter()
        .filter_map(|(name, message)| Some(seed(name, body(message)?)))
        .collect()
}
