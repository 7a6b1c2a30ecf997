//! This machine as a source of its own: what it has of a torrent under other addresses is asked for as
//! from a peer that never chokes.

mod prove;

use super::PeerKey;
use super::assembly::{Taken, Verdict};
use super::content::{Content, FilesError};
use super::copies::{self, Copies, Kind, Twin};
use super::news::{Command, Gone, News, PeerNews};
use crate::context::Context;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use potluck_bittorrent::session::Claim;
use potluck_bittorrent::wire::{BLOCK_BYTES, Block};
use potluck_content::PieceSet;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

/// A torrent that was just finished is moving its files: they are readable again soon.
const MOVING: Duration = Duration::from_millis(200);
/// A copy may differ in so many pieces before it is another file.
const MAX_BAD: u32 = 16;
/// How often such bytes are asked for again.
const MAX_TRIES: u32 = 50;

/// Everything that copies are asked with.
pub(super) struct CopySetup {
    pub(super) ctx: Arc<Context>,
    pub(super) key: PeerKey,
    pub(super) content: Arc<Content>,
    pub(super) copies: Copies,
    pub(super) news: mpsc::Sender<PeerNews>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// What comes of watching a torrent that is being fetched.
struct Watched {
    twin: Arc<Twin>,
    receiver: broadcast::Receiver<u32>,
    what: Result<u32, RecvError>,
    is_ended: bool,
}

type Watching = FuturesUnordered<Pin<Box<dyn Future<Output = Watched> + Send>>>;

/// See the module.
struct CopyPeer {
    ctx: Arc<Context>,
    key: PeerKey,
    content: Arc<Content>,
    copies: Copies,
    news: mpsc::Sender<PeerNews>,
    claims: PieceSet,
    /// Pieces in which a copy differs.
    bad: PieceSet,
    /// Orders and what is left of them.
    orders: VecDeque<(u32, VecDeque<u32>)>,
}

/// What became of a piece.
enum Copied {
    Done(Vec<News>),
    /// It was not right. All of it is missing again.
    Wrong,
    /// A copy could not be read.
    Failed(String),
}

/// Gives copies to the swarm that wants them, for as long as there are any.
pub(super) async fn run(setup: CopySetup) {
    let (peer, news) = (setup.key, setup.news.clone());
    let mut commands = setup.commands;
    let count = setup.content.geometry.pieces();
    let mut copies = CopyPeer {
        ctx: setup.ctx,
        key: setup.key,
        content: setup.content,
        copies: setup.copies,
        news: setup.news,
        claims: PieceSet::new(count),
        bad: PieceSet::new(count),
        orders: VecDeque::new(),
    };
    let gone = copies.work(&mut commands).await;
    let what = News::Closed(gone);
    let _ = news.send(PeerNews { peer, what }).await;
}

async fn watch(twin: Arc<Twin>, mut receiver: broadcast::Receiver<u32>) -> Watched {
    let ended = twin.coming.as_ref().map(|coming| coming.ended.clone());
    let is_over = async {
        match &ended {
            Some(ended) => ended.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let (what, is_ended) = tokio::select! {
        biased;
        what = receiver.recv() => (what, false),
        () = is_over => (Err(RecvError::Closed), true),
    };
    Watched {
        twin,
        receiver,
        what,
        is_ended,
    }
}

impl CopyPeer {
    async fn tell(&self, what: News) {
        let peer = self.key;
        let _ = self.news.send(PeerNews { peer, what }).await;
    }

    async fn work(&mut self, commands: &mut mpsc::Receiver<Command>) -> Gone {
        let mut watching = Watching::new();
        for twin in self.copies.coming() {
            let receiver = twin.content.arrivals.subscribe();
            watching.push(Box::pin(watch(twin, receiver)));
        }
        self.prove(None).await;
        self.tell(News::Choke(false)).await;
        self.tell_all().await;
        loop {
            if self.copies.is_empty() {
                return Gone::Ended;
            }
            let is_busy = !self.orders.is_empty();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => return Gone::Ended,
                    Some(Command::Fetch { order, pieces }) => {
                        self.orders.push_back((order, pieces.into()));
                    }
                    Some(Command::Cancel { order }) => self.orders.retain(|(of, _)| *of != order),
                    Some(_) => {}
                },
                Some(watched) = watching.next() => {
                    if let Some(again) = self.watched(watched).await {
                        watching.push(again);
                    }
                }
                () = std::future::ready(()), if is_busy => self.next_piece().await,
            }
        }
    }

    /// A torrent that is being fetched has more, or is fetched no longer.
    async fn watched(
        &mut self,
        watched: Watched,
    ) -> Option<Pin<Box<dyn Future<Output = Watched> + Send>>> {
        let Watched {
            twin,
            receiver,
            what,
            is_ended,
        } = watched;
        match what {
            Ok(piece) => {
                let touched: Vec<u32> = twin.overlap.touched(piece).collect();
                self.prove(Some(&touched)).await;
                for piece in touched {
                    if !self.claims.contains(piece)
                        && !self.bad.contains(piece)
                        && self.copies.has(&self.content, piece)
                    {
                        self.claims.insert(piece);
                        self.tell(News::Claims(Claim::Piece(piece))).await;
                    }
                }
            }
            Err(RecvError::Lagged(_)) => {
                self.prove(None).await;
                self.tell_all().await;
            }
            Err(RecvError::Closed) => {
                if is_ended && !twin.content.is_finished() {
                    self.copies.drop_twin(&twin);
                }
                self.prove(None).await;
                self.tell_all().await;
                return None;
            }
        }
        Some(Box::pin(watch(twin, receiver)))
    }

    /// What can be had now, and what will be.
    async fn tell_all(&mut self) {
        let (content, copies) = (&self.content, &self.copies);
        self.claims = Copies::pieces(content, |piece| copies.has(content, piece));
        self.claims.subtract(&self.bad);
        let mut reserved = Copies::pieces(content, |piece| copies.will_have(content, piece));
        reserved.subtract(&self.bad);
        self.tell(News::Claims(Claim::Only(self.claims.clone())))
            .await;
        self.tell(News::Reserved(reserved)).await;
    }

    async fn next_piece(&mut self) {
        let Some((order, pieces)) = self.orders.front_mut() else {
            return;
        };
        let order = *order;
        let Some(piece) = pieces.pop_front() else {
            self.orders.pop_front();
            return self.tell(News::Done { order }).await;
        };
        let (mut tries, mut was_wrong) = (0, false);
        let copied = loop {
            match self.copy(order, piece) {
                Copied::Failed(_) if tries < MAX_TRIES && self.is_moving(piece) => tries += 1,
                // Some of it came from others, perhaps: now all of it comes from here.
                Copied::Wrong if !was_wrong => {
                    was_wrong = true;
                    continue;
                }
                copied => break copied,
            }
            tokio::time::sleep(MOVING).await;
        };
        match copied {
            Copied::Done(news) => {
                let bytes = self.content.piece_bytes(piece);
                self.tell(News::Received { order, bytes }).await;
                for what in news {
                    self.tell(what).await;
                }
            }
            Copied::Wrong => {
                self.bad.insert(piece);
                if self.bad.count() > MAX_BAD {
                    self.drop_places(piece);
                }
                self.refuse(order).await;
            }
            Copied::Failed(reason) => {
                tracing::info!(piece, %reason, "a copy on this machine is not used");
                self.drop_places(piece);
                self.refuse(order).await;
            }
        }
    }

    /// Gives an order up, and tells what can be had still.
    async fn refuse(&mut self, order: u32) {
        self.orders.retain(|(of, _)| *of != order);
        self.tell(News::Refused { order }).await;
        self.tell_all().await;
    }

    /// Whether a piece is in a torrent whose files are about to get their final names.
    fn is_moving(&self, piece: u32) -> bool {
        let spans = self.content.layout.spans(piece.into());
        let mut places = spans.filter_map(|span| self.copies.place(span.file?));
        places.any(|place| match &place.kind {
            Kind::Twin(twin) => {
                let coming = twin.coming.as_ref();
                coming.is_some_and(|coming| !coming.ended.is_cancelled())
            }
            Kind::Blob(_) => false,
        })
    }

    fn drop_places(&mut self, piece: u32) {
        let spans = self.content.layout.spans(piece.into());
        let files: Vec<usize> = spans.filter_map(|span| span.file).collect();
        for file in files {
            self.copies.drop_first(file);
        }
    }

    /// Takes a piece block by block.
    fn copy(&self, order: u32, piece: u32) -> Copied {
        let total = self.content.piece_bytes(piece);
        let mut news = Vec::new();
        let mut buffer = Vec::new();
        let mut begin = 0;
        while begin < total {
            let length = u64::from(BLOCK_BYTES).min(total - begin);
            let (Ok(at), Ok(bytes)) = (u32::try_from(begin), u32::try_from(length)) else {
                return Copied::Failed("a piece beyond all bounds".to_owned());
            };
            let block = Block {
                piece,
                begin: at,
                length: bytes,
            };
            begin += length;
            if !self.content.is_missing(block) {
                continue;
            }
            buffer.clear();
            buffer.resize(bytes as usize, 0);
            let taken = self.ctx.disk.work(&self.ctx.clock, buffer.len(), || {
                self.read_block(block, &mut buffer)?;
                Ok::<_, String>(self.keep(block, &buffer))
            });
            match taken {
                Err(reason) => return Copied::Failed(reason),
                Ok(Err(error)) => {
                    news.push(News::Unwritable(error.to_string(), error.is_no_space()));
                    break;
                }
                Ok(Ok(Some(Verdict::Wrong { .. }))) => return Copied::Wrong,
                Ok(Ok(Some(Verdict::Right { liars }))) => news.push(News::Piece {
                    order,
                    piece,
                    liars,
                }),
                Ok(Ok(None)) => {}
            }
        }
        Copied::Done(news)
    }

    /// Keeps a block, and checks its piece when that is full.
    fn keep(&self, block: Block, data: &[u8]) -> Result<Option<Verdict>, FilesError> {
        match self.content.take(block, data, self.key)? {
            Taken::Full(full) => self.content.check(block.piece, &full),
            Taken::Kept | Taken::Needless | Taken::Checking => Ok(None),
        }
    }

    fn read_block(&self, block: Block, out: &mut [u8]) -> Result<(), String> {
        let (begin, end) = (
            u64::from(block.begin),
            u64::from(block.begin + block.length),
        );
        let mut at = 0;
        for span in self.content.layout.spans(block.piece.into()) {
            let (from, to) = (at.max(begin), (at + span.bytes).min(end));
            let skipped = from.saturating_sub(at);
            at += span.bytes;
            let Some(file) = span.file.filter(|_| from < to) else {
                continue;
            };
            let index = |place: u64| usize::try_from(place - begin).unwrap_or(usize::MAX);
            let out = out.get_mut(index(from)..index(to)).unwrap_or_default();
            let place = self.copies.place(file).ok_or("there is no copy of it")?;
            copies::read(&self.ctx.store, place, file, span.offset + skipped, out)?;
        }
        Ok(())
    }
}
