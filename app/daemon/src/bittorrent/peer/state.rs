//! What a connection knows, and what it makes of what comes in.

mod blocks;

use super::super::PeerKey;
use super::super::content::Content;
use super::super::hello::Hello;
use super::super::loan::Loan;
use super::super::news::{Command, Gone, News};
use super::checking::Checking;
use super::input::violation;
use super::lent::Lent;
use crate::context::Context;
use potluck_bittorrent::merkle::HashAnswers;
use potluck_bittorrent::session::{Event, Session};
use potluck_bittorrent::wire::extended::{Extended, ExtendedHandshake, MetadataMessage};
use potluck_bittorrent::wire::{Block, Geometry, HashRequest, Message, piece_head};
use potluck_content::PieceSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Parts of the info dictionary that one peer gets in all: some ask again and again.
const MAX_METADATA_SENT: u32 = 16 * 1024;
/// Answers with hashes that one peer gets in all.
const MAX_HASHES_SENT: u32 = 65_536;

/// See the module.
pub(super) struct State {
    ctx: Arc<Context>,
    key: PeerKey,
    session: Session,
    content: Option<Arc<Content>>,
    /// Set while the connection has to be told of it.
    known: Option<Arc<Content>>,
    news: Vec<News>,
    /// What is asked on behalf of other torrents.
    lent: Lent,
    /// The block that comes in.
    coming: Option<Coming>,
    /// Bytes since the last news of them: for an order, or for nothing.
    received: Option<(u32, u64)>,
    wasted: u64,
    /// The pieces that the peer was told of.
    told: PieceSet,
    metadata_sent: u32,
    hashes_sent: u32,
    answers: HashAnswers,
    checking: Checking,
    started: Instant,
}

struct Coming {
    block: Block,
    data: Vec<u8>,
    is_useful: bool,
}

impl State {
    pub(super) fn new(
        ctx: Arc<Context>,
        key: PeerKey,
        hello: Hello,
        content: Option<Arc<Content>>,
        checking: Checking,
    ) -> Self {
        let geometry = content.as_ref().map(|content| content.geometry);
        Self {
            ctx,
            key,
            session: Session::new(hello.features, geometry),
            content,
            known: None,
            news: Vec::new(),
            lent: Lent::default(),
            coming: None,
            received: None,
            wasted: 0,
            told: PieceSet::new(0),
            metadata_sent: 0,
            hashes_sent: 0,
            answers: HashAnswers::new(),
            checking,
            started: Instant::now(),
        }
    }

    pub(super) fn geometry(&self) -> Option<Geometry> {
        self.content.as_ref().map(|content| content.geometry)
    }

    /// Says who we are and what is here; nothing, when that `shows` piece by piece.
    pub(super) fn greet(&mut self, greeting: &ExtendedHandshake, shows: bool) {
        let have = self.content.as_ref().map(|content| match shows {
            true => PieceSet::new(content.geometry.pieces()),
            false => content.have(),
        });
        self.session.greet(greeting, have.as_ref());
        self.told = have.unwrap_or_else(|| PieceSet::new(0));
    }

    /// The torrent, once when it became known.
    pub(super) fn take_known(&mut self) -> Option<Arc<Content>> {
        self.known.take()
    }

    pub(super) fn know(&mut self, content: Arc<Content>) -> Result<(), Gone> {
        let have = content.have();
        let known = self.session.know(content.geometry, &have);
        known.map_err(violation)?;
        self.told = have;
        self.content = Some(content);
        if let Some(claims) = self.session.claims() {
            let all = potluck_bittorrent::session::Claim::Only(claims.clone());
            self.news.push(News::Claims(all));
        }
        Ok(())
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Takes what is to be said to the peer.
    pub(super) fn say(&mut self, out: &mut Vec<u8>) {
        if self.session.has_output() {
            out.append(&mut self.session.take_output());
        }
    }

    pub(super) fn keep_alive(&mut self) {
        self.session.send(&Message::KeepAlive);
    }

    /// Asks the peer for what there is to ask.
    pub(super) fn ask(&mut self) {
        let Some(content) = self.content.clone() else {
            return;
        };
        let lent = &self.lent;
        let mut needless: BTreeSet<(u32, u32)> = BTreeSet::new();
        self.session.fill(&mut |order, block| {
            let is_missing = lent.is_missing(order, &block);
            let is_missing = is_missing.unwrap_or_else(|| content.is_missing(block));
            if !is_missing {
                needless.insert((order, block.piece));
            }
            is_missing
        });
        // Whoever gave an order hears of it also when nothing had to be asked for it.
        for (order, piece) in needless {
            if !Lent::is_lent(order) && content.is_checking(piece) {
                self.checking.wait_for(piece, order);
            }
            self.end_if_done(order);
        }
    }

    /// A piece came to be here.
    pub(super) fn here(&mut self, piece: u32) {
        self.session.piece_is_here(piece);
        if self.told.insert(piece) {
            self.session.have(piece);
        }
        self.settled(piece);
    }

    /// It is known whether a piece is right that may have been checked for another connection.
    fn settled(&mut self, piece: u32) {
        for order in self.checking.settled(piece) {
            self.end_if_done(order);
        }
    }

    /// More pieces came to be here than could be told one by one.
    pub(super) fn catch_up(&mut self) {
        let Some(content) = &self.content else { return };
        let mut new = content.have();
        new.subtract(&self.told);
        for piece in new.ranges().flatten() {
            self.here(piece);
        }
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Fetch { order, pieces } => {
                let Some(content) = &self.content else { return };
                for piece in pieces {
                    let bytes = content.piece_bytes(piece);
                    self.session.ask(order, piece, bytes);
                }
            }
            Command::Cancel { order } => self.session.cancel(order),
            Command::Interested(are) => self.session.set_interested(are),
            Command::Show(piece) => self.here(piece),
            Command::ShowAll => self.catch_up(),
            Command::Wrong(piece) => self.settled(piece),
            Command::Choke(choke) => self.session.set_choking(choke),
            Command::Know(content) => self.known = Some(content),
            Command::Pex(pex) => {
                self.session.send_extended(&Extended::Pex(pex));
            }
            Command::Holepunch(punch) => {
                self.session.send_extended(&Extended::Holepunch(punch));
            }
            Command::AskMetadata(piece) => {
                let request = MetadataMessage::Request { piece };
                if !self.session.send_extended(&Extended::Metadata(request)) {
                    self.news.push(News::NoMetadata { piece });
                }
            }
            Command::AskHashes(request) => self.session.send(&Message::HashRequest(request)),
            Command::Lend {
                loan,
                order,
                pieces,
            } => self.lent.ask(&mut self.session, &loan, order, &pieces),
            Command::EndLoan { loan, order } => {
                self.lent.cancel(&mut self.session, &loan, order);
            }
        }
    }

    pub(super) fn message(&mut self, message: Message<'_>) -> Result<(), Gone> {
        let event = self.session.handle(message).map_err(violation)?;
        self.react(event);
        Ok(())
    }

    fn react(&mut self, event: Event<'_>) {
        let news = match event {
            Event::Nothing | Event::Asked | Event::DhtPort(_) => return,
            Event::Unchoked => News::Choke(false),
            Event::Choked => {
                self.lent.choked();
                News::Choke(true)
            }
            Event::Interested(are) => News::Interested(are),
            Event::Claims(claim) => News::Claims(claim),
            Event::Refused(order) if self.lent.refused(&mut self.session, order) => return,
            Event::Refused(order) => News::Refused { order },
            Event::Handshake(handshake) => News::Handshake(handshake),
            Event::Pex(pex) => News::Pex(pex),
            Event::Holepunch(punch) => News::Holepunch(punch),
            Event::Metadata(message) => match self.metadata(message) {
                Some(news) => news,
                None => return,
            },
            Event::HashRequest(request) => return self.answer_hashes(&request),
            Event::Hashes(request, hashes) => News::Hashes {
                request,
                hashes: hashes.all().to_vec(),
            },
            Event::HashReject(request) => News::NoHashes { request },
        };
        self.news.push(news);
    }

    fn metadata(&mut self, message: MetadataMessage<'_>) -> Option<News> {
        match message {
            MetadataMessage::Request { piece } => {
                let info = self.content.as_ref().map(|content| &content.metainfo);
                let answer = match info {
                    Some(metainfo) if self.metadata_sent < MAX_METADATA_SENT => {
                        self.metadata_sent += 1;
                        MetadataMessage::answer(metainfo.info().bytes(), piece)
                    }
                    _ => MetadataMessage::Reject { piece },
                };
                self.session.send_extended(&Extended::Metadata(answer));
                None
            }
            MetadataMessage::Data {
                piece,
                total_bytes,
                data,
            } => Some(News::Metadata {
                piece,
                total_bytes,
                data: data.to_vec(),
            }),
            MetadataMessage::Reject { piece } => Some(News::NoMetadata { piece }),
            MetadataMessage::Unknown => None,
        }
    }

    fn answer_hashes(&mut self, request: &HashRequest) {
        self.hashes_sent += 1;
        let content = self.content.as_ref();
        let content = content.filter(|_| self.hashes_sent < MAX_HASHES_SENT);
        let hashes = content.and_then(|content| self.answers.answer(&content.metainfo, request));
        match hashes {
            Some(hashes) => self.session.send(&Message::Hashes {
                request: *request,
                hashes: potluck_bittorrent::wire::HashList::new(&hashes),
            }),
            None => self.session.send(&Message::HashReject(*request)),
        }
    }

    /// What is to be told to other torrents.
    pub(super) fn take_lent_news(&mut self) -> Vec<(Arc<Loan>, News)> {
        self.lent.take_news()
    }

    pub(super) fn next_upload(&mut self) -> Option<Block> {
        self.session.next_upload()
    }

    /// Reads a block and appends it, or refuses it.
    pub(super) fn upload(&mut self, block: Block, out: &mut Vec<u8>) {
        let content = self.content.as_ref();
        let may_ask = self.told.contains(block.piece);
        let content = content.filter(|content| may_ask && content.has(block.piece));
        let Some(content) = content else {
            return self.session.refuse(block);
        };
        let head = piece_head(&block);
        let start = out.len();
        let end = start + head.len() + block.length as usize;
        out.extend_from_slice(&head);
        out.resize(end, 0);
        let read = self
            .ctx
            .disk
            .work(&self.ctx.clock, block.length as usize, || {
                content.read(block, out.get_mut(start + head.len()..).unwrap_or_default())
            });
        match read {
            Ok(()) => self.news.push(News::Sent {
                piece: block.piece,
                bytes: block.length.into(),
            }),
            Err(error) => {
                tracing::warn!(%error, piece = block.piece, "a piece can't be served");
                out.truncate(start);
                self.session.refuse(block);
                self.session.dont_have(block.piece);
                self.news.push(News::Unreadable(block.piece));
            }
        }
    }
}
