//! Peers from last time.

use redb::ReadableTable;

use crate::db::DbError;
use crate::errors::Fault;
use crate::open::Store;
use crate::records::{MAX_PEER_ADDR, MAX_PEER_ADDRS, PeerRecord};
use crate::tables;
use crate::types::KnownPeer;

/// Most peers that are remembered; those seen last stay.
const MAX_PEERS: usize = 1000;
/// Longest id of a peer.
const MAX_PEER_ID: usize = 128;

impl Store {
    /// The known peers, those seen last first.
    pub fn peers(&self) -> Result<Vec<KnownPeer>, Fault> {
        let mut found = self.inner.db.read(|transaction| {
            let mut found = Vec::new();
            for item in transaction.open_table(tables::PEERS)?.iter()? {
                let (key, value) = item?;
                let record = PeerRecord::decode(value.value());
                let record = record.map_err(|error| DbError::record("peers", error))?;
                found.push(KnownPeer {
                    peer: key.value().to_vec(),
                    addrs: record.addrs,
                    last_seen_unix: record.last_seen_unix,
                });
            }
            Ok(found)
        })?;
        found.sort_by_key(|peer| std::cmp::Reverse(peer.last_seen_unix));
        Ok(found)
    }

    /// Remembers peers, or what is new of them. Of more than a thousand the ones seen last stay; of
    /// the addresses of one, the first. Ids and addresses beyond their bounds are left out.
    pub fn save_peers(&self, peers: &[KnownPeer]) -> Result<(), Fault> {
        self.inner.db.write(|transaction| {
            let mut table = transaction.open_table(tables::PEERS)?;
            for peer in peers.iter().filter(|peer| peer.peer.len() <= MAX_PEER_ID) {
                let short = peer.addrs.iter().filter(|addr| addr.len() <= MAX_PEER_ADDR);
                let addrs = short.take(MAX_PEER_ADDRS).cloned().collect();
                let record = PeerRecord {
                    addrs,
                    last_seen_unix: peer.last_seen_unix,
                };
                table.insert(peer.peer.as_slice(), record.encode().as_slice())?;
            }
            let mut seen = Vec::new();
            for item in table.iter()? {
                let (key, value) = item?;
                // A record that can't be read is the first to go.
                let last = PeerRecord::decode(value.value()).map_or(0, |peer| peer.last_seen_unix);
                seen.push((last, key.value().to_vec()));
            }
            seen.sort_unstable_by(|a, b| b.cmp(a));
            for (_, id) in seen.iter().skip(MAX_PEERS) {
                table.remove(id.as_slice())?;
            }
            Ok(())
        })
    }
}
