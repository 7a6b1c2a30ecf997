//! `get`: resolve a link, fetch from all sources at once, verify, finish under the final name.

mod dest;
mod engine;
mod fetch;
mod find;
mod held;
mod keep;
mod repair;
mod report;
mod sources;
mod viewing;

pub(crate) use dest::{compile, path as destination};
pub(crate) use find::{Candidate, Finder};
pub(crate) use repair::repair;
pub(crate) use sources::{Peers, Verdict, When};
pub(crate) use viewing::view;

use crate::context::Context;
use crate::downloads::Running;
use crate::errors;
use crate::reading::Seat;
use engine::Engine;
use fetch::Fetch;
use held::{already_here, fetched_to, held, is_whole};
use potluck_api::{ErrorBody, GetEvent, GetRequest, Phase};
use potluck_content::{Address, Link};
use potluck_transfer::Order;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Fetches a link; the last event is returned.
pub(crate) async fn run(
    ctx: &Arc<Context>,
    request: GetRequest,
    events: &mpsc::Sender<GetEvent>,
    stop: &CancellationToken,
) -> Result<GetEvent, ErrorBody> {
    let link = parse(&request.link)?;
    if !request.also.is_empty() {
        return Err(errors::usage(
            "only what is fetched as a torrent can have other names",
            "name the torrent first, and this link with --also",
        ));
    }
    dest::compile(&request.files)?;
    let patience = patience(request.timeout)?;
    let cid = link.address.to_string();
    let _ = events
        .send(GetEvent::Resolving {
            cid,
            name: link.name.clone(),
        })
        .await;
    let held = held(ctx, &link.address).await?;
    let name = dest::name(&link);
    let held_path = held.as_ref().and_then(fetched_to);
    let dest = dest::path(&request.dest, &name, held_path)?;
    if let Some(root) = held.filter(|root| fetched_to(root) == Some(dest.as_path()))
        && is_whole(ctx, &root).await
    {
        return Ok(already_here(&root, &dest));
    }
    let running = Running {
        name: name.clone(),
        path: Some(dest.display().to_string()),
        phase: Phase::Finding,
        done_bytes: 0,
        total_bytes: link.size.unwrap_or(0),
        rate: 0,
        peers: Vec::new(),
        private: !request.serve,
    };
    // Dropped after what is below: who reads looks again then.
    let seat = Seat::claim(ctx, link.address).await.ok_or_else(already)?;
    if !ctx.downloads.begin(link.address, running) {
        return Err(already());
    }
    let _registered = Registered {
        ctx,
        root: link.address,
    };
    let (user, stop) = (events.clone(), stop.clone());
    let engine = Engine::new(ctx, &link, request.serve, patience, user, stop);
    let order = if request.sequential {
        Order::Sequential
    } else {
        Order::RarestFirst
    };
    Fetch {
        ctx,
        link: &link,
        request: &request,
        events,
        name,
        dest,
        engine,
        seat: &seat,
        order,
        whole_bytes: 0,
    }
    .run()
    .await
}

fn already() -> ErrorBody {
    errors::failed(
        "this content is being downloaded already",
        "wait for it; 'potluck status' shows how far it is",
    )
}

/// Reads a link.
pub(crate) fn parse(text: &str) -> Result<Link, ErrorBody> {
    let link: Link = text
        .trim()
        .parse()
        .map_err(|error: potluck_content::LinkError| {
            errors::usage(
                error.to_string(),
                "a link looks like potluck:bafk…?name=…; 'potluck share' prints one",
            )
        })?;
    if link.key.is_some() {
        return Err(errors::usage(
            "the link carries a key, and this version cannot decrypt shares",
            "ask for a link without a key, or use a newer version",
        ));
    }
    Ok(link)
}

pub(crate) fn patience(timeout: Option<f64>) -> Result<Option<Duration>, ErrorBody> {
    timeout
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|time| !time.is_zero() && time.as_secs() <= 86_400 * 365)
                .ok_or_else(|| {
                    errors::usage(
                        format!("{seconds} is not a time to wait"),
                        "give seconds above 0",
                    )
                })
        })
        .transpose()
}

/// Takes the download off the list however it ends.
struct Registered<'a> {
    ctx: &'a Arc<Context>,
    root: Address,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.ctx.downloads.end(&self.root);
        self.ctx.swarms.end_download(&self.root);
    }
}
