//! Accounts of what others store with this node.
//!
//! Nobody gets to store without bounds, and a record without addresses gets those that its
//! provider told when it introduced itself.

use std::collections::HashMap;

use libp2p::{
    Multiaddr, PeerId,
    kad::{self, ProviderRecord, RecordKey, store::RecordStore as _},
};
use tokio::time::Instant;

use super::{
    Actor,
    peers::Peer,
    scope::{self, Scope},
};

type Kad = kad::Behaviour<kad::store::MemoryStore>;

/// Records kept for one provider.
const MAX_PER_PROVIDER: usize = 4096;

/// Records kept in all.
const MAX_RECORDS: usize = 32_768;

/// Addresses kept in a record.
const MAX_ADDRESSES: usize = 8;

/// Longest key of a record.
const MAX_KEY_BYTES: usize = 64;

/// Records of one provider that wait until it has introduced itself.
const MAX_HELD: usize = 256;

/// Who stores what until when.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Records without addresses, of peers that have not introduced themselves yet: nobody could
    /// do anything with them.
    held: HashMap<PeerId, Vec<ProviderRecord>>,
    providers: HashMap<PeerId, HashMap<RecordKey, Instant>>,
    total: usize,
}

impl Records {
    fn admit(&mut self, record: &ProviderRecord, expires: Instant) -> bool {
        if record.key.as_ref().len() > MAX_KEY_BYTES {
            return false;
        }
        let keys = self.providers.entry(record.provider).or_default();
        let is_new = !keys.contains_key(&record.key);
        if is_new && (keys.len() >= MAX_PER_PROVIDER || self.total >= MAX_RECORDS) {
            return false;
        }
        keys.insert(record.key.clone(), expires);
        self.total += usize::from(is_new);
        true
    }

    /// A provider told its addresses: they go into its records.
    pub(super) fn learnt(&mut self, peer: &PeerId, addresses: &[Multiaddr], kad: &mut Kad) {
        let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
        for mut record in self.held.remove(peer).unwrap_or_default() {
            record.addresses = addresses.to_vec();
            self.store(record, kad);
        }
        let Some(keys) = self.providers.get(peer).filter(|_| !addresses.is_empty()) else {
            return;
        };
        for key in keys.keys() {
            let store = kad.store_mut();
            let record = store
                .providers(key)
                .into_iter()
                .find(|r| r.provider == *peer);
            if let Some(mut record) = record
                && record.addresses != addresses
            {
                record.addresses = addresses.to_vec();
                // Replacing a record in place cannot exceed a limit.
                let _ = store.add_provider(record);
            }
        }
    }

    /// A provider is gone: what waited for it to introduce itself waits in vain.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.held.remove(peer);
    }

    fn hold(&mut self, record: ProviderRecord) {
        let held = self.held.entry(record.provider).or_default();
        if held.len() < MAX_HELD {
            held.push(record);
        }
    }

    fn store(&mut self, record: ProviderRecord, kad: &mut Kad) {
        let Some(expires) = record.expires.map(Instant::from_std) else {
            return;
        };
        if !self.admit(&record, expires) {
            tracing::debug!(provider = %record.provider, "a record was refused: too many");
            return;
        }
        if let Err(error) = kad.store_mut().add_provider(record) {
            tracing::debug!(%error, "a record was not stored");
        }
    }

    /// Forgets everything that a provider stored.
    pub(super) fn forget(&mut self, peer: &PeerId, kad: &mut Kad) {
        self.held.remove(peer);
        let keys = self.providers.remove(peer).unwrap_or_default();
        self.total -= keys.len();
        for key in keys.keys() {
            kad.store_mut().remove_provider(key, peer);
        }
    }

    /// Forgets what has expired.
    pub(super) fn sweep(&mut self, kad: &mut Kad, now: Instant) {
        for (peer, keys) in &mut self.providers {
            keys.retain(|key, expires| {
                let keep = *expires > now;
                if !keep {
                    kad.store_mut().remove_provider(key, peer);
                }
                keep
            });
        }
        self.providers.retain(|_, keys| !keys.is_empty());
        self.total = self.providers.values().map(HashMap::len).sum();
    }
}

impl Actor {
    /// A peer wants this node to keep a record.
    pub(super) fn on_record(&mut self, mut record: ProviderRecord) {
        if !self.is_banned(&record.provider) {
            self.finds.announced(&record.key, record.provider);
        }
        let told = std::mem::take(&mut record.addresses);
        let scope = self
            .peers
            .best(&record.provider)
            .map_or(Scope::Global, |(_, a)| Scope::of(a));
        let introduced = self.peers.get(&record.provider);
        let is_introduced = introduced.is_some_and(Peer::is_introduced);
        let listen = introduced
            .map(|peer| peer.listen().to_vec())
            .unwrap_or_default();
        let all = listen.into_iter().chain(told).collect();
        record.addresses = scope::useful(all, scope, &record.provider);
        record.addresses.truncate(MAX_ADDRESSES);
        if record.addresses.is_empty() && !is_introduced {
            self.records.hold(record);
        } else {
            self.records
                .store(record, &mut self.swarm.behaviour_mut().kad);
        }
    }
}
