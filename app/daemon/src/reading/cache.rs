//! What was fetched for readers and kept: in the data directory, within the quota.

use super::live::Live;
use crate::context::Context;
use crate::errors;
use potluck_api::ErrorBody;
use potluck_content::Address;
use potluck_store::{Fault, PartialInfo, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory within the data directory.
const DIR: &str = "viewed";
/// Bytes kept when no quota is set.
const DEFAULT_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Where what is fetched of a root for readers is kept.
pub(crate) fn place(ctx: &Context, root: &Address) -> PathBuf {
    ctx.data.join(DIR).join(root.to_string())
}

/// Whether a download was begun for readers, by its destination.
pub(crate) fn is_in(ctx: &Context, dest: &Path) -> bool {
    let dir = ctx.data.join(DIR);
    dest.starts_with(&dir) || dir.canonicalize().is_ok_and(|dir| dest.starts_with(dir))
}

/// How much may come for readers before it is looked at again whether there is room.
const STEP: u64 = 8 * 1024 * 1024;

/// Makes room for readers of `root`, of which nobody reads yet. What was kept for earlier readers of it
/// goes as well if that is more than there may be.
pub(crate) async fn begin(ctx: &Arc<Context>, root: &Address) -> Result<(), ErrorBody> {
    make_room(ctx, root, true).await.map(|_| ())
}

/// Removes what was fetched for readers longest ago, until it is within the quota with all else that
/// the node owns. What is being read stays, and `root` unless it may go `too`. What may be kept, if
/// that was not enough.
async fn make_room(
    ctx: &Arc<Context>,
    root: &Address,
    too: bool,
) -> Result<Option<u64>, ErrorBody> {
    let (root, of) = (*root, Arc::clone(ctx));
    let made = ctx
        .blocking(move |store| evict(&of, store, &root, too))
        .await;
    let (kept, most) = made
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))?;
    Ok((kept > most).then_some(most))
}

/// Makes room as bytes come for the readers of `root`. Ends when there is no more to be had.
pub(crate) async fn watch(ctx: &Arc<Context>, root: &Address, live: &Live) -> ErrorBody {
    let mut changes = live.changes();
    let mut seen = live.kept_bytes();
    loop {
        // The live download is there as long as this is.
        let _ = changes.changed().await;
        let kept = live.kept_bytes();
        if kept.saturating_sub(seen) < STEP {
            continue;
        }
        seen = kept;
        match make_room(ctx, root, false).await {
            Ok(None) => {}
            Ok(Some(most)) => return full(most),
            Err(error) => return error,
        }
    }
}

fn full(most: u64) -> ErrorBody {
    errors::failed(
        format!("what is kept for readers may have {most} bytes, and all of them are in use"),
        "fetch it with 'potluck get', or raise limits.storage with 'potluck config set'",
    )
}

/// Bytes that are kept.
pub(crate) fn kept_bytes(ctx: &Context, store: &Store) -> Result<u64, Fault> {
    Ok(bytes(&viewed(ctx, store)?))
}

fn viewed(ctx: &Context, store: &Store) -> Result<Vec<PartialInfo>, Fault> {
    let mut viewed = store.partials()?;
    viewed.retain(|partial| is_in(ctx, &partial.dest) && !partial.repair);
    Ok(viewed)
}

fn bytes(viewed: &[PartialInfo]) -> u64 {
    viewed.iter().map(|partial| partial.have_bytes).sum()
}

/// What is kept afterwards, and what may be.
fn evict(ctx: &Context, store: &Store, root: &Address, too: bool) -> Result<(u64, u64), Fault> {
    let mut viewed = viewed(ctx, store)?;
    let mut kept = bytes(&viewed);
    let usage = store.usage()?;
    let most = (usage.quota_bytes).map_or(DEFAULT_BYTES, |quota| {
        quota.saturating_sub(usage.owned_bytes)
    });
    viewed.retain(|partial| !partial.running && (too || partial.address != *root));
    viewed.sort_unstable_by_key(|partial| (partial.address == *root, partial.created_unix));
    for partial in viewed {
        if kept <= most {
            break;
        }
        if matches!(store.drop_partial(&partial.address), Ok(true)) {
            tracing::debug!(root = %partial.address, "what was read is forgotten");
            kept = kept.saturating_sub(partial.have_bytes);
        }
    }
    Ok((kept, most))
}
