//! Whether what is asked for is here already.

use crate::context::Context;
use crate::errors;
use potluck_api::{ErrorBody, GetEvent};
use potluck_content::Address;
use potluck_store::{Origin, Root};
use std::path::Path;
use std::sync::Arc;

pub(super) async fn held(ctx: &Arc<Context>, root: &Address) -> Result<Option<Root>, ErrorBody> {
    let root = *root;
    ctx.blocking(move |store| store.root(&root))
        .await
        .ok_or_else(errors::stopping)?
        .map_err(|fault| errors::fault(&fault))
}

pub(super) fn fetched_to(root: &Root) -> Option<&Path> {
    match &root.origin {
        Origin::Fetched { path } => Some(path.as_path()),
        Origin::Shared { .. } | Origin::Copied => None,
    }
}

pub(super) async fn is_whole(ctx: &Arc<Context>, root: &Root) -> bool {
    root.selected.is_none()
        && root.problems.is_empty()
        && ctx
            .available(root.address)
            .await
            .is_some_and(|have| have.is_full())
}

pub(super) fn already_here(root: &Root, dest: &Path) -> GetEvent {
    GetEvent::Done {
        path: dest.display().to_string(),
        cid: root.address.to_string(),
        bytes: root.bytes,
        files: root.files,
        fetched_bytes: 0,
        wasted_bytes: 0,
        seconds: 0.0,
        sources: Vec::new(),
        serving: true,
    }
}
