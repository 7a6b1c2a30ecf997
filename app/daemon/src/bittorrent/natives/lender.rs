//! One Potluck peer that has a file of a torrent.

use super::super::content::Content;
use super::super::loan::{Borrowed, Loan, LoanView};
use super::super::news::{Command, News};
use super::super::{guest_address, swarm::Request};
use super::Introduction;
use super::blocks::{BlockSink, FilePieces};
use crate::context::Context;
use crate::native;
use crate::source::{
    CloseReason, FetchItem, Job, Reporter, Sink, SourceCommand, SourceEvent, SourceNews,
};
use potluck_bittorrent::Overlap;
use potluck_content::{Address, PieceLayout, PieceSet};
use potluck_identity::PeerId;
use potluck_transfer::{RequestId, SourceId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Events of the peer that may wait.
const EVENTS: usize = 256;
/// Commands that may wait.
const COMMANDS: usize = 256;
/// Groups that are asked for at a time: 1 MiB, as other downloads do.
const MAX_GROUPS: u64 = 64;

/// See the module.
pub(super) struct Lender {
    pub(super) ctx: Arc<Context>,
    pub(super) peer: PeerId,
    pub(super) root: Address,
    pub(super) content: Arc<Content>,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) introduce: mpsc::Sender<Introduction>,
}

/// A peer that showed that it has the file.
struct Lending {
    view: watch::Sender<LoanView>,
    commands: mpsc::Receiver<Command>,
    pieces: Arc<FilePieces>,
    layout: Arc<PieceLayout>,
    have: PieceSet,
    size: u64,
    asked: Option<Asked>,
}

/// What it is asked for, since it is asked for anything.
struct Asked {
    loan: Arc<Loan>,
    sink: Arc<BlockSink>,
    job: Arc<Job>,
    next: u32,
    /// Requests to the peer, and the swarm's orders.
    orders: BTreeMap<u32, u32>,
    /// Pieces, and the orders of which they are.
    pieces: BTreeMap<u32, u32>,
}

/// Ends the connection with the lender.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lender {
    /// Lends until the peer or the torrent has enough.
    pub(super) async fn run(self) -> CloseReason {
        let (to_peer, commands) = mpsc::channel(native::COMMAND_QUEUE);
        let (events, mut heard) = mpsc::channel(EVENTS);
        let reporter = Reporter {
            source: SourceId(0),
            events,
        };
        let ctx = Arc::clone(&self.ctx);
        let (root, peer) = (self.root, self.peer);
        let _connection = Connection(tokio::spawn(native::run(
            ctx, root, peer, false, commands, reporter,
        )));
        let mut lending: Option<Lending> = None;
        loop {
            let (closed, command) = match &mut lending {
                Some(lending) => (Some(&lending.view), Some(&mut lending.commands)),
                None => (None, None),
            };
            tokio::select! {
                event = heard.recv() => {
                    let Some(SourceEvent { what, .. }) = event else {
                        return CloseReason::Lost("its task ended".to_owned());
                    };
                    match what {
                        SourceNews::Closed(reason) => {
                            if let Some(lending) = &mut lending {
                                lending.tell_what_came().await;
                            }
                            return reason;
                        }
                        SourceNews::Ready { head, have } => {
                            let Some(new) = self.ready(head.size, &have).await else {
                                return CloseReason::NotFound;
                            };
                            lending = Some(new);
                        }
                        SourceNews::Introduced(others) => {
                            for other in others {
                                // Those that find no room are named again.
                                let _ = self.introduce.try_send(other);
                            }
                        }
                        what => if let Some(lending) = &mut lending {
                            lending.heard(what).await;
                        },
                    }
                }
                () = is_closed(closed) => return CloseReason::Busy,
                command = next(command) => {
                    let Some(command) = command else { return CloseReason::Busy };
                    if let Some(lending) = &mut lending {
                        for command in lending.obey(command, self.root) {
                            if to_peer.send(command).await.is_err() {
                                return CloseReason::Lost("its task ended".to_owned());
                            }
                        }
                    }
                }
            }
        }
    }

    /// The peer has the link's content: if that is a file of the torrent, the swarm gets to know it.
    async fn ready(&self, size: u64, have: &potluck_transfer::wire::PieceMap) -> Option<Lending> {
        let pieces = Arc::new(FilePieces::new(&self.content, size)?);
        let layout = Arc::new(PieceLayout::for_blob(self.root.hash, size));
        let have = have.to_set(layout.pieces()).ok()?;
        let claims = pieces.claims(&have, piece_groups(&layout));
        let (view, receiver) = watch::channel(LoanView {
            claims,
            chokes: false,
        });
        let (lender, commands) = mpsc::channel(COMMANDS);
        let info = self.content.metainfo.info();
        let borrowed = Borrowed {
            view: receiver,
            lender,
            overlap: Arc::new(Overlap::new(info, info)),
            name: self.peer.to_string(),
            client: None,
            way: "native".to_owned(),
            address: guest_address(),
        };
        let request = Request::Borrow(Box::new(borrowed));
        self.requests.send(request).await.ok()?;
        Some(Lending {
            view,
            commands,
            pieces,
            layout,
            have,
            size,
            asked: None,
        })
    }
}

fn piece_groups(layout: &PieceLayout) -> u64 {
    let first = layout.get(0);
    first.map_or(1, |piece| (piece.groups.end - piece.groups.start).max(1))
}

async fn is_closed(view: Option<&watch::Sender<LoanView>>) {
    match view {
        Some(view) => view.closed().await,
        None => std::future::pending().await,
    }
}

async fn next(commands: Option<&mut mpsc::Receiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

impl Lending {
    /// What the peer tells of what it has and of what it was asked for.
    async fn heard(&mut self, what: SourceNews) {
        match what {
            SourceNews::Have(ranges) => {
                for range in ranges {
                    self.have
                        .insert_range(range.start..range.end.min(self.have.len()));
                }
                self.show();
            }
            SourceNews::Retract(ranges) => {
                for range in ranges {
                    self.have
                        .remove_range(range.start..range.end.min(self.have.len()));
                }
                self.show();
            }
            SourceNews::Received { request, bytes } => {
                self.tell(request, |order| News::Received { order, bytes })
                    .await;
            }
            SourceNews::Done { request } => {
                self.tell_what_came().await;
                self.tell(request, |order| News::Done { order }).await;
                self.forget(request);
            }
            SourceNews::Failed { request, .. } => {
                self.tell_what_came().await;
                self.tell(request, |order| News::Refused { order }).await;
                self.forget(request);
            }
            _ => {}
        }
        self.tell_what_came().await;
    }

    fn show(&self) {
        let claims = self.pieces.claims(&self.have, piece_groups(&self.layout));
        self.view.send_modify(|view| view.claims = claims);
    }

    async fn tell(&self, request: RequestId, what: impl FnOnce(u32) -> News) {
        if let Some(asked) = &self.asked
            && let Some(order) = asked.orders.get(&request.0)
        {
            asked.loan.tell(what(*order)).await;
        }
    }

    async fn tell_what_came(&mut self) {
        let Some(asked) = &mut self.asked else { return };
        for (piece, came) in asked.sink.take() {
            let order = asked.pieces.remove(&piece).unwrap_or(u32::MAX);
            asked.loan.tell(came.news(piece, order)).await;
        }
    }

    fn forget(&mut self, request: RequestId) {
        if let Some(asked) = &mut self.asked
            && let Some(order) = asked.orders.remove(&request.0)
        {
            asked.pieces.retain(|_, of| *of != order);
        }
    }

    /// What the swarm wants, as the peer is asked for it.
    fn obey(&mut self, command: Command, root: Address) -> Vec<SourceCommand> {
        match command {
            Command::Lend {
                loan,
                order,
                pieces,
            } => vec![self.fetch(&loan, root, order, &pieces)],
            Command::EndLoan { order, .. } => {
                let Some(asked) = &mut self.asked else {
                    return Vec::new();
                };
                let given_up = asked.orders.iter();
                let given_up = given_up.filter(|(_, of)| order.is_none_or(|order| order == **of));
                let requests: Vec<u32> = given_up.map(|(request, _)| *request).collect();
                for request in &requests {
                    asked.orders.remove(request);
                }
                let cancel = |request: u32| SourceCommand::Cancel {
                    request: RequestId(request),
                };
                requests.into_iter().map(cancel).collect()
            }
            _ => Vec::new(),
        }
    }

    fn fetch(
        &mut self,
        loan: &Arc<Loan>,
        root: Address,
        order: u32,
        pieces: &[u32],
    ) -> SourceCommand {
        let items = self.items(pieces, root);
        let (layout, file) = (Arc::clone(&self.layout), Arc::clone(&self.pieces));
        let asked = self.asked.get_or_insert_with(|| {
            let sink = Arc::new(BlockSink::new(Arc::clone(&loan.content), file, loan.key));
            let shared: Arc<dyn Sink> = Arc::<BlockSink>::clone(&sink);
            Asked {
                loan: Arc::clone(loan),
                sink,
                job: Arc::new(Job::new(root, layout, shared)),
                next: 0,
                orders: BTreeMap::new(),
                pieces: BTreeMap::new(),
            }
        });
        let request = asked.next;
        asked.next = asked.next.wrapping_add(1);
        asked.orders.insert(request, order);
        for piece in pieces {
            asked.pieces.insert(*piece, order);
        }
        SourceCommand::Fetch {
            job: Arc::clone(&asked.job),
            request: RequestId(request),
            items,
        }
    }

    /// Pieces of the torrent as runs of groups of the file.
    fn items(&self, pieces: &[u32], root: Address) -> Vec<FetchItem> {
        let step = piece_groups(&self.layout);
        let number = |piece: u64| u32::try_from(piece).unwrap_or(u32::MAX);
        let mut items: Vec<FetchItem> = Vec::new();
        for groups in pieces.iter().filter_map(|piece| self.pieces.groups(*piece)) {
            let mut start = groups.start;
            while start < groups.end {
                let end = groups.end.min(start + MAX_GROUPS);
                match items.last_mut() {
                    Some(last)
                        if last.groups.end == start && end - last.groups.start <= MAX_GROUPS =>
                    {
                        last.groups.end = end;
                        last.pieces.end = number(end.div_ceil(step));
                    }
                    _ => items.push(FetchItem {
                        blob: 0,
                        hash: root.hash,
                        size: self.size,
                        groups: start..end,
                        pieces: number(start / step)..number(end.div_ceil(step)),
                    }),
                }
                start = end;
            }
        }
        items
    }
}
