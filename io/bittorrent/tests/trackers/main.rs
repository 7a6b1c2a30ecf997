//! Trackers that do as they should, and others.
#![allow(clippy::unwrap_used, clippy::panic)]

mod http;
mod udp;

use std::time::Duration;

use potluck_bittorrent::InfoHashV1;
use potluck_bittorrent::tracker::{AnnounceEvent, AnnounceReply, AnnounceRequest};
use potluck_bittorrent::wire::PeerId;
use potluck_bittorrent_net::tracker::{TrackerClient, TrackerError, TrackerTimes};

/// Longer than anything takes here.
const AMPLE: Duration = Duration::from_secs(20);
/// For what is not to come.
const BRIEF: Duration = Duration::from_millis(100);

fn client() -> TrackerClient {
    client_with(TrackerTimes::default())
}

fn client_with(times: TrackerTimes) -> TrackerClient {
    TrackerClient::new(times).unwrap()
}

fn request() -> AnnounceRequest {
    AnnounceRequest {
        infohash: InfoHashV1::from_bytes([0xfe; 20]),
        peer_id: PeerId::from_bytes(*b"-PL0001-abcdefghijkl"),
        port: 6881,
        uploaded: 1,
        downloaded: 2,
        left: 3,
        event: AnnounceEvent::Started,
        num_want: Some(50),
        key: 7,
        tracker_id: None,
        ip: None,
        ipv6: None,
    }
}

fn peers(reply: &AnnounceReply) -> Vec<String> {
    reply.peers.iter().map(ToString::to_string).collect()
}

fn words(error: &TrackerError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.is_empty(), "{text:?}");
    text
}

#[tokio::test]
async fn addresses_that_are_not_asked() {
    for url in [
        "",
        "t.example/announce",
        "ftp://t.example/announce",
        "file:///etc/passwd",
        "wss://t.example/",
        "http://",
        "udp://127.0.0.1/announce",
        "udp://127.0.0.1:0/announce",
        "udp:///announce",
    ] {
        let error = client().announce(url, &request()).await.unwrap_err();
        assert!(matches!(error, TrackerError::Address), "{url}: {error:?}");
    }
}
