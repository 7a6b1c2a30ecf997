//! What the user of a `get` is told.

use super::super::list::address;
use super::super::swarm::{Snapshot, TorrentPeer};
use crate::errors;
use potluck_api::{ErrorBody, GetEvent, PathKind, Phase, SourceProgress, SourceResult};
use potluck_bittorrent::{FileKind, InfoHashes, Metainfo};
use potluck_content::PieceSet;
use potluck_identity::PeerId;
use potluck_store::TorrentDownload;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Sources listed in one event.
const MAX_LISTED: usize = 32;
/// Trackers whose troubles are told in one line.
const MAX_TROUBLES: usize = 3;
/// How often it is told what is awaited.
const WAITING_EVERY: Duration = Duration::from_millis(900);
/// The kind of a source, as events name it.
const KIND: &str = "torrent";
/// What is taken from this machine.
const LOCAL: &str = "local";
/// What Potluck peers send.
const NATIVE: &str = "native";

/// Tells the user.
pub(in crate::bittorrent) struct Events {
    to: mpsc::Sender<GetEvent>,
    name: String,
    patience: Option<Duration>,
    state: Mutex<State>,
}

struct State {
    started: Instant,
    last_waiting: Option<Instant>,
    /// When a byte came last, and how many there were.
    last_life: Instant,
    received: u64,
}

impl State {
    /// Whether it is time to tell again what is awaited.
    fn is_due(&mut self) -> bool {
        let is_due = self
            .last_waiting
            .is_none_or(|last| last.elapsed() >= WAITING_EVERY);
        if is_due {
            self.last_waiting = Some(Instant::now());
        }
        is_due
    }
}

impl Events {
    pub(super) fn new(
        to: mpsc::Sender<GetEvent>,
        hashes: InfoHashes,
        patience: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            to,
            name: address(&hashes),
            patience,
            state: Mutex::new(State {
                started: now,
                last_waiting: None,
                last_life: now,
                received: 0,
            }),
        }
    }

    /// To tell the user something from another task.
    pub(super) fn sender(&self) -> mpsc::Sender<GetEvent> {
        self.to.clone()
    }

    fn tell(&self, event: GetEvent) {
        let _ = self.to.try_send(event);
    }

    pub(super) async fn resolving(&self, name: Option<String>) {
        let cid = self.name.clone();
        let _ = self.to.send(GetEvent::Resolving { cid, name }).await;
    }

    pub(super) fn notice(&self, message: &str) {
        self.tell(GetEvent::Notice {
            message: message.to_owned(),
        });
    }

    /// Says, now and then, why it is not begun.
    pub(in crate::bittorrent) fn queued(&self, reason: String) {
        let mut state = super::lock(&self.state);
        if state.is_due() {
            self.tell(GetEvent::Waiting {
                phase: Phase::Queued,
                reason,
                asked: 0,
                connected: 0,
                seconds: state.started.elapsed().as_secs_f64(),
            });
        }
    }

    /// It is begun: time in the queue tries nobody's patience.
    pub(super) fn begin(&self) {
        let mut state = super::lock(&self.state);
        let now = Instant::now();
        (state.started, state.last_life, state.last_waiting) = (now, now, None);
    }

    /// Says what is awaited while the torrent is not known, and gives up in time.
    pub(super) fn learning(&self, snapshot: &Snapshot) -> Result<(), ErrorBody> {
        let mut state = super::lock(&self.state);
        if self
            .patience
            .is_some_and(|patience| state.started.elapsed() >= patience)
        {
            return Err(errors::not_found(
                format!(
                    "nobody told what the torrent is within {} s ({})",
                    self.patience.unwrap_or_default().as_secs_f64(),
                    who(snapshot)
                ),
                "a .torrent file, or a magnet link with trackers, needs less luck",
            ));
        }
        if state.is_due() {
            self.tell(GetEvent::Waiting {
                phase: Phase::Finding,
                reason: format!("waiting to be told what the torrent is: {}", who(snapshot)),
                asked: count(snapshot.known),
                connected: count(snapshot.peers.len()),
                seconds: state.started.elapsed().as_secs_f64(),
            });
        }
        Ok(())
    }

    pub(super) async fn found(&self, download: &TorrentDownload, have: &PieceSet) {
        let metainfo = download.metainfo();
        let (files, bytes) = extent(download);
        let pieces: u64 = have
            .ranges()
            .flatten()
            .flat_map(|piece| download.layout().spans(piece.into()))
            .filter(|span| span.file.is_some())
            .map(|span| span.bytes)
            .sum();
        let event = GetEvent::Found {
            name: metainfo.info().name().to_owned(),
            bytes,
            files,
            have_bytes: pieces.min(bytes),
            path: download.dest().display().to_string(),
        };
        let _ = self.to.send(event).await;
    }

    /// Says how far it is, and gives up when nothing comes for too long.
    pub(super) fn fetching(&self, snapshot: &Snapshot) -> Result<(), ErrorBody> {
        let mut state = super::lock(&self.state);
        let received = snapshot.received.max(snapshot.have_bytes);
        if received > state.received {
            state.received = received;
            state.last_life = Instant::now();
        }
        let reason = snapshot
            .waiting
            .as_ref()
            .map(|waiting| match snapshot.peers.len() {
                0 => who(snapshot),
                _ => format!("{waiting}; {}", who(snapshot)),
            });
        if self
            .patience
            .is_some_and(|patience| state.last_life.elapsed() >= patience)
        {
            let seconds = self.patience.unwrap_or_default().as_secs_f64();
            let why = reason.unwrap_or_else(|| who(snapshot));
            return Err(errors::not_found(
                format!("nothing came from any peer for {seconds} s: {why}"),
                "what is here is kept; run the same command again to go on",
            ));
        }
        let phase = match &reason {
            Some(_) if snapshot.rate == 0 => Phase::Stalled,
            _ => Phase::Fetching,
        };
        self.progress(phase, snapshot, reason);
        Ok(())
    }

    pub(super) fn phase(&self, phase: Phase, snapshot: &Snapshot) {
        self.progress(phase, snapshot, None);
    }

    fn progress(&self, phase: Phase, snapshot: &Snapshot, reason: Option<String>) {
        self.tell(GetEvent::Progress {
            phase,
            done_bytes: snapshot.have_bytes,
            total_bytes: snapshot.wanted_bytes,
            rate: snapshot.rate,
            eta: snapshot.eta_seconds,
            reason: reason.filter(|_| snapshot.rate == 0),
            sources: snapshot.peers.iter().take(MAX_LISTED).map(source).collect(),
            source_count: count(snapshot.peers.len()),
        });
    }

    /// Tells of peers that are refused, those that were not told yet.
    pub(super) fn banned(&self, snapshot: &Snapshot, told: &mut usize) {
        for (peer, reason) in snapshot.banned.iter().skip(*told) {
            self.tell(GetEvent::Banned {
                peer: peer.clone(),
                reason: reason.clone(),
            });
        }
        *told = snapshot.banned.len();
    }

    pub(super) fn already_here(&self, metainfo: &Metainfo, path: &Path) -> GetEvent {
        let files = metainfo.info().files().iter();
        let real = files.filter(|file| file.kind != FileKind::Padding);
        GetEvent::Done {
            path: path.display().to_string(),
            cid: self.name.clone(),
            bytes: metainfo.info().layout().file_bytes(),
            files: real.count() as u64,
            fetched_bytes: 0,
            wasted_bytes: 0,
            seconds: 0.0,
            sources: Vec::new(),
            serving: true,
        }
    }

    pub(super) fn done(
        &self,
        (files, bytes): (u64, u64),
        path: &Path,
        last: &Snapshot,
        started: Instant,
        serving: bool,
    ) -> GetEvent {
        let sources = last.delivered.iter().map(|(peer, bytes)| SourceResult {
            peer: peer.clone(),
            kind: kind(peer),
            bytes: *bytes,
        });
        GetEvent::Done {
            path: path.display().to_string(),
            cid: self.name.clone(),
            bytes,
            files,
            fetched_bytes: last.received,
            wasted_bytes: last.wasted,
            seconds: started.elapsed().as_secs_f64(),
            sources: sources.collect(),
            serving,
        }
    }
}

/// Files that are wanted, and their bytes.
pub(super) fn extent(download: &TorrentDownload) -> (u64, u64) {
    let metainfo = download.metainfo();
    let files = metainfo.info().files();
    let real = files.iter().enumerate();
    let real =
        real.filter(|(index, file)| file.kind != FileKind::Padding && download.wants_file(*index));
    real.fold((0, 0), |(count, bytes), (_, file)| {
        (count + 1, bytes + file.size)
    })
}

fn source(peer: &TorrentPeer) -> SourceProgress {
    SourceProgress {
        peer: match &peer.client {
            Some(client) => format!("{} {client} ({})", peer.address, peer.way),
            None => format!("{} ({})", peer.address, peer.way),
        },
        kind: kind(&peer.address),
        path: PathKind::Direct,
        rate: peer.rate,
        bytes: peer.delivered,
        state: peer.state,
    }
}

/// What kind of source this is, by its name: a Potluck peer has an id where others have an address.
fn kind(name: &str) -> String {
    let kind = match name {
        super::super::HERE => LOCAL,
        name if name.parse::<PeerId>().is_ok() => NATIVE,
        _ => KIND,
    };
    kind.to_owned()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Who is there and who is awaited, in words.
fn who(snapshot: &Snapshot) -> String {
    let mut parts = vec![format!(
        "{} connected, {} being dialed, {} known",
        snapshot.peers.len(),
        snapshot.dialing,
        snapshot.known
    )];
    let troubles = &snapshot.troubles;
    let shown = troubles.iter().take(MAX_TROUBLES);
    parts.extend(shown.map(ToString::to_string));
    if let Some(more) = troubles
        .len()
        .checked_sub(MAX_TROUBLES)
        .filter(|more| *more > 0)
    {
        parts.push(format!("{more} more trackers have troubles"));
    }
    parts.join("; ")
}
