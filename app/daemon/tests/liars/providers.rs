//! Each way in which a provider can lie is found out, named, and does no harm.

use super::bulk::{Sends, Which};
use super::control::Says;
use super::daemon::{Api, Daemon, OwnProcess, done, wait_for};
use super::liar::{Liar, Lie, count};
use super::truth::Truth;
use potluck_api::GetEvent;
use potluck_content::Link;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const MIB: u64 = 1 << 20;
/// Not a whole number of pieces, nor of groups; its last byte of bitmap has room for stray bits.
const FILE_BYTES: usize = 12 * 1024 * 1024 + 5000;
/// What may be on its way to a node when it cuts a peer off: what it asked for at the start, and
/// what the sockets of both ends hold.
const IN_FLIGHT: u64 = 8 * MIB;

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

    fn link(&self) -> String {
        let honest = self.honest.api.address().parse().unwrap();
        let addrs = [self.liar.address.clone(), honest];
        Link::new(self.truth.root).with_addrs(addrs).to_string()
    }

    fn dest(&self) -> PathBuf {
        self.dir.path().join("fetched")
    }

    fn get(&self, fetcher: &Api) -> JoinHandle<Vec<GetEvent>> {
        let (fetcher, link, dest) = (fetcher.clone(), self.link(), self.dest());
        tokio::spawn(async move { fetcher.get(&link, &dest).await })
    }

    /// Lets the honest node deliver the rest at full speed.
    async fn hurry(&self) {
        self.honest.api.set("limits.up", None).await;
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
    let api = fetcher.api.clone();
    let getting = table.get(&api);
    let named = api.banned(&table.liar.peer).await;
    let seen = Arc::clone(&table.liar.seen);
    let first = *seen.first.lock().unwrap();
    // "Piece *" stands for the piece of the very first lie: it did not get away with one.
    let place = first.map_or_else(String::new, |(hash, group)| {
        table.truth.piece(&hash, group).to_string()
    });
    let expected = reason.replace('*', &place);
    assert!(named.contains(&expected), "'{named}', not '{expected}'");
    wait_for("the connection to end", || async {
        (!table.liar.is_connected(api.peer()).await).then_some(())
    })
    .await;
    table.hurry().await;
    let events = getting.await.unwrap();
    let fetched = done(&events);
    table.truth.assert_same(&table.dest());
    let told = events.iter().any(|event| {
        matches!(event, GetEvent::Banned { peer, reason }
            if *peer == table.liar.peer && reason.contains(&expected))
    });
    assert!(told, "whoever fetches is told of the ban");
    api.assert_not_banned(table.honest.api.peer()).await;
    assert!(fetched.from(table.honest.api.peer()) > 0);
    let after = count(&seen.after_lie);
    println!(
        "{lie:?}: '{named}'; {} requests, {} lies, {after} bytes after the first; {} of {} bytes received",
        count(&seen.requests),
        count(&seen.lies),
        fetched.fetched,
        fetched.bytes,
    );
    assert!(after <= IN_FLIGHT, "{after} bytes after the lie");
    let in_vain = fetched.fetched.saturating_sub(fetched.bytes);
    assert!(in_vain <= 2 * MIB, "{in_vain} bytes in vain");
    fetcher.stop().await;
    table.clear().await;
}

macro_rules! exposed {
    ($($name:ident: $lie:expr, $folder:expr => $reason:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            exposed($lie, $folder, $reason).await;
        }
    )*};
}

const FILE: bool = false;
const FOLDER: bool = true;
const SIZE_PROOF: &str = "sent a wrong proof of the size";
const SIZE_BYTES: &str = "sent wrong bytes with the proof of the size";
const MAP: &str = "sent a map of pieces that does not fit the content";

exposed! {
    wrong_proof_of_the_size: Lie::says(Says::WrongProof), FILE => SIZE_PROOF;
    wrong_bytes_with_the_proof_of_the_size: Lie::says(Says::WrongHeadBytes), FILE => SIZE_BYTES;
    too_few_bytes_with_the_proof_of_the_size: Lie::says(Says::WrongHeadLength), FILE => SIZE_BYTES;
    a_size_of_one_byte_more: Lie::says(Says::OneByteMore), FILE => "the proof of the size";
    half_the_size: Lie::says(Says::HalfTheSize), FILE => SIZE_PROOF;
    a_huge_size: Lie::says(Says::HugeSize), FILE => SIZE_PROOF;
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
        "broke the protocol: message is not in canonical form";
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
    a_wrong_group_of_a_manifest: Lie::sends(Sends::Flipped(Which::First)), FOLDER =>
        "sent wrong bytes (piece *)";
    a_wrong_small_file: Lie::sends(Sends::Flipped(Which::Last)).after(40), FOLDER =>
        "sent wrong bytes (piece *)";
    true_bytes_of_another_place: Lie::sends(Sends::OtherPlace), FILE => "sent wrong bytes (piece *)";
    zeros: Lie::sends(Sends::Zeros), FILE => "sent wrong bytes (piece *)";
    a_short_reply_then_the_next: Lie::sends(Sends::Less), FILE => "sent wrong bytes (piece *)";
    a_short_reply_then_the_end: Lie::sends(Sends::LessThenClose), FILE => "cut replies short";
    more_than_was_asked_for: Lie::sends(Sends::MoreForever), FILE => "broke the protocol: a reply";
    headers_without_end: Lie::sends(Sends::HeadersForever), FILE =>
        "broke the protocol: a reply that nobody asked for";
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
