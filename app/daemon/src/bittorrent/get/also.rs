//! Other names of what is fetched: whoever has it under one of those is a source too.

use super::super::content::{Content, Files};
use super::super::fetching::Borrower;
use super::super::natives::{self, NativeSearch};
use super::super::source::is_torrent;
use super::super::swarm::{Request, SwarmHandle};
use super::super::users::Use;
use super::Get;
use super::named::{hint, named};
use crate::clock::unix_now;
use crate::errors;
use potluck_api::{ErrorBody, ExitCode, GetEvent};
use potluck_content::{Kind, Link};
use potluck_store::ShareRequest;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Names that are taken at most.
const MAX_NAMES: usize = 16;

/// Another name of the same content.
pub(super) enum Name {
    /// A torrent, by its swarm.
    Torrent(Box<Use>),
    /// A file, by its own address.
    Native(Box<Link>),
}

/// What asks the peers of other names. Dropping it ends that.
pub(super) struct Asking {
    _tasks: JoinSet<()>,
    _ended: DropGuard,
}

impl Get<'_> {
    /// Reads the other names.
    pub(super) async fn names(&self) -> Result<Vec<Name>, ErrorBody> {
        if self.request.also.len() > MAX_NAMES {
            return Err(errors::usage(
                format!("{} other names are too many", self.request.also.len()),
                &format!("give {MAX_NAMES} at most"),
            ));
        }
        let mut names = Vec::new();
        for name in &self.request.also {
            names.push(if is_torrent(name) {
                self.torrent(name).await?
            } else {
                Name::Native(Box::new(native(name)?))
            });
        }
        Ok(names)
    }

    async fn torrent(&self, name: &str) -> Result<Name, ErrorBody> {
        let (hashes, metainfo, magnet) = named(name).await?;
        let swarm = self.ctx.torrents.join(self.ctx, hashes);
        hint(&swarm, metainfo.as_ref(), magnet.as_deref()).await;
        Ok(Name::Torrent(Box::new(swarm)))
    }

    /// Asks the peers of all names for the content, too.
    pub(super) fn ask_also(&self, names: &[Name], content: &Arc<Content>) -> Asking {
        let ended = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for name in names {
            let (content, ended) = (Arc::clone(content), ended.clone());
            let requests = self.swarm.requests.clone();
            match name {
                // The other infohash of a hybrid, most likely.
                Name::Torrent(torrent) if torrent.requests.same_channel(&requests) => {}
                Name::Torrent(torrent) => {
                    let (swarm, user) = (SwarmHandle::clone(torrent), self.events.sender());
                    tasks.spawn(async move {
                        if let Some(metainfo) = known(&swarm, &ended).await {
                            let lender = Content::new(metainfo, Files::Nowhere);
                            match Borrower::new(&content, &lender, requests, ended) {
                                Some(borrower) => {
                                    swarm.ask(Request::Lend(Box::new(borrower))).await;
                                }
                                None => {
                                    let name = lender.metainfo.info().name();
                                    let message = format!(
                                        "'{name}' has no file in common with what is fetched, or its \
                                         pieces lie otherwise: its peers are not asked"
                                    );
                                    let _ = user.try_send(GetEvent::Notice { message });
                                }
                            }
                        }
                    });
                }
                Name::Native(link) => {
                    tasks.spawn(natives::search(NativeSearch {
                        ctx: Arc::clone(self.ctx),
                        link: (**link).clone(),
                        content,
                        requests,
                        ended,
                    }));
                }
            }
        }
        Asking {
            _tasks: tasks,
            _ended: ended.drop_guard(),
        }
    }

    /// Checks that the one file which was fetched is what all native names say, and serves it under
    /// those too.
    pub(super) async fn check_also(&self, names: &[Name], path: &Path) -> Result<(), ErrorBody> {
        for name in names {
            let Name::Native(link) = name else { continue };
            let roots = self.ctx.blocking(|store| store.roots()).await;
            let held = roots.and_then(Result::ok).unwrap_or_default();
            let ask = ShareRequest::path(path, unix_now());
            let shared = self
                .ctx
                .blocking(move |store| store.share(&ask, &mut |_| ControlFlow::Continue(())));
            let shared = shared.await.ok_or_else(errors::stopping)?;
            let found = shared.map_err(|error| errors::share(&error))?.root.address;
            let is_same = found == link.address;
            if is_same && self.request.serve {
                self.ctx.provide(&found).await;
            } else if held.iter().all(|root| root.address != found) {
                let forgotten = self.ctx.blocking(move |store| store.remove(&found)).await;
                if let Some(Err(error)) = forgotten {
                    tracing::warn!(%error, "what is not to be served is still listed");
                }
            }
            if !is_same {
                return Err(ErrorBody::new(
                    ExitCode::Verification,
                    format!(
                        "what the torrent names is not what {} names: it is in {} as the torrent has it",
                        link.address,
                        path.display()
                    ),
                    "one of the two names is wrong; ask whoever gave them to you",
                ));
            }
        }
        Ok(())
    }
}

fn native(name: &str) -> Result<Link, ErrorBody> {
    let link = crate::download::parse(name)?;
    match link.address.kind {
        Kind::Blob => Ok(link),
        Kind::Folder => Err(errors::usage(
            "the other name is a folder's, and only those of single files can be combined with a torrent",
            "leave it out, or fetch it by itself",
        )),
    }
}

/// Waits until a swarm knows what its torrent is.
async fn known(
    swarm: &SwarmHandle,
    ended: &CancellationToken,
) -> Option<Arc<potluck_bittorrent::Metainfo>> {
    let mut status = swarm.status.clone();
    loop {
        if let Some(metainfo) = &status.borrow_and_update().metainfo {
            return Some(Arc::clone(metainfo));
        }
        tokio::select! {
            () = ended.cancelled() => return None,
            changed = status.changed() => changed.ok()?,
        }
    }
}
