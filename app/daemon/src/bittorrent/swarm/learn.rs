//! What the torrent is, when only its name is known: asked of peers.

use super::super::PeerKey;
use super::super::news::Command;
use super::Swarm;
use potluck_bittorrent::merkle::{LayerFetch, LayerFetchError};
use potluck_bittorrent::wire::extended::{FetchError, MetadataFetch, Progress};
use potluck_bittorrent::wire::{HashList, HashRequest};
use potluck_bittorrent::{InfoHashes, Metainfo};
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub(super) struct Learning {
    fetch: MetadataFetch<PeerKey>,
    /// Of a torrent in version 2 alone, the hashes of its pieces are to be learned too.
    layers: Option<Layers>,
    known: Option<Arc<Metainfo>>,
    refused: Option<String>,
}

struct Layers {
    metainfo: Metainfo,
    fetch: LayerFetch<PeerKey>,
}

impl Learning {
    pub(super) fn new(hashes: InfoHashes) -> Self {
        Self {
            fetch: MetadataFetch::new(hashes),
            layers: None,
            known: None,
            refused: None,
        }
    }

    /// The torrent is known from elsewhere.
    pub(super) fn know(&mut self, metainfo: Arc<Metainfo>, peers: impl Iterator<Item = PeerKey>) {
        if self.is_over() {
            return;
        }
        // Version 1 can do without what version 2 is missing.
        let is_whole = metainfo.missing_layers().next().is_none();
        if is_whole || metainfo.info().hashes().v1.is_some() {
            self.known = Some(metainfo);
            return;
        }
        let mut fetch = LayerFetch::new(&metainfo);
        for peer in peers {
            fetch.add_peer(peer);
        }
        let metainfo = Arc::unwrap_or_clone(metainfo);
        self.layers = Some(Layers { metainfo, fetch });
    }

    /// A peer is connected.
    pub(super) fn joined(&mut self, key: PeerKey) {
        if let Some(layers) = &mut self.layers {
            layers.fetch.add_peer(key);
        }
    }

    pub(super) fn known(&self) -> Option<Arc<Metainfo>> {
        self.known.clone()
    }

    pub(super) fn refused(&self) -> Option<String> {
        self.refused.clone()
    }

    fn is_over(&self) -> bool {
        self.known.is_some() || self.refused.is_some()
    }

    pub(super) fn add_peer(&mut self, key: PeerKey, bytes: u32) {
        if !self.is_over() && self.layers.is_none() {
            self.fetch.add_peer(key, bytes);
        }
    }

    pub(super) fn remove_peer(&mut self, key: PeerKey) {
        self.fetch.remove_peer(key);
        if let Some(layers) = &mut self.layers {
            layers.fetch.remove_peer(key);
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        let layers = self.layers.as_ref();
        let due = match layers {
            Some(layers) => layers.fetch.poll_timeout(),
            None => self.fetch.poll_timeout(),
        };
        due.filter(|_| !self.is_over())
    }
}

impl Swarm {
    /// Asks peers for what is not known.
    pub(super) fn act_on_learning(&mut self) {
        if self.learning.is_over() {
            return;
        }
        let now = self.now();
        if let Some(layers) = &mut self.learning.layers {
            layers.fetch.handle_timeout(now);
            while let Some((key, request)) = layers.fetch.poll_request(now) {
                if let Some(member) = self.members.get_mut(&key) {
                    member.tell(Command::AskHashes(request));
                }
            }
            return;
        }
        self.learning.fetch.handle_timeout(now);
        while let Some((key, piece)) = self.learning.fetch.poll_request(now) {
            if let Some(member) = self.members.get_mut(&key) {
                member.tell(Command::AskMetadata(piece));
            }
        }
    }

    /// A part of the info dictionary came.
    pub(super) fn metadata(&mut self, key: PeerKey, piece: u32, total_bytes: u32, data: &[u8]) {
        if self.learning.is_over() || self.learning.layers.is_some() {
            return;
        }
        let taken = self
            .learning
            .fetch
            .handle_data(key, piece, total_bytes, data);
        match taken {
            Ok(Progress::More | Progress::Wrong { liar: None }) => {}
            Ok(Progress::Wrong { liar: Some(liar) }) => self.ban(liar, "sent wrong metadata"),
            Ok(Progress::Done { info, liars }) => {
                let metainfo = Arc::new(Metainfo::from_info(*info));
                self.learning.know(metainfo, self.members.keys().copied());
                for liar in liars {
                    self.ban(liar, "sent wrong metadata");
                }
                self.report();
            }
            Err(error @ FetchError::Refused(_)) => {
                self.learning.refused = Some(error.to_string());
                self.report();
            }
            Err(error @ (FetchError::Unrequested | FetchError::OtherSize)) => {
                tracing::debug!(%error, "a peer's metadata is of no use");
            }
        }
    }

    pub(super) fn no_metadata(&mut self, key: PeerKey, piece: u32) {
        let now = self.now();
        self.learning.fetch.handle_reject(now, key, piece);
    }

    /// Hashes of version 2 came.
    pub(super) fn hashes(&mut self, key: PeerKey, request: &HashRequest, hashes: &[[u8; 32]]) {
        let Some(layers) = &mut self.learning.layers else {
            return;
        };
        let taken = layers
            .fetch
            .handle_hashes(key, request, &HashList::new(hashes));
        match taken {
            Ok(Some(layer)) => {
                // It was proven; one that does not fit can't come.
                if let Err(error) = layers.metainfo.add_layer(layer.root, layer.hashes) {
                    tracing::warn!(%error, "a piece layer does not fit");
                }
                if layers.fetch.is_done() {
                    let layers = self.learning.layers.take();
                    self.learning.known = layers.map(|layers| Arc::new(layers.metainfo));
                    self.report();
                }
            }
            Ok(None) => {}
            Err(error @ LayerFetchError::Wrong) => self.ban(key, &format!("sent {error}")),
            Err(LayerFetchError::Unrequested) => {}
        }
    }

    /// A peer won't give hashes.
    pub(super) fn no_hashes(&mut self, key: PeerKey, request: &HashRequest) {
        let now = self.now();
        if let Some(layers) = &mut self.learning.layers {
            layers.fetch.handle_reject(now, key, request);
        }
    }
}
