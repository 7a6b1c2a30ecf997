//! One connection: moves bytes between the socket, the machine that knows the protocol, and the files.

mod checking;
mod input;
mod lent;
mod output;
mod state;

use super::PeerKey;
use super::allowance::Allowances;
use super::content::Content;
use super::hello::Hello;
use super::news::{Command, Gone, News, PeerNews};
use crate::context::Context;
use checking::Checking;
use input::Input;
use output::Output;
use potluck_bittorrent::wire::extended::ExtendedHandshake;
use state::State;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

/// Commands that may wait for a connection.
pub(super) const COMMANDS: usize = 1024;
/// Pieces that were checked and of which the connection doesn't know yet.
const CHECKED: usize = 16;
/// How often it is looked whether anything has to be said.
const TICK: Duration = Duration::from_secs(10);
/// A connection is kept alive with a message after this silence of ours (BEP 3: two minutes).
const KEEP_ALIVE: Duration = Duration::from_secs(90);
/// A peer that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(240);

/// Everything that a connection is made with.
pub(super) struct Setup {
    pub(super) ctx: Arc<Context>,
    pub(super) key: PeerKey,
    pub(super) hello: Hello,
    /// What we tell of ourselves.
    pub(super) greeting: ExtendedHandshake,
    pub(super) content: Option<Arc<Content>>,
    /// What is here is shown piece by piece, when the swarm says.
    pub(super) shows: bool,
    /// How fast bytes may pass.
    pub(super) allowances: Allowances,
    pub(super) news: mpsc::Sender<PeerNews>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Runs a connection to its end, and tells the swarm why it ended.
pub(super) async fn run<S>(stream: S, setup: Setup)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (peer, news) = (setup.key, setup.news.clone());
    let gone = match connection(stream, setup).await {
        Ok(()) => Gone::Ended,
        Err(gone) => gone,
    };
    let what = News::Closed(gone);
    let _ = news.send(PeerNews { peer, what }).await;
}

/// Tells the swarm, and those for whom the peer is asked, what came.
async fn pass_on(state: &mut State, key: PeerKey, news: &mpsc::Sender<PeerNews>) {
    for what in state.take_news() {
        let _ = news.send(PeerNews { peer: key, what }).await;
    }
    for (loan, what) in state.take_lent_news() {
        loan.tell(what).await;
    }
}

async fn connection<S>(stream: S, setup: Setup) -> Result<(), Gone>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut reader, mut writer) = split(stream);
    let Setup {
        ctx,
        key,
        hello,
        greeting,
        content,
        shows,
        allowances,
        news,
        mut commands,
    } = setup;
    let mut arrivals = content.as_ref().map(|content| content.arrivals.subscribe());
    let (told, mut checked) = mpsc::channel(CHECKED);
    let checking = Checking::new(news.clone(), told);
    let mut state = State::new(Arc::clone(&ctx), key, hello, content, checking);
    state.greet(&greeting, shows);
    let mut input = Input::new(state.geometry());
    let mut output = Output::default();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut said) = (Instant::now(), Instant::now());
    loop {
        state.ask();
        output.fill(&allowances.up, &mut state);
        pass_on(&mut state, key, &news).await;
        if let Some(content) = state.take_known() {
            arrivals = Some(content.arrivals.subscribe());
            input.know(content.geometry);
            state.know(content)?;
            continue;
        }
        tokio::select! {
            read = input.turn(&mut reader) => {
                let Some(bytes) = read.map_err(lost)? else { continue };
                if bytes == 0 {
                    return Err(Gone::Lost("the peer closed the connection".to_owned()));
                }
                heard = Instant::now();
                input.received(&allowances.down, bytes);
                input.process(&mut state)?;
            }
            wrote = output.turn(&mut writer), if output.has_work() => {
                if wrote.map_err(lost)? {
                    said = Instant::now();
                }
            }
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(command) => state.obey(command),
            },
            piece = arrived(&mut arrivals) => match piece {
                Ok(piece) => state.here(piece),
                Err(RecvError::Lagged(_)) => state.catch_up(),
                Err(RecvError::Closed) => return Ok(()),
            },
            Some(order) = checked.recv() => state.checked(order),
            _ = ticks.tick() => {
                if heard.elapsed() > SILENCE {
                    return Err(Gone::Lost("silent for four minutes".to_owned()));
                }
                if said.elapsed() > KEEP_ALIVE {
                    state.keep_alive();
                }
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // as errors are mapped
fn lost(error: std::io::Error) -> Gone {
    Gone::Lost(error.to_string())
}

async fn arrived(arrivals: &mut Option<broadcast::Receiver<u32>>) -> Result<u32, RecvError> {
    match arrivals {
        Some(arrivals) => arrivals.recv().await,
        None => std::future::pending().await,
    }
}
