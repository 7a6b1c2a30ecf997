//! Requests and reply headers of the bulk lane, from any peer.

use potluck_content::tree::PARENT_BYTES;
use potluck_content::{GROUP_BYTES, Hash};
use potluck_transfer::wire::bulk::{
    Cancel, HEADER_BYTES, Header, Item, MAX_FRAME_BYTES, MAX_ITEMS, MAX_REQUEST_BYTES, Message,
    Request, Status, batches,
};
use potluck_transfer::wire::{PREFIX_BYTES, frame_len};

use crate::seeds::{blob, seed};

/// Levels of the deepest tree there is.
const MAX_DEPTH: u64 = 64;

/// A message that is taken is written back byte for byte, and asks for no more than is allowed.
pub fn wire_bulk(data: &[u8]) {
    if let Some(prefix) = data.first_chunk::<PREFIX_BYTES>() {
        let length = frame_len(*prefix, MAX_FRAME_BYTES);
        assert!(
            length.is_err() || length.is_ok_and(|length| (1..=MAX_FRAME_BYTES).contains(&length))
        );
    }
    if let Some(bytes) = data.first_chunk::<HEADER_BYTES>()
        && let Ok(header) = Header::decode(*bytes)
    {
        assert_eq!(header.encode(), *bytes);
    }
    let Ok(message) = Message::decode(data) else {
        return;
    };
    let Ok(frame) = message.encode() else {
        unreachable!("a message that was taken can be sent")
    };
    assert_eq!(&frame[PREFIX_BYTES..], data);
    if let Message::Request(request) = message {
        serve(&request);
    }
}

/// What a server computes before it reads anything from disk.
fn serve(request: &Request) {
    assert!((1..=MAX_ITEMS).contains(&request.items.len()));
    assert!(request.data_len() <= MAX_REQUEST_BYTES);
    for item in &request.items {
        let (span, geometry) = (item.span(), item.geometry());
        assert!(geometry.contains(&span));
        assert!(item.data_len() <= item.groups * GROUP_BYTES);
        // A reply's length follows from the request, so it must be small as well.
        let proof_bytes = item.proof_len() as u64;
        assert!(proof_bytes <= (item.groups + MAX_DEPTH) * PARENT_BYTES as u64);
    }
    assert_eq!(batches(&request.items), [&request.items[..]]);
}

/// Requests of all shapes, a cancel, and headers.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let root = blob("hello");
    let item = |size: u64, first_group: u64, groups: u64| Item {
        hash: Hash::of(&size.to_le_bytes()),
        size,
        first_group,
        groups,
    };
    let request = |items: Vec<Item>| Message::Request(Request { id: 7, root, items });
    let messages = [
        ("empty-file", request(vec![item(0, 0, 1)])),
        ("first-piece", request(vec![item(1 << 30, 0, 16)])),
        ("last-group", request(vec![item((1 << 30) + 1, 65_536, 1)])),
        ("largest", request(vec![item(1 << 40, 5, 1_024)])),
        (
            "small-files",
            request((1..=40).map(|size| item(size * 100, 0, 1)).collect()),
        ),
        ("cancel", Message::Cancel(Cancel { id: 7 })),
    ];
    let body = |message: &Message| Some(message.encode().ok()?.split_off(PREFIX_BYTES));
    let mut seeds: Vec<_> = messages
        .iter()
        .filter_map(|(name, message)| Some(seed(name, body(message)?)))
        .collect();
    let header = Header {
        id: 1 << 20,
        item: 3,
        status: Status::Changed,
    };
    seeds.push(seed("header", header.encode()));
    seeds
}
