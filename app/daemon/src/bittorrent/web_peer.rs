//! A web seed (BEP 19), as the swarm sees it: a peer that has everything and never chokes.

use super::PeerKey;
use super::allowance::Allowance;
use super::assembly::Taken;
use super::check::Check;
use super::content::Content;
use super::news::{Command, Gone, News, PeerNews};
use crate::context::Context;
use potluck_bittorrent::session::Claim;
use potluck_bittorrent::wire::{BLOCK_BYTES, Block};
use potluck_bittorrent_net::web_seed::{WebBlock, WebSeed, WebSeedError};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything that a web seed is asked with.
pub(super) struct WebSetup {
    pub(super) ctx: Arc<Context>,
    pub(super) key: PeerKey,
    pub(super) seed: WebSeed,
    pub(super) content: Arc<Content>,
    /// How fast bytes may come.
    pub(super) down: Allowance,
    pub(super) news: mpsc::Sender<PeerNews>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Pieces in a row that are to be fetched for an order, and whether they are its last.
struct Run {
    order: u32,
    pieces: Range<u32>,
    is_last: bool,
}

/// A run that is being fetched.
struct Running {
    run: Run,
    blocks: mpsc::Receiver<Result<WebBlock, WebSeedError>>,
}

/// See the module.
struct WebPeer {
    setup: WebSetup,
    waiting: VecDeque<Run>,
    running: Option<Running>,
    /// The block that is being put together.
    piece: u32,
    begin: u64,
    data: Vec<u8>,
}

/// Asks a web seed for what the swarm wants, until it is of no more use.
pub(super) async fn run(setup: WebSetup) {
    let (peer, news) = (setup.key, setup.news.clone());
    let web = WebPeer {
        setup,
        waiting: VecDeque::new(),
        running: None,
        piece: 0,
        begin: 0,
        data: Vec::new(),
    };
    let gone = web.work().await;
    let what = News::Closed(gone);
    let _ = news.send(PeerNews { peer, what }).await;
}

impl WebPeer {
    async fn tell(&self, what: News) {
        let peer = self.setup.key;
        let _ = self.setup.news.send(PeerNews { peer, what }).await;
    }

    async fn work(mut self) -> Gone {
        self.tell(News::Claims(Claim::All)).await;
        self.tell(News::Choke(false)).await;
        loop {
            self.begin_next();
            let block = async {
                match &mut self.running {
                    Some(running) => running.blocks.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = self.setup.commands.recv() => match command {
                    None => return Gone::Ended,
                    Some(Command::Fetch { order, pieces }) => self.queue(order, &pieces),
                    Some(Command::Cancel { order }) => self.cancel(order),
                    Some(_) => {}
                },
                block = block => match block {
                    Some(Ok(block)) => self.take(block).await,
                    Some(Err(error)) if error.is_permanent() => {
                        return Gone::Lost(error.to_string());
                    }
                    Some(Err(error)) => self.fail(&error).await,
                    None => self.end_of_run().await,
                },
            }
        }
    }

    fn queue(&mut self, order: u32, pieces: &[u32]) {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for &piece in pieces {
            match runs.last_mut() {
                Some(run) if run.end == piece => run.end += 1,
                _ => runs.push(piece..piece + 1),
            }
        }
        let count = runs.len();
        let runs = runs.into_iter().enumerate().map(|(at, pieces)| Run {
            order,
            pieces,
            is_last: at + 1 == count,
        });
        self.waiting.extend(runs);
    }

    fn cancel(&mut self, order: u32) {
        self.waiting.retain(|run| run.order != order);
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.run.order == order)
        {
            self.running = None;
        }
    }

    fn begin_next(&mut self) {
        if self.running.is_none()
            && let Some(run) = self.waiting.pop_front()
        {
            self.data.clear();
            let blocks = self.setup.seed.fetch(run.pieces.clone());
            self.running = Some(Running { run, blocks });
        }
    }

    async fn fail(&mut self, error: &WebSeedError) {
        tracing::debug!(%error, "a web seed failed");
        let Some(running) = self.running.take() else {
            return;
        };
        let order = running.run.order;
        self.cancel(order);
        self.tell(News::Refused { order }).await;
    }

    async fn end_of_run(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        if running.run.is_last {
            let order = running.run.order;
            self.tell(News::Done { order }).await;
        }
    }

    /// Takes bytes, cuts them in blocks as peers send them, and keeps those.
    async fn take(&mut self, block: WebBlock) {
        let Some(order) = self.running.as_ref().map(|running| running.run.order) else {
            return;
        };
        let bytes = block.bytes.len() as u64;
        self.setup.down.take(block.bytes.len()).await;
        self.tell(News::Received { order, bytes }).await;
        let mut rest = &block.bytes[..];
        let mut at = block.offset;
        while !rest.is_empty() {
            if self.data.is_empty() {
                (self.piece, self.begin) = (block.piece, at);
            }
            let whole = self.block_bytes();
            let missing = whole.saturating_sub(self.data.len()).max(1);
            let (now, after) = rest.split_at(missing.min(rest.len()));
            self.data.extend_from_slice(now);
            at += now.len() as u64;
            rest = after;
            if self.data.len() >= whole {
                self.keep(order).await;
            }
        }
    }

    /// Bytes of the block that is being put together.
    fn block_bytes(&self) -> usize {
        let piece = self.setup.content.piece_bytes(self.piece);
        let left = piece.saturating_sub(self.begin);
        usize::try_from(left.min(u64::from(BLOCK_BYTES))).unwrap_or_default()
    }

    async fn keep(&mut self, order: u32) {
        let data = std::mem::take(&mut self.data);
        let (Ok(begin), Ok(length)) = (u32::try_from(self.begin), u32::try_from(data.len())) else {
            return;
        };
        let piece = self.piece;
        let block = Block {
            piece,
            begin,
            length,
        };
        let WebSetup {
            ctx, content, key, ..
        } = &self.setup;
        let taken = ctx
            .disk
            .work(&ctx.clock, data.len(), || content.take(block, &data, *key));
        let news = match taken {
            Ok(Taken::Kept | Taken::Needless | Taken::Checking) => None,
            Ok(Taken::Full(full)) => {
                let check = Check {
                    content: Arc::clone(content),
                    piece,
                    full,
                    peer: *key,
                    order,
                    told_as: order,
                };
                check.run_here(&self.setup.news)
            }
            Err(error) => Some(News::Unwritable(error.to_string(), error.is_no_space())),
        };
        self.data = data;
        self.data.clear();
        if let Some(news) = news {
            self.tell(news).await;
        }
    }
}
