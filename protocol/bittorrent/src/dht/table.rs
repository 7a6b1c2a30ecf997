//! The nodes that this one knows: many that are near, few that are far.

use std::net::SocketAddrV6;
use std::time::Duration;

use super::NodeId;

/// Nodes with the same number of bits in common with this one, at most.
const BUCKET: usize = 8;
/// Numbers of bits in common that are told apart.
const BUCKETS: usize = 48;
/// Nodes in all, at most.
pub const MAX_NODES: usize = BUCKET * BUCKETS;
/// Questions in a row without an answer after which a node gives way to another.
const MAX_SILENT: u32 = 2;
/// A node that said nothing for so long is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// A node and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name.
    pub id: NodeId,
    /// Its address.
    pub address: SocketAddrV6,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    contact: Contact,
    heard: Duration,
    silent: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    own: NodeId,
    buckets: Vec<Vec<Known>>,
}

impl Table {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            buckets: vec![Vec::new(); BUCKETS],
        }
    }

    fn bucket(&mut self, id: &NodeId) -> Option<&mut Vec<Known>> {
        let bits = self.own.common_bits(id);
        if *id == self.own {
            return None;
        }
        self.buckets.get_mut(bits.min(BUCKETS - 1))
    }

    /// A node has answered a question. One network gets one place among those that are as far: else
    /// one owner could fill the table. Programs on this machine are one network.
    pub(super) fn answered(&mut self, now: Duration, contact: Contact) {
        let Some(bucket) = self.bucket(&contact.id) else {
            return;
        };
        let new = Known {
            contact,
            heard: now,
            silent: 0,
        };
        if let Some(known) = bucket
            .iter_mut()
            .find(|known| known.contact.id == contact.id)
        {
            // A name does not move while its node answers at its place.
            if known.contact.address == contact.address || known.silent >= MAX_SILENT {
                *known = new;
            }
            return;
        }
        let is_local = contact.address.ip().is_loopback();
        let same = |known: &Known| network(&known.contact.address) == network(&contact.address);
        if let Some(known) = bucket.iter_mut().find(|known| !is_local && same(known)) {
            if known.silent >= MAX_SILENT {
                *known = new;
            }
        } else if bucket.len() < BUCKET {
            bucket.push(new);
        } else if let Some(known) = bucket.iter_mut().find(|known| known.silent >= MAX_SILENT) {
            *known = new;
        }
    }

    /// A node did not answer.
    pub(super) fn silent(&mut self, address: &SocketAddrV6) {
        let all = self.buckets.iter_mut().flatten();
        for known in all.filter(|known| known.contact.address == *address) {
            known.silent += 1;
        }
    }

    /// The nodes that are nearest to a place, and answer.
    pub(super) fn nearest(&self, place: &NodeId, most: usize) -> Vec<Contact> {
        let mut all: Vec<Contact> = self.good().collect();
        all.sort_by_key(|contact| contact.id.distance(place));
        all.truncate(most);
        all
    }

    /// The nodes that answer.
    pub(super) fn good(&self) -> impl Iterator<Item = Contact> {
        let all = self.buckets.iter().flatten();
        let good = all.filter(|known| known.silent < MAX_SILENT);
        good.map(|known| known.contact)
    }

    /// Some that were not heard of for long.
    pub(super) fn quiet(&self, now: Duration, most: usize) -> Vec<Contact> {
        let all = self.buckets.iter().flatten();
        let quiet = all
            .filter(|known| known.silent < MAX_SILENT && now.saturating_sub(known.heard) >= QUIET);
        quiet.map(|known| known.contact).take(most).collect()
    }
}

/// What one owner commonly has.
fn network(address: &SocketAddrV6) -> [u8; 8] {
    let mut network = [0; 8];
    network.copy_from_slice(&address.ip().octets()[..8]);
    network
}
