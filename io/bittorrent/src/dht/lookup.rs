//! Searches for peers, and announces.

use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use mainline::Id;
use mainline::errors::PutQueryError;
use potluck_bittorrent::InfoHashV1;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::keeper::Inner;
use super::{DhtError, MAX_FOUND_PEERS, is_usable};

/// A search takes a few seconds. One that strangers keep going ends here.
const SEARCH_TIME: Duration = Duration::from_secs(60);
/// To wait for others that search, and for nodes to announce to.
const ANNOUNCE_TIME: Duration = Duration::from_secs(120);

/// How a search with one start of `mainline` ended.
enum End {
    /// All was asked, or nobody listens.
    Done,
    /// `mainline` was started again meanwhile.
    Restarted,
}

/// Looks for peers of a torrent until that ends or nobody wants to know.
pub(super) async fn search(
    inner: Arc<Inner>,
    torrent: InfoHashV1,
    found: mpsc::Sender<Vec<SocketAddr>>,
) {
    let deadline = Instant::now() + SEARCH_TIME;
    let work = async {
        let Ok(_turn) = inner.lookups.acquire().await else {
            return;
        };
        let mut restarts = inner.restarts.subscribe();
        let mut seen = BTreeSet::new();
        while let End::Restarted = once(&inner, torrent, &found, &mut seen, &mut restarts).await {}
    };
    tokio::select! {
        () = work => {}
        () = sleep_until(deadline) => {}
        () = found.closed() => {}
    }
}

async fn once(
    inner: &Inner,
    torrent: InfoHashV1,
    found: &mpsc::Sender<Vec<SocketAddr>>,
    seen: &mut BTreeSet<SocketAddrV4>,
    restarts: &mut watch::Receiver<u64>,
) -> End {
    restarts.borrow_and_update();
    let restarted = |changed: Result<(), _>| changed.map_or(End::Done, |()| End::Restarted);
    // Nobody could be asked yet; that is about to change.
    if inner.is_waiting() {
        return restarted(restarts.changed().await);
    }
    let Some(dht) = inner.dht() else {
        return End::Done;
    };
    let mut answers = dht.get_peers(Id::from(*torrent.as_bytes()));
    // Its thread, and with it the port, is there for as long as anyone holds it.
    drop(dht);
    loop {
        let peers = tokio::select! {
            peers = answers.next() => peers,
            changed = restarts.changed() => return restarted(changed),
        };
        let Some(mut peers) = peers else {
            return End::Done;
        };
        let room = MAX_FOUND_PEERS.saturating_sub(seen.len());
        peers.retain(|peer| is_usable(*peer, inner.is_local) && !seen.contains(peer));
        peers.truncate(room);
        peers.retain(|peer| seen.insert(*peer));
        let peers: Vec<SocketAddr> = peers.into_iter().map(SocketAddr::V4).collect();
        if !peers.is_empty() && found.send(peers).await.is_err() || room == 0 {
            return End::Done;
        }
    }
}

/// Announces a torrent. Nodes take that only of who asked them for its peers first, so that is done;
/// left to itself `mainline` would ask for a value instead (BEP 44), which not all nodes answer.
pub(super) async fn announce(
    inner: &Arc<Inner>,
    torrent: InfoHashV1,
    port: Option<u16>,
) -> Result<(), DhtError> {
    let work = async {
        let turn = inner.lookups.acquire().await;
        let _turn = turn.map_err(|_| DhtError::Stopped)?;
        let mut restarts = inner.restarts.subscribe();
        if inner.is_waiting() {
            let _ = restarts.changed().await;
        }
        let id = Id::from(*torrent.as_bytes());
        let dht = inner.dht().ok_or(DhtError::Stopped)?;
        let asked = inner.ask_for(SEARCH_TIME, async move {
            let mut answers = dht.get_peers(id);
            while answers.next().await.is_some() {}
            dht.announce_peer(id, port).await
        });
        match asked.await? {
            Ok(_) => Ok(()),
            Err(PutQueryError::NoClosestNodes) => Err(DhtError::NoNodes),
            Err(_) => Err(DhtError::NotTaken),
        }
    };
    let done = timeout(ANNOUNCE_TIME, work).await;
    done.map_err(|_| DhtError::Timeout)?
}
