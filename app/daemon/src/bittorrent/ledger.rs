//! What is given and how long torrents are seeded: looked at each second, written down now and then, and
//! held against the owner's goals.

use super::goals::{Given, Goals};
use super::swarm::SwarmHandle;
use super::{lock, seed};
use crate::config::Rules;
use crate::context::Context;
use potluck_bittorrent::InfoHashes;
use potluck_store::{TorrentCount, TorrentInfo, TorrentKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{MissedTickBehavior, interval};

/// How often swarms are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often what was counted is written down: a node that is killed forgets no more than that.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(super) struct Ledger {
    books: AsyncMutex<BTreeMap<TorrentKey, Book>>,
}

/// What is counted of one torrent.
struct Book {
    swarm: SwarmHandle,
    /// Bytes that the swarm had sent and received when it was looked at last.
    seen: (u64, u64),
    /// Up to when the time of seeding is counted; none while it is not seeded.
    seeding: Option<Instant>,
    /// Not written down yet.
    pending: TorrentCount,
    /// What the store knows, if that was asked since the last change.
    info: Option<TorrentInfo>,
}

impl Ledger {
    /// What the store knows of a torrent has changed.
    pub(super) async fn changed(&self, key: &TorrentKey) {
        if let Some(book) = self.books.lock().await.get_mut(key) {
            book.info = None;
        }
    }

    /// What was counted of a torrent and is not written down yet.
    pub(super) async fn pending(&self, key: &TorrentKey) -> TorrentCount {
        let books = self.books.lock().await;
        books.get(key).map(|book| book.pending).unwrap_or_default()
    }
}

impl Book {
    fn new(swarm: SwarmHandle) -> Self {
        Self {
            swarm,
            seen: (0, 0),
            seeding: None,
            pending: TorrentCount::default(),
            info: None,
        }
    }

    /// Counts what was done since the last look.
    fn look(&mut self, now: Instant) {
        let snapshot = Arc::clone(&self.swarm.status.borrow());
        let (sent, received) = self.seen;
        self.pending.uploaded_bytes += snapshot.sent.saturating_sub(sent);
        self.pending.fetched_bytes += snapshot.received.saturating_sub(received);
        self.seen = (snapshot.sent, snapshot.received);
        let is_seeding = snapshot.total_bytes > 0 && !snapshot.is_fetching;
        if let Some(since) = self.seeding {
            let seconds = now.saturating_duration_since(since).as_secs();
            self.pending.seeded_seconds += seconds;
            self.seeding = Some(since + Duration::from_secs(seconds));
        }
        match (is_seeding && !self.has_ended(), self.seeding) {
            (true, None) => self.seeding = Some(now),
            (false, Some(_)) => self.seeding = None,
            _ => {}
        }
    }

    fn has_ended(&self) -> bool {
        self.swarm.requests.is_closed()
    }

    /// Which goal is reached, in words.
    fn reached(&self, rules: &Rules) -> Option<String> {
        let info = self.info.as_ref().filter(|info| info.complete)?;
        let given = Given::of(info);
        Goals::of(rules, &info.owner).reached(&Given {
            uploaded_bytes: given.uploaded_bytes + self.pending.uploaded_bytes,
            seeded_seconds: given.seeded_seconds + self.pending.seeded_seconds,
            ..given
        })
    }
}

/// Keeps the books until the node shuts down; and serves again what was not served, when the owner
/// changes the goals.
pub(crate) async fn keep(ctx: Arc<Context>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rules = ctx.torrents.rules.subscribe();
    let mut written = Instant::now();
    loop {
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
            changed = rules.changed() => if changed.is_ok() && !ctx.torrents.settings().in_command {
                seed::resume(Arc::clone(&ctx)).await;
            },
        }
        let is_due = written.elapsed() >= WRITE_EVERY;
        if is_due {
            written = Instant::now();
        }
        turn(&ctx, is_due).await;
    }
}

/// Opens a book for each torrent that has none yet, before the swarms end.
pub(crate) async fn open_all(ctx: &Arc<Context>) {
    open(ctx, &mut *ctx.torrents.ledger.books.lock().await);
}

/// Writes down what was not yet, once all swarms have ended.
pub(crate) async fn settle(ctx: &Arc<Context>) {
    let mut books = ctx.torrents.ledger.books.lock().await;
    let now = Instant::now();
    books.values_mut().for_each(|book| book.look(now));
    write(ctx, &mut books).await;
}

async fn turn(ctx: &Arc<Context>, is_due: bool) {
    let mut books = ctx.torrents.ledger.books.lock().await;
    open(ctx, &mut books);
    let now = Instant::now();
    books.values_mut().for_each(|book| book.look(now));
    let ended = books.iter().filter(|(_, book)| book.has_ended());
    let ended: Vec<TorrentKey> = ended.map(|(key, _)| *key).collect();
    if is_due || !ended.is_empty() {
        write(ctx, &mut books).await;
        books.retain(|_, book| !book.has_ended());
    }
    again(ctx, ended).await;
    let rules = ctx.config().bittorrent.rules;
    ask_the_store(ctx, &mut books).await;
    let mut ended = Vec::new();
    for book in books.values_mut().filter(|book| book.seeding.is_some()) {
        if let Some(reason) = book.reached(&rules) {
            let name = book.info.as_ref().map_or("", |info| info.name.as_str());
            tracing::info!(name, %reason, "a torrent is not seeded any more");
            book.seeding = None;
            ended.push(book.swarm.clone());
        }
    }
    if ended.is_empty() {
        return;
    }
    // Written first: who sees that it is not served can see why.
    write(ctx, &mut books).await;
    for swarm in ended {
        swarm.end();
    }
}

/// Serves again what ended and is to be seeded all the same: the owner changed its goals while it ended.
async fn again(ctx: &Arc<Context>, ended: Vec<TorrentKey>) {
    if ctx.torrents.settings().in_command {
        return;
    }
    for key in ended {
        let info = ctx.blocking(move |store| store.torrent(&key)).await;
        if let Some(Ok(Some(info))) = info {
            seed::resume_one(ctx, &info).await;
        }
    }
}

/// Opens a book for each torrent that is known and moves.
fn open(ctx: &Context, books: &mut BTreeMap<TorrentKey, Book>) {
    let swarms: BTreeMap<InfoHashes, SwarmHandle> = lock(&ctx.torrents.swarms)
        .values()
        .map(|handle| (handle.hashes, handle.clone()))
        .collect();
    for swarm in swarms.into_values() {
        let known = swarm.status.borrow().metainfo.clone();
        // One that was named by one of two infohashes may be known by the other.
        let Some(key) = known.map(|metainfo| TorrentKey::of(&metainfo)) else {
            continue;
        };
        let new = || Book::new(swarm.clone());
        let book = books.entry(key).or_insert_with(new);
        if !book.swarm.requests.same_channel(&swarm.requests) {
            book.look(Instant::now());
            let pending = book.pending;
            *book = Book { pending, ..new() };
        }
    }
}

/// Learns what the store knows of torrents that are seeded.
async fn ask_the_store(ctx: &Arc<Context>, books: &mut BTreeMap<TorrentKey, Book>) {
    let unknown = books
        .iter()
        .filter(|(_, book)| book.seeding.is_some() && book.info.is_none());
    let unknown: Vec<TorrentKey> = unknown.map(|(key, _)| *key).collect();
    if unknown.is_empty() {
        return;
    }
    let found = ctx.blocking(move |store| {
        let found = unknown.iter().map(|key| store.torrent(key));
        found.collect::<Result<Vec<_>, _>>()
    });
    match found.await {
        Some(Ok(found)) => {
            for info in found.into_iter().flatten() {
                if let Some(book) = books.get_mut(&info.key) {
                    book.info = Some(info);
                }
            }
        }
        Some(Err(error)) => tracing::warn!(%error, "goals of seeding are not looked at"),
        None => {}
    }
}

async fn write(ctx: &Arc<Context>, books: &mut BTreeMap<TorrentKey, Book>) {
    let pending = books.iter();
    let pending = pending.map(|(key, book)| (*key, book.pending));
    let counts: Vec<_> = pending
        .filter(|(_, count)| *count != TorrentCount::default())
        .collect();
    if counts.is_empty() {
        return;
    }
    let written = ctx.blocking({
        let counts = counts.clone();
        move |store| store.count_torrents(&counts)
    });
    match written.await {
        Some(Ok(())) => {
            for (key, _) in counts {
                if let Some(book) = books.get_mut(&key) {
                    book.pending = TorrentCount::default();
                    book.info = None;
                }
            }
        }
        Some(Err(error)) => tracing::warn!(%error, "what was given is not written down"),
        None => {}
    }
}
