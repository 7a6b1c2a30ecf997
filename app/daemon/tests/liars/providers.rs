//! Each way in which a provider can lie is found out, named, and does no harm.

use super::bulk::{Sends, Which};
use super::control::Says;
use super::daemon::{Api, Daemon, Fetched, OwnProcess, done, wait_for};
use super::liar::{Liar, Lie, count};
use super::truth::Truth;
use potluck_api::GetEvent;
use potluck_content::Link;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const MIB: u64 = 1 << 20;
/// Not a whole number of pieces, nor of groups; its last byte of bitmap has room for stray bits.
const FILE_BYTES: usize = 12 * 1024 * 1024 + 5000;
/// What may be on its way to a node when it cuts a peer off: what it asked for at the start, and
/// what the sockets of both ends hold.
const IN_FLIGHT: u64 = 8 * MIB;
/// Memory that a flood may cost, the download itself included.
const MOST_MEMORY: u64 = 64 * MIB;

/// Whom a link leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hints {
    Both,
    /// The honest node comes later.
    LiarAlone,
}

/// An honest node, a liar, and what both offer.
struct Table {
    truth: Arc<Truth>,
    honest: Daemon,
    liar: Liar,
    dir: TempDir,
}

impl Table {
    /// The honest node is so slow that the liar has to be asked too.
    async fn lay(lie: Lie, folder: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let truth = if folder {
            Truth::folder(dir.path(), 600, 20_000, 3)
        } else {
            Truth::file(dir.path(), FILE_BYTES, 3)
        };
        let truth = Arc::new(truth);
        let honest = Daemon::start().await;
        let cid = honest.api.share(&truth.path).await;
        assert_eq!(cid, truth.root.to_string());
        honest.api.set("limits.up", Some("1MB/s")).await;
        let liar = Liar::start(lie, Arc::clone(&truth)).await;
        Self {
            truth,
            honest,
            liar,
            dir,
        }
    }

    fn link(&self, to: Hints) -> String {
        let mut addrs = vec![self.liar.address.clone()];
        if to == Hints::Both {
            addrs.push(self.honest.api.address().parse().unwrap());
        }
        Link::new(self.truth.root).with_addrs(addrs).to_string()
    }

    fn dest(&self) -> PathBuf {
        self.dir.path().join("fetched")
    }

    fn get(&self, fetcher: &Api, hints: Hints) -> JoinHandle<Vec<GetEvent>> {
        let (fetcher, link, dest) = (fetcher.clone(), self.link(hints), self.dest());
        tokio::spawn(async move { fetcher.get(&link, &dest).await })
    }

    /// Lets the honest node deliver the rest at full speed.
    async fn hurry(&self) {
        self.honest.api.set("limits.up", None).await;
    }

    /// Fetches, and checks all that is to be seen of the liar.
    async fn expose(&self, api: &Api, hints: Hints, reason: &str) {
        let getting = self.get(api, hints);
        let named = api.banned(&self.liar.peer).await;
        let seen = &self.liar.seen;
        let first = seen.first.lock().unwrap().clone();
        // "Piece *" stands for the piece of the very first lie of a lane: it did not get away with
        // one.
        let places = first
            .iter()
            .map(|(hash, group)| reason.replace('*', &self.truth.piece(hash, *group).to_string()));
        let expected: Vec<String> = places.chain([reason.to_owned()]).collect();
        let is_expected = |text: &str| expected.iter().any(|reason| text.contains(reason));
        assert!(is_expected(&named), "'{named}', not one of {expected:?}");
        wait_for("the connection to end", || async {
            (!self.liar.is_connected(api.peer()).await).then_some(())
        })
        .await;
        self.hurry().await;
        if hints == Hints::LiarAlone {
            api.connect(self.honest.api.address()).await;
        }
        let events = getting.await.unwrap();
        let fetched = done(&events);
        self.truth.assert_same(&self.dest());
        let told = events.iter().any(|event| {
            matches!(event, GetEvent::Banned { peer, reason }
                if *peer == self.liar.peer && is_expected(reason))
        });
        assert!(told, "whoever fetches is told of the ban");
        api.assert_not_banned(self.honest.api.peer()).await;
        assert!(fetched.from(self.honest.api.peer()) > 0);
        let after = count(&seen.after_lie);
        println!(
            "'{named}': {} requests, {} lies, {after} bytes after the first; {} received for {}",
            count(&seen.requests),
            count(&seen.lies),
            fetched.fetched,
            fetched.bytes,
        );
        assert!(after <= IN_FLIGHT, "{after} bytes after the lie");
        let in_vain = fetched.fetched.saturating_sub(fetched.bytes);
        assert!(in_vain <= 2 * MIB, "{in_vain} bytes in vain");
    }

    /// Fetches from a peer that is not banned for what it does, and gives the closing line.
    async fn endure(&self, api: &Api) -> Fetched {
        let getting = self.get(api, Hints::Both);
        wait_for("the liar to be asked", || async {
            (count(&self.liar.seen.hellos) > 0).then_some(())
        })
        .await;
        self.hurry().await;
        let fetched = done(&getting.await.unwrap());
        self.truth.assert_same(&self.dest());
        api.assert_not_banned(self.honest.api.peer()).await;
        fetched
    }

    async fn clear(self) {
        self.liar.stop().await;
        self.honest.stop().await;
    }
}

/// A liar is banned for the reason given, keeps nothing from arriving, and is cut off soon.
async fn exposed(lie: Lie, folder: bool, reason: &str) {
    let table = Table::lay(lie, folder).await;
    let fetcher = Daemon::start().await;
    table.expose(&fetcher.api, Hints::Both, reason).await;
    fetcher.stop().await;
    table.clear().await;
}

/// The same, when the liar is asked before any other is known.
async fn exposed_alone(lie: Lie, folder: bool, reason: &str) {
    let table = Table::lay(lie, folder).await;
    let fetcher = Daemon::start().await;
    table.expose(&fetcher.api, Hints::LiarAlone, reason).await;
    fetcher.stop().await;
    table.clear().await;
}

/// The same, and memory stays bounded while the liar does its worst.
async fn exposed_in_bounds(lie: Lie, folder: bool, reason: &str) {
    let table = Table::lay(lie, folder).await;
    let fetcher = OwnProcess::start();
    let before = fetcher.memory().await;
    let api = fetcher.api.clone();
    let watching = tokio::spawn(async move {
        let mut most = 0;
        while let Some(status) = api.try_status().await {
            most = most.max(status.memory_bytes);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    });
    table.expose(&fetcher.api, Hints::Both, reason).await;
    drop(fetcher);
    let grown = watching.await.unwrap().saturating_sub(before);
    println!("{lie:?}: {} KiB more", grown >> 10);
    assert!(grown < MOST_MEMORY, "grown by {} MiB", grown >> 20);
    table.clear().await;
}

macro_rules! table {
    ($check:ident: $($name:ident: $lie:expr, $folder:expr => $reason:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $check($lie, $folder, $reason).await;
        }
    )*};
}

const FILE: bool = false;
const FOLDER: bool = true;
const SIZE_PROOF: &str = "sent a wrong proof of the size";
const SIZE_BYTES: &str = "sent wrong bytes with the proof of the size";
const MAP: &str = "sent a map of pieces that does not fit the content";

table! {
    exposed:
    wrong_proof_of_the_size: Lie::says(Says::WrongProof), FILE => SIZE_PROOF;
    wrong_bytes_with_the_proof_of_the_size: Lie::says(Says::WrongHeadBytes), FILE => SIZE_BYTES;
    too_few_bytes_with_the_proof_of_the_size: Lie::says(Says::WrongHeadLength), FILE => SIZE_BYTES;
    a_size_of_one_byte_more: Lie::says(Says::OneByteMore), FILE => "the proof of the size";
    half_the_size: Lie::says(Says::HalfTheSize), FILE => "the proof of the size";
    a_huge_size: Lie::says(Says::HugeSize), FILE => "claims a file of";
    a_huge_manifest: Lie::says(Says::HugeSize), FOLDER => "claims a manifest of";
    a_wrong_proof_of_a_manifest: Lie::says(Says::WrongProof), FOLDER => SIZE_PROOF;
    no_proof_of_the_size: Lie::says(Says::NoProof), FILE => "left out the proof of the size";
    a_bitmap_too_long: Lie::says(Says::LongBitmap), FILE => MAP;
    a_bitmap_with_a_stray_bit: Lie::says(Says::StrayBit), FILE => MAP;
    a_bitmap_too_long_for_a_folder: Lie::says(Says::LongBitmap), FOLDER => MAP;
    pieces_beyond_the_end: Lie::says(Says::PiecesBeyondTheEnd), FILE =>
        "claimed pieces beyond the end of the content";
    pieces_beyond_the_end_of_a_folder: Lie::says(Says::PiecesBeyondTheEnd), FOLDER =>
        "claimed pieces beyond the end of the content";
    garbage_for_a_welcome: Lie::says(Says::Garbage), FILE => "broke the protocol: not a known message";
    garbage_after_the_welcome: Lie::says(Says::GarbageLater), FILE =>
        "broke the protocol: not a known message";
    another_spelling: Lie::says(Says::NotCanonical), FILE =>
        "broke the protocol: not a known message";
    an_oversized_frame: Lie::says(Says::Oversized), FILE =>
        "broke the protocol: frame of 4294967295 bytes";
    an_oversized_frame_later: Lie::says(Says::OversizedLater), FILE =>
        "broke the protocol: frame of 4294967295 bytes";
    an_empty_frame: Lie::says(Says::Empty), FILE => "broke the protocol: empty frame";
    a_hello_for_a_welcome: Lie::says(Says::Hello), FILE => "answered out of order";
    two_welcomes: Lie::says(Says::SecondWelcome), FILE => "spoke out of order";
    a_wrong_proof: Lie::sends(Sends::WrongProof), FILE => "sent a wrong proof (piece *)";
    a_wrong_proof_later: Lie::sends(Sends::WrongProof).after(2), FILE =>
        "sent a wrong proof (piece *)";
    a_wrong_first_group: Lie::sends(Sends::Flipped(Which::First)), FILE =>
        "sent wrong bytes (piece *)";
    a_wrong_middle_group: Lie::sends(Sends::Flipped(Which::Middle)), FILE =>
        "sent wrong bytes (piece *)";
    a_wrong_last_group: Lie::sends(Sends::Flipped(Which::Last)), FILE =>
        "sent wrong bytes (piece *)";
    a_wrong_group_later: Lie::sends(Sends::Flipped(Which::Middle)).after(3), FILE =>
        "sent wrong bytes (piece *)";
    a_wrong_small_file: Lie::sends(Sends::Flipped(Which::Last)).after(40), FOLDER =>
        "sent wrong bytes (piece *)";
    true_bytes_of_another_place: Lie::sends(Sends::OtherPlace), FILE => "sent wrong bytes (piece *)";
    zeros: Lie::sends(Sends::Zeros), FILE => "sent wrong bytes (piece *)";
    a_short_reply_then_the_next: Lie::sends(Sends::Less), FILE => "sent wrong bytes (piece *)";
    a_short_reply_then_the_end: Lie::sends(Sends::LessThenClose), FILE => "cut replies short";
    a_reply_to_an_unknown_request: Lie::sends(Sends::UnknownRequest), FILE =>
        "broke the protocol: a reply that nobody asked for";
    a_reply_for_an_unknown_item: Lie::sends(Sends::UnknownItem), FILE =>
        "broke the protocol: a reply that nobody asked for";
    the_same_item_again_and_again: Lie::sends(Sends::SameItemAgain).after(1), FOLDER =>
        "broke the protocol: a reply that nobody asked for";
    an_unknown_status: Lie::sends(Sends::UnknownStatus), FILE =>
        "broke the protocol: a reply header that makes no sense";
    has_not_what_it_said_it_has: Lie::sends(Sends::NotHave), FILE =>
        "claimed to have piece * and did not";
    calls_a_good_request_bad: Lie::sends(Sends::Invalid), FILE =>
        "broke the protocol: refused a request";
}

table! {
    exposed_alone:
    a_wrong_group_of_a_manifest: Lie::sends(Sends::Flipped(Which::First)), FOLDER =>
        "sent wrong bytes (piece *)";
    a_wrong_proof_of_part_of_a_manifest: Lie::sends(Sends::WrongProof), FOLDER =>
        "sent a wrong proof (piece *)";
    a_wrong_first_request: Lie::sends(Sends::Flipped(Which::Last)), FILE =>
        "sent wrong bytes (piece *)";
}

table! {
    exposed_in_bounds:
    more_than_was_asked_for: Lie::sends(Sends::MoreForever), FILE => "broke the protocol: a reply";
    headers_without_end: Lie::sends(Sends::HeadersForever), FILE =>
        "broke the protocol: a reply that nobody asked for";
    haves_without_end: Lie::says(Says::Haves), FOLDER => "flooded this node with messages";
    peers_without_end: Lie::says(Says::Peers), FILE => "flooded this node with messages";
    pings_without_end: Lie::says(Says::Pings), FILE => "flooded this node with messages";
}

/// Silence may be no fault of a peer's own: it is named and not banned, and nobody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_reply_then_silence() {
    let table = Table::lay(Lie::sends(Sends::LessThenSilence), false).await;
    let fetcher = Daemon::start().await;
    let getting = table.get(&fetcher.api, Hints::Both);
    let liar = &table.liar;
    let named = wait_for("the silent peer to be named", || async {
        fetcher.api.peer_status(&liar.peer).await?.reason
    });
    assert_eq!(named.await, "stopped in the middle of a reply");
    table.hurry().await;
    let lifted = Instant::now();
    let fetched = done(&getting.await.unwrap());
    println!("done {:?} after the limit was lifted", lifted.elapsed());
    table.truth.assert_same(&table.dest());
    assert_eq!(fetched.from(&liar.peer), 0);
    assert_eq!(fetched.from(table.honest.api.peer()), FILE_BYTES as u64);
    let status = fetcher.api.peer_status(&liar.peer).await.unwrap();
    assert!(!status.banned, "silence alone is no lie");
    fetcher.api.assert_not_banned(table.honest.api.peer()).await;
    fetcher.stop().await;
    table.clear().await;
}

/// Peers that always refuse are left alone more and more; they are not asked in a tight circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_having_time_is_no_lie_and_no_harm() {
    for sends in [Sends::Busy, Sends::Cancelled] {
        let table = Table::lay(Lie::sends(sends), false).await;
        let fetcher = Daemon::start().await;
        let fetched = table.endure(&fetcher.api).await;
        assert_eq!(fetched.from(&table.liar.peer), 0);
        fetcher.api.assert_not_banned(&table.liar.peer).await;
        let requests = count(&table.liar.seen.requests);
        println!("{sends:?}: asked {requests} times");
        assert!(requests < 40, "asked {requests} times");
        fetcher.stop().await;
        table.clear().await;
    }
}

/// What a peer says of others is only a hint: nonsense in it does no harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_among_the_peers_it_names_does_no_harm() {
    let table = Table::lay(Lie::says(Says::JunkPeers), false).await;
    let fetcher = Daemon::start().await;
    table.endure(&fetcher.api).await;
    fetcher.api.assert_not_banned(&table.liar.peer).await;
    fetcher.stop().await;
    table.clear().await;
}

/// A provider that names hundreds of peers which do not answer keeps nobody from those that do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_peers_do_not_keep_the_found_ones_waiting() {
    // Takes connections and never says a word, so that each dial takes as long as it may.
    let pit = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = pit.local_addr().unwrap().port();
    let pit = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = pit.accept().await {
            held.push(stream);
        }
    });
    let lie = Lie {
        says: Says::PeersAtPort(port),
        sends: Sends::Busy,
        truthful: 0,
    };
    let table = Table::lay(lie, false).await;
    table.hurry().await;
    // The honest node is known to a third alone; only the DHT leads to it.
    let third = Daemon::start().await;
    table.honest.api.connect(third.api.address()).await;
    let fetcher = Daemon::start().await;
    let getting = table.get(&fetcher.api, Hints::LiarAlone);
    wait_for("the liar to be asked for bytes", || async {
        (count(&table.liar.seen.requests) > 0).then_some(())
    })
    .await;
    let begun = Instant::now();
    fetcher.api.connect(third.api.address()).await;
    let fetched = done(&getting.await.unwrap());
    println!("found and fetched in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(fetched.from(table.honest.api.peer()), FILE_BYTES as u64);
    pit.abort();
    third.stop().await;
    fetcher.stop().await;
    table.clear().await;
}
