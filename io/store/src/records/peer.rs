//! Peers from last time.

use super::{MAX_PEER_ADDR, MAX_PEER_ADDRS, Reader, RecordError, Writer};

const VERSION: u8 = 1;

/// A known peer, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// Its addresses as text.
    pub addrs: Vec<String>,
    /// When it was last seen, in Unix seconds.
    pub last_seen_unix: u64,
}

impl PeerRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.u64(self.last_seen_unix).count(self.addrs.len());
        for addr in &self.addrs {
            out.bytes(addr.as_bytes());
        }
        out.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let last_seen_unix = from.u64()?;
        let count = from.count("the number of addresses", MAX_PEER_ADDRS)?;
        let addrs = (0..count).map(|_| from.text("an address", MAX_PEER_ADDR));
        let addrs = addrs.collect::<Result<_, _>>()?;
        from.end()?;
        Ok(Self {
            addrs,
            last_seen_unix,
        })
    }
}
