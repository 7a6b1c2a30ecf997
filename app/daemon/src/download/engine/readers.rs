//! Who reads while the download runs, told to the planner.

use super::{Engine, Work};
use crate::reading::Live;
use potluck_transfer::{Input, ReaderId, Reading};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A download that was begun for readers ends when none was there for so long.
const IDLE: Duration = Duration::from_secs(30);

/// What the engine knows of those who read.
#[derive(Default)]
pub(super) struct Readers {
    live: Option<Arc<Live>>,
    /// The download is there for them alone.
    viewing: bool,
    /// What the planner was told.
    told: BTreeMap<ReaderId, Reading>,
}

impl Readers {
    /// Those who read the pieces, while it is them that are fetched.
    pub(super) fn live(&self, work: &Work) -> Option<Arc<Live>> {
        self.live.clone().filter(|_| !work.manifest)
    }

    pub(super) fn arrived(&self, piece: u32) {
        if let Some(live) = &self.live {
            live.arrived(piece);
        }
    }

    pub(super) fn alive(&self) {
        if let Some(live) = &self.live {
            live.alive();
        }
    }

    /// Whether a download goes on although every piece is here.
    pub(super) fn keep_going(&self) -> bool {
        self.viewing
    }

    /// Whether a download for readers has had none for a while.
    pub(super) fn are_gone(&self) -> bool {
        let idle = |live: &Arc<Live>| live.idle().is_some_and(|idle| idle >= IDLE);
        self.viewing && self.live.as_ref().is_some_and(idle)
    }
}

impl Engine {
    /// Lets others read what comes. A download that is there for them alone (`viewing`) goes on for as
    /// long as there are some: it is they who lose patience.
    pub(in crate::download) fn let_read(&mut self, live: &Arc<Live>, viewing: bool) {
        self.readers.live = Some(Arc::clone(live));
        self.readers.viewing = viewing;
        if viewing {
            self.patience = None;
        }
        self.count_sources();
    }

    pub(super) fn count_sources(&self) {
        if let Some(live) = &self.readers.live {
            live.set_sources(self.joined().len());
        }
    }

    /// Tells the planner what changed among the readers.
    pub(super) fn hear_readers(&mut self, work: &mut Work) {
        let Some(live) = self.readers.live(work) else {
            return;
        };
        let (now, readings) = (self.ctx.clock.now(), live.readings());
        let told = std::mem::take(&mut self.readers.told);
        for reader in told.keys().filter(|reader| !readings.contains_key(reader)) {
            let reader = *reader;
            work.planner.handle(now, Input::ReaderClosed { reader });
        }
        for (&reader, &reading) in &readings {
            let input = match told.get(&reader) {
                Some(before) if *before == reading => continue,
                Some(before) if before.end == reading.end => Input::ReaderMoved {
                    reader,
                    position: reading.position,
                },
                _ => Input::ReaderOpened { reader, reading },
            };
            work.planner.handle(now, input);
        }
        self.readers.told = readings;
    }
}
