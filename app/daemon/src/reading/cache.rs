//! What was fetched for readers and kept: in the data directory, within the quota.

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

/// Removes what was fetched for readers longest ago, until it is within the quota with all else that
/// the node owns. `root` and what is being read stays.
pub(crate) async fn make_room(ctx: &Arc<Context>, root: &Address) -> Result<(), ErrorBody> {
    let (root, of) = (*root, Arc::clone(ctx));
    let made = ctx.blocking(move |store| evict(&of, store, &root)).await;
    made.ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))
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

fn evict(ctx: &Context, store: &Store, root: &Address) -> Result<(), Fault> {
    let mut viewed = viewed(ctx, store)?;
    let mut kept = bytes(&viewed);
    let usage = store.usage()?;
    let most = (usage.quota_bytes).map_or(DEFAULT_BYTES, |quota| {
        quota.saturating_sub(usage.owned_bytes)
    });
    viewed.retain(|partial| !partial.running && partial.address != *root);
    viewed.sort_unstable_by_key(|partial| partial.created_unix);
    for partial in viewed {
        if kept <= most {
            break;
        }
        if matches!(store.drop_partial(&partial.address), Ok(true)) {
            tracing::debug!(root = %partial.address, "what was read is forgotten");
            kept = kept.saturating_sub(partial.have_bytes);
        }
    }
    Ok(())
}
