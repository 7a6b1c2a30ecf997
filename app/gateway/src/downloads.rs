//! Downloads that run on without anybody listening.

use crate::answer::{ApiError, too_many};
use crate::gateway::unix_now;
use crate::host::Host;
use crate::journal::Journal;
use potluck_api::{
    Activity, ActivityLevel, Download, DownloadRequest, DownloadState, ErrorBody, ExitCode,
    GetEvent, GetRequest,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Downloads that are remembered, and that can run at once. Those that ended are forgotten first.
const MOST: usize = 500;
/// Events that may wait until they are looked at.
const QUEUE: usize = 64;

/// All of them, since the node was started.
pub(crate) struct Downloads {
    host: Arc<dyn Host>,
    journal: Arc<Journal>,
    stop: CancellationToken,
    all: Mutex<All>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct All {
    made: u64,
    list: VecDeque<Entry>,
}

struct Entry {
    download: Download,
    stop: CancellationToken,
}

impl Downloads {
    pub(crate) fn new(
        host: Arc<dyn Host>,
        journal: Arc<Journal>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            journal,
            stop,
            all: Mutex::default(),
            version: watch::channel(0).0,
        })
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order in which they were begun.
    pub(crate) fn list(&self) -> Vec<Download> {
        let all = self.lock();
        all.list
            .iter()
            .map(|entry| entry.download.clone())
            .collect()
    }

    /// Tells of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Begins one.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        request: DownloadRequest,
    ) -> Result<Download, ApiError> {
        let dest = match request.dest {
            Some(dest) => dest,
            None => self.host.downloads_folder().await?,
        };
        let get = GetRequest {
            link: request.link.clone(),
            also: Vec::new(),
            dest,
            files: request.files,
            timeout: None,
            serve: true,
            sequential: request.sequential,
        };
        let (download, stop) = self.enter(request.link).map_err(too_many)?;
        let (this, id) = (Arc::clone(self), download.id.clone());
        tokio::spawn(async move { this.run(&id, get, stop).await });
        Ok(download)
    }

    fn enter(&self, link: String) -> Result<(Download, CancellationToken), ErrorBody> {
        let mut all = self.lock();
        if all.list.len() == MOST {
            let ended = |entry: &Entry| entry.download.state != DownloadState::Running;
            let Some(oldest) = all.list.iter().position(ended) else {
                return Err(ErrorBody::new(
                    ExitCode::Failed,
                    format!("{MOST} downloads run already"),
                    "wait until one is done, or stop one",
                ));
            };
            all.list.remove(oldest);
        }
        all.made += 1;
        let download = Download {
            id: all.made.to_string(),
            link,
            cid: None,
            name: None,
            state: DownloadState::Running,
            last: None,
            error: None,
            started: unix_now(),
        };
        let stop = self.stop.child_token();
        all.list.push_back(Entry {
            download: download.clone(),
            stop: stop.clone(),
        });
        drop(all);
        self.changed();
        Ok((download, stop))
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn update(&self, id: &str, change: impl FnOnce(&mut Download)) {
        let mut all = self.lock();
        if let Some(entry) = all.list.iter_mut().find(|entry| entry.download.id == id) {
            change(&mut entry.download);
        }
        drop(all);
        self.changed();
    }

    async fn run(&self, id: &str, request: GetRequest, stop: CancellationToken) {
        let (events, mut received) = mpsc::channel(QUEUE);
        let mut work = self.host.get(request, events, stop.clone());
        let ended = loop {
            tokio::select! {
                // What is told before the end has to be seen before it.
                biased;
                Some(event) = received.recv() => self.update(id, |download| hear(download, event)),
                ended = &mut work => break ended,
            }
        };
        while let Ok(event) = received.try_recv() {
            self.update(id, |download| hear(download, event));
        }
        self.update(id, |download| match ended {
            Ok(GetEvent::Error(error)) | Err(error) => fail(download, error, &stop),
            Ok(last) => {
                hear(download, last);
                download.state = DownloadState::Done;
            }
        });
        self.tell(id);
    }

    /// Writes down how a download ended.
    fn tell(&self, id: &str) {
        let ended = self.list().into_iter().find(|download| download.id == id);
        let Some(download) = ended else { return };
        let what = match &download.name {
            Some(name) => name.clone(),
            None => download.cid.clone().unwrap_or_else(|| "a link".to_owned()),
        };
        let (level, text) = match (download.state, &download.error) {
            (DownloadState::Done, _) => (ActivityLevel::Info, format!("{what} is here")),
            (DownloadState::Stopped, _) => (
                ActivityLevel::Info,
                format!("the download of {what} was stopped"),
            ),
            (_, Some(error)) => (ActivityLevel::Error, format!("{what}: {}", error.message)),
            (_, None) => return,
        };
        self.journal.note(Activity {
            at: unix_now(),
            level,
            text,
            cid: download.cid,
            peer: None,
        });
    }

    /// Stops one, or forgets it when it has ended. `false` when there is none.
    pub(crate) fn stop(&self, id: &str) -> bool {
        let mut all = self.lock();
        let Some(at) = all.list.iter().position(|entry| entry.download.id == id) else {
            return false;
        };
        if all.list[at].download.state == DownloadState::Running {
            all.list[at].stop.cancel();
        } else {
            all.list.remove(at);
        }
        drop(all);
        self.changed();
        true
    }
}

/// Takes over what an event tells of a download.
fn hear(download: &mut Download, event: GetEvent) {
    match &event {
        GetEvent::Resolving { cid, name } => {
            download.cid = Some(cid.clone());
            if name.is_some() {
                download.name.clone_from(name);
            }
        }
        GetEvent::Found { name, .. } => download.name = Some(name.clone()),
        GetEvent::Done { cid, path, .. } => {
            download.cid = Some(cid.clone());
            let last = path.rsplit('/').next();
            download.name = download.name.take().or(last.map(ToOwned::to_owned));
        }
        // These come between others, and say nothing of how far it is.
        GetEvent::Banned { .. } | GetEvent::Notice { .. } => return,
        _ => {}
    }
    download.last = Some(event);
}

fn fail(download: &mut Download, error: ErrorBody, stop: &CancellationToken) {
    download.state = if stop.is_cancelled() {
        DownloadState::Stopped
    } else {
        download.error = Some(error);
        DownloadState::Failed
    };
}
