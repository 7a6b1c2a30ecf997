//! Peers that a new blocklist keeps out.

use super::super::PeerKey;
use super::super::news::Gone;
use super::Swarm;

impl Swarm {
    /// Parts from peers that the owner's list names since it changed.
    pub(super) fn tick_blocked(&mut self) {
        let blocked = &self.ctx.torrents.blocked;
        let version = blocked.version();
        if self.blocklist_version == version {
            return;
        }
        self.blocklist_version = version;
        let named = self
            .members
            .iter()
            .filter(|(_, member)| member.guest.is_none() && blocked.refuses(member.address.ip()));
        let named: Vec<PeerKey> = named.map(|(key, _)| *key).collect();
        for key in named {
            let address = self.members.get(&key).map(|member| member.address);
            self.gone(key, &Gone::Ended);
            if let Some(address) = address {
                self.addresses.forget(&address);
            }
        }
    }
}
