//! What this node holds: list, remove, pin.

use crate::bittorrent;
use crate::context::Context;
use crate::errors;
use crate::swarms::Update;
use potluck_api::{
    ErrorBody, Origin, Problem, RemoveResponse, RootList, RootSummary, TransferStatus,
};
use potluck_content::{Address, Entry, Link, Node, PieceLayout, PieceSet};
use potluck_store::{Fault, PartialInfo, Root, Store, VerifyError, What};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Addresses in a link; more make it long without making it better.
const LINK_ADDRESSES: usize = 6;

/// A list looks at the files of what it lists for as long as this; of the rest it says what is known.
const LOOK_TIME: Duration = Duration::from_secs(2);

/// The link to give away.
pub(crate) fn link(ctx: &Context, root: &Root) -> Link {
    link_of(ctx, root.address, &root.name, root.bytes)
}

/// The link of something that may not be held yet.
pub(crate) fn link_of(ctx: &Context, address: Address, name: &str, bytes: u64) -> Link {
    let mut link = Link::new(address);
    link.name = Some(name.to_owned());
    link.size = Some(bytes);
    let mut addresses = ctx.net.listen_addresses();
    // Others need an address they can dial; loopback serves only when there is nothing else.
    let is_loopback = |text: &str| text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/");
    if addresses
        .iter()
        .any(|address| !is_loopback(&address.to_string()))
    {
        addresses.retain(|address| !is_loopback(&address.to_string()));
    }
    link.addrs = addresses.into_iter().take(LINK_ADDRESSES).collect();
    link
}

pub(crate) async fn list(ctx: &Arc<Context>) -> Result<RootList, ErrorBody> {
    let (roots, partials) = ctx
        .blocking(|store| Ok((store.roots()?, store.partials()?)))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    let until = Instant::now() + LOOK_TIME;
    let mut summaries = Vec::with_capacity(roots.len());
    for mut root in roots {
        let touched = if Instant::now() < until {
            look(ctx, &mut root).await
        } else {
            Vec::new()
        };
        let mut summary = summary(ctx, root).await?;
        summary.problems.extend(touched);
        summaries.push(summary);
    }
    let (torrents, begun) = bittorrent::list(ctx).await?;
    summaries.extend(torrents);
    summaries.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
    let partials = partials
        .iter()
        .filter(|partial| !partial.running)
        .map(partial)
        .chain(begun)
        .collect();
    Ok(RootList {
        roots: summaries,
        partials,
    })
}

/// Looks whether the files of a root are what they were, without reading them, and tells the swarm
/// what can be had no more. Gives the files of which only reading would tell.
async fn look(ctx: &Arc<Context>, root: &mut Root) -> Vec<Problem> {
    let address = root.address;
    let looked = ctx.blocking(move |store| {
        let before = store.available(&address).ok().flatten();
        let glance = store.refresh(&address)?;
        let after = store.available(&address).ok().flatten();
        let gone = before.zip(after).map(|(mut before, after)| {
            before.subtract(&after);
            before
        });
        Ok::<_, VerifyError>((glance, gone))
    });
    let (glance, gone) = match looked.await {
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            tracing::warn!(root = %address, %error, "its files were not looked at");
            return Vec::new();
        }
        None => return Vec::new(),
    };
    for range in gone.iter().flat_map(PieceSet::ranges) {
        ctx.swarms.tell(&address, &Update::Changed(range));
    }
    root.problems = glance.problems;
    let touched = |path: PathBuf| Problem {
        path: path.display().to_string(),
        what: "touched".to_owned(),
        hint: "'potluck verify' reads it and tells whether it changed".to_owned(),
    };
    glance.touched.into_iter().map(touched).collect()
}

fn partial(info: &PartialInfo) -> TransferStatus {
    TransferStatus {
        direction: "partial".to_owned(),
        cid: info.address.to_string(),
        name: info.name.clone(),
        done_bytes: info.have_bytes,
        total_bytes: info.wanted_bytes,
        rate: 0,
        peers: Vec::new(),
        phase: None,
        path: Some(info.dest.display().to_string()),
    }
}

async fn summary(ctx: &Arc<Context>, root: Root) -> Result<RootSummary, ErrorBody> {
    let address = root.address;
    let available_bytes = ctx
        .blocking(move |store| available_bytes(store, &address))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    Ok(RootSummary {
        cid: root.address.to_string(),
        link: link(ctx, &root).to_string(),
        name: root.name,
        bytes: root.bytes,
        available_bytes,
        files: root.files,
        pinned: root.pinned,
        problems: root
            .problems
            .iter()
            .map(|found| problem(found, &root.origin))
            .collect(),
        origin: origin(&root.origin),
        created: root.created_unix,
        note: None,
    })
}

/// Bytes that can be provided. Equal files are one blob, and yet each counts.
pub(crate) fn available_bytes(store: &Store, root: &Address) -> Result<u64, Fault> {
    match store.layout(root)?.zip(store.available(root)?) {
        Some((layout, have)) => bytes_of(store, root, &layout, &have),
        None => Ok(0),
    }
}

/// Bytes of files that are in some pieces of a root.
pub(crate) fn bytes_of(
    store: &Store,
    root: &Address,
    layout: &PieceLayout,
    have: &PieceSet,
) -> Result<u64, Fault> {
    let Some(manifest) = store.manifest(root)? else {
        return Ok(layout.bytes_of(have));
    };
    if have.is_full() {
        return Ok(manifest.total_bytes());
    }
    let of_entry = |entry: &Entry| -> u64 {
        let Node::File { hash, .. } = entry.node else {
            return 0;
        };
        let pieces = layout
            .find_blob(&hash)
            .map(|blob| layout.pieces_of_blob(blob));
        let here = pieces
            .into_iter()
            .flatten()
            .filter(|piece| have.contains(*piece));
        here.map(|piece| layout.piece(piece).bytes).sum()
    };
    Ok(manifest.entries().iter().map(of_entry).sum())
}

fn origin(origin: &potluck_store::Origin) -> Origin {
    match origin {
        potluck_store::Origin::Shared { paths } => Origin::Shared {
            paths: paths
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        },
        potluck_store::Origin::Copied => Origin::Copied,
        potluck_store::Origin::Fetched { path } => Origin::Fetched {
            path: path.display().to_string(),
        },
    }
}

/// A problem with what to do about it.
pub(crate) fn problem(found: &potluck_store::Problem, origin: &potluck_store::Origin) -> Problem {
    let in_place = matches!(origin, potluck_store::Origin::Shared { .. });
    let (what, hint) = match (found.what, in_place) {
        (What::Changed, true) => (
            "changed",
            "share it again for a link to what it is now, or restore it and run 'potluck verify'",
        ),
        (What::Missing, true) => (
            "missing",
            "put it back and run 'potluck verify', or stop sharing it with 'potluck rm'",
        ),
        (What::Changed, false) => (
            "changed",
            "'potluck verify --repair' fetches the original again",
        ),
        (What::Missing, false) => ("missing", "'potluck verify --repair' fetches it again"),
        (What::Unreadable, _) => ("unreadable", "check its permissions"),
        (What::Corrupt, true) => ("corrupt", "check the disk; restore the file from a backup"),
        (What::Corrupt, false) => (
            "corrupt",
            "check the disk; 'potluck verify --repair' fetches it again",
        ),
    };
    Problem {
        path: found.path.display().to_string(),
        what: what.to_owned(),
        hint: hint.to_owned(),
    }
}

/// Finds a root by CID, link or name.
pub(crate) async fn find(ctx: &Arc<Context>, target: &str) -> Result<Root, ErrorBody> {
    let all = ctx
        .blocking(|store| store.roots())
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    if let Ok(link) = target.parse::<Link>() {
        let found = all.into_iter().find(|root| root.address == link.address);
        return found.ok_or_else(|| unknown(target));
    }
    let mut named = all.into_iter().filter(|root| root.name == target);
    match (named.next(), named.next()) {
        (Some(root), None) => Ok(root),
        (Some(_), Some(_)) => Err(errors::usage(
            format!("several things here are called '{}'", errors::clip(target)),
            "name it by its CID ('potluck ls')",
        )),
        (None, _) => Err(unknown(target)),
    }
}

fn unknown(target: &str) -> ErrorBody {
    errors::not_found(
        format!("this node holds nothing called '{}'", errors::clip(target)),
        "'potluck ls' lists what it holds",
    )
}

pub(crate) async fn remove(ctx: &Arc<Context>, target: &str) -> Result<RemoveResponse, ErrorBody> {
    let root = match find(ctx, target).await {
        Ok(root) => root,
        Err(error) => {
            return match bittorrent::remove(ctx, target).await? {
                Some(removed) => Ok(removed),
                None => remove_partial(ctx, target, error).await,
            };
        }
    };
    let address = root.address;
    let freed_bytes = ctx
        .blocking(move |store| {
            let before = store.usage()?.owned_bytes;
            store.remove(&address)?;
            Ok(before.saturating_sub(store.usage()?.owned_bytes))
        })
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    ctx.net.stop_providing(address.multihash_bytes()).await;
    ctx.swarms.tell(&address, &Update::Removed);
    Ok(RemoveResponse {
        cid: address.to_string(),
        name: root.name,
        freed_bytes,
    })
}

/// A download that was begun and given up can be removed too.
async fn remove_partial(
    ctx: &Arc<Context>,
    target: &str,
    otherwise: ErrorBody,
) -> Result<RemoveResponse, ErrorBody> {
    let Some(address) = target.parse::<Link>().ok().map(|link| link.address) else {
        return Err(otherwise);
    };
    let dropped = ctx
        .blocking(move |store| {
            let found = store.partials().unwrap_or_default();
            let info = found.into_iter().find(|partial| partial.address == address);
            store
                .drop_partial(&address)
                .map(|dropped| info.filter(|_| dropped))
        })
        .await
        .ok_or_else(errors::stopping)?;
    match dropped {
        Ok(Some(info)) => Ok(RemoveResponse {
            cid: address.to_string(),
            name: info.name,
            freed_bytes: info.have_bytes,
        }),
        Ok(None) => Err(otherwise),
        Err(potluck_store::DropError::Busy) => Err(errors::failed(
            "the download is running",
            "stop it first, with Ctrl-C where it runs",
        )),
        Err(potluck_store::DropError::Fault(fault)) => Err(errors::fault(&fault)),
    }
}

pub(crate) async fn pin(
    ctx: &Arc<Context>,
    target: &str,
    pinned: bool,
) -> Result<RootSummary, ErrorBody> {
    let mut root = find(ctx, target).await?;
    let address: Address = root.address;
    ctx.blocking(move |store| store.set_pinned(&address, pinned))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    root.pinned = pinned;
    summary(ctx, root).await
}
