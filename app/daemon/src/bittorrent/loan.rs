//! A peer of another torrent that has the same file, as a source of this one: its own swarm keeps the
//! connection, and asks it on our behalf.

use super::PeerKey;
use super::content::Content;
use super::news::{Command, Gone, News, PeerNews};
use potluck_bittorrent::Overlap;
use potluck_bittorrent::session::Claim;
use potluck_content::PieceSet;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a connection needs to ask on behalf of another torrent.
pub(super) struct Loan {
    /// Where the bytes go.
    pub(super) content: Arc<Content>,
    /// Its files in common with the torrent of the connection.
    pub(super) overlap: Arc<Overlap>,
    /// To whom it is told what comes, and who it is there.
    pub(super) news: mpsc::Sender<PeerNews>,
    pub(super) key: PeerKey,
    /// Nothing more is wanted.
    pub(super) ended: CancellationToken,
}

impl Loan {
    /// Tells the borrower what came.
    pub(super) async fn tell(&self, what: News) {
        let peer = self.key;
        let _ = self.news.send(PeerNews { peer, what }).await;
    }
}

/// What a lent peer can do for the borrower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoanView {
    /// Pieces of the borrower that it has.
    pub(super) claims: PieceSet,
    /// It answers no requests now.
    pub(super) chokes: bool,
}

/// A peer that another torrent lends.
pub(super) struct Borrowed {
    pub(super) view: watch::Receiver<LoanView>,
    /// To its connection.
    pub(super) lender: mpsc::Sender<Command>,
    pub(super) overlap: Arc<Overlap>,
    /// How people know it.
    pub(super) name: String,
    pub(super) client: Option<String>,
    pub(super) way: String,
    pub(super) address: std::net::SocketAddr,
}

/// Everything that a lent peer is asked with.
pub(super) struct LoanSetup {
    pub(super) key: PeerKey,
    pub(super) content: Arc<Content>,
    pub(super) view: watch::Receiver<LoanView>,
    pub(super) lender: mpsc::Sender<Command>,
    pub(super) overlap: Arc<Overlap>,
    pub(super) news: mpsc::Sender<PeerNews>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Passes on what the borrower asks, and what the lender can do, until one of them has enough.
pub(super) async fn run(setup: LoanSetup) {
    let (peer, news) = (setup.key, setup.news.clone());
    let gone = pass_on(setup).await;
    let what = News::Closed(gone);
    let _ = news.send(PeerNews { peer, what }).await;
}

async fn pass_on(setup: LoanSetup) -> Gone {
    let LoanSetup {
        key,
        content,
        mut view,
        lender,
        overlap,
        news,
        mut commands,
    } = setup;
    let ended = CancellationToken::new();
    // However this task ends, the connection asks no more.
    let _guard: DropGuard = ended.clone().drop_guard();
    let loan = Arc::new(Loan {
        content,
        overlap,
        news: news.clone(),
        key,
        ended,
    });
    let tell = async |what| {
        let _ = news.send(PeerNews { peer: key, what }).await;
    };
    let mut known = LoanView {
        claims: PieceSet::new(0),
        chokes: true,
    };
    view.mark_changed();
    loop {
        let command = tokio::select! {
            changed = view.changed() => {
                if changed.is_err() {
                    return Gone::Ended;
                }
                let now = view.borrow_and_update().clone();
                if now.claims != known.claims {
                    tell(News::Claims(Claim::Only(now.claims.clone()))).await;
                }
                let loan = Arc::clone(&loan);
                let stopped = now.chokes && !known.chokes;
                if now.chokes != known.chokes {
                    tell(News::Choke(now.chokes)).await;
                }
                known = now;
                stopped.then_some(Command::EndLoan { loan, order: None })
            }
            command = commands.recv() => {
                let loan = Arc::clone(&loan);
                match command {
                    None => return Gone::Ended,
                    Some(Command::Fetch { order, pieces }) => {
                        Some(Command::Lend { loan, order, pieces })
                    }
                    Some(Command::Cancel { order }) => Some(Command::EndLoan {
                        loan,
                        order: Some(order),
                    }),
                    Some(_) => None,
                }
            }
        };
        if let Some(command) = command
            && lender.send(command).await.is_err()
        {
            return Gone::Ended;
        }
    }
}
