//! The downloads that run now, as `status` shows them.

use potluck_api::{Phase, TransferStatus};
use potluck_content::Address;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of a running download.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) path: Option<String>,
    pub(crate) phase: Phase,
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: u64,
    pub(crate) rate: u64,
    pub(crate) peers: Vec<String>,
    /// Not to be served to others (`--no-serve`).
    pub(crate) private: bool,
}

/// All of them; at most one for each root.
#[derive(Default)]
pub(crate) struct Downloads {
    running: Mutex<BTreeMap<Address, Running>>,
}

impl Downloads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a download; `false` when one of the same root runs already.
    pub(crate) fn begin(&self, root: Address, running: Running) -> bool {
        let mut all = self.lock();
        if all.contains_key(&root) {
            return false;
        }
        all.insert(root, running);
        true
    }

    pub(crate) fn update(&self, root: &Address, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.lock().get_mut(root) {
            change(running);
        }
    }

    pub(crate) fn end(&self, root: &Address) {
        self.lock().remove(root);
    }

    pub(crate) fn is_private(&self, root: &Address) -> bool {
        self.lock().get(root).is_some_and(|running| running.private)
    }

    pub(crate) fn report(&self) -> Vec<TransferStatus> {
        let all = self.lock();
        all.iter()
            .map(|(root, running)| TransferStatus {
                direction: "down".to_owned(),
                cid: root.to_string(),
                name: running.name.clone(),
                done_bytes: running.done_bytes,
                total_bytes: running.total_bytes,
                rate: running.rate,
                peers: running.peers.clone(),
                phase: Some(running.phase),
                path: running.path.clone(),
            })
            .collect()
    }
}
