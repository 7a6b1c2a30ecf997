//! Reading content that is here, or comes while it is read.
//!
//! What is whole here is read from the disk. For all else there is one running download of the root,
//! whoever began it: each stream is a reader of its planner, so that what is read comes first.

mod buffers;
pub(crate) mod cache;
mod live;
mod registry;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use live::Live;
pub(crate) use registry::{Readings, Seat};

use crate::context::Context;
use crate::errors;
use bytes::Bytes;
use futures::Stream;
use potluck_api::ErrorBody;
use potluck_content::{Address, Hash, Kind, Link, Manifest, Node, PieceLayout, PieceSet};
use potluck_store::{Fault, Store};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file that can be read.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    /// The root that it is in, with who may have it.
    pub(crate) link: Link,
    /// The file itself.
    pub(crate) hash: Hash,
    /// Its size.
    pub(crate) bytes: u64,
}

impl OpenFile {
    /// The address of the file alone, whatever folder it is in.
    pub(crate) fn address(&self) -> Address {
        Address {
            kind: Kind::Blob,
            hash: self.hash,
        }
    }
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Size of a file; `None` for a folder.
    pub(crate) bytes: Option<u64>,
}

/// What a link, or a path in it, leads to.
#[derive(Clone, Debug)]
pub(crate) enum OpenedKind {
    File(OpenFile),
    /// What is right in it, ordered by name, folders and files.
    Folder(Vec<Listed>),
}

/// An opened file or folder.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// The root.
    pub(crate) root: Address,
    /// Its name: the last part of the path, or what the link or this node calls the root.
    pub(crate) name: Option<String>,
    pub(crate) kind: OpenedKind,
    /// The manifest of the root, when that is a folder.
    pub(crate) manifest: Option<Arc<Manifest>>,
}

/// Opens a link, or a path in the folder that it leads to. Looks for who has it, for as long as
/// `patience`, when nothing of it is here.
///
/// # Errors
/// Not found: there is no such path, or nobody has it; then it says what was tried.
pub(crate) async fn open(
    ctx: &Arc<Context>,
    link: &Link,
    path: &[String],
    patience: Duration,
) -> Result<Opened, ErrorBody> {
    let deadline = Instant::now() + patience;
    let root = link.address;
    let (layout, manifest) = match known(ctx, root).await? {
        Some(known) => known,
        None => {
            let live = registry::attach(ctx, link, patience).await?;
            let manifest = known(ctx, root).await?.and_then(|(_, manifest)| manifest);
            (Arc::clone(&live.layout), manifest)
        }
    };
    let kind = match (&manifest, root.kind) {
        (None, Kind::Blob) if path.is_empty() => OpenedKind::File(OpenFile {
            link: link.clone(),
            hash: root.hash,
            bytes: layout.total_bytes(),
        }),
        (Some(manifest), _) => at_path(manifest, link, path)?,
        (None, _) => return Err(no_such(path)),
    };
    if let OpenedKind::File(file) = &kind {
        have_or_find(
            ctx,
            file,
            deadline.saturating_duration_since(Instant::now()),
        )
        .await?;
    }
    let name = match path.last() {
        Some(name) => Some(name.clone()),
        None => name_of(ctx, link).await,
    };
    Ok(Opened {
        root,
        name,
        kind,
        manifest,
    })
}

/// Verified bytes of the file in order, at most 256 KiB at a time; waits for what is not here yet,
/// which is fetched before all else. Dropping the stream ends that.
pub(crate) fn read(
    ctx: &Arc<Context>,
    file: &OpenFile,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ErrorBody>> + Send + 'static {
    stream::read(ctx, file, range)
}

/// How many pieces a root has, and which of them are here; none when this node knows nothing of it.
pub(crate) async fn have(ctx: &Arc<Context>, root: &Address) -> (u32, Vec<Range<u32>>) {
    let root = *root;
    match ctx.blocking(move |store| pieces(store, &root)).await {
        Some(Ok(Some((_, have)))) => (have.len(), have.ranges().collect()),
        _ => (0, Vec::new()),
    }
}

/// The pieces of a root that are here, in files or of an unfinished download. `None` when nothing is
/// known of it.
pub(crate) fn pieces(
    store: &Store,
    root: &Address,
) -> Result<Option<(Arc<PieceLayout>, PieceSet)>, Fault> {
    let Some(layout) = store.layout(root)? else {
        return Ok(None);
    };
    let mut have = PieceSet::new(layout.pieces());
    for found in [store.available(root)?, store.kept_pieces(root)?] {
        found
            .filter(|found| found.len() == have.len())
            .inspect(|found| have.union_with(found));
    }
    Ok(Some((layout, have)))
}

type Known = (Arc<PieceLayout>, Option<Arc<Manifest>>);

async fn known(ctx: &Arc<Context>, root: Address) -> Result<Option<Known>, ErrorBody> {
    let found = ctx.blocking(move |store| {
        let layout = store.layout(&root)?;
        Ok(layout.map(|layout| Ok((layout, store.manifest(&root)?))))
    });
    found
        .await
        .ok_or_else(errors::stopping)?
        .and_then(Option::transpose)
        .map_err(|fault| errors::fault(&fault))
}

async fn name_of(ctx: &Arc<Context>, link: &Link) -> Option<String> {
    let root = link.address;
    let held = ctx.blocking(move |store| store.root(&root).ok().flatten());
    match &link.name {
        Some(name) => Some(name.clone()),
        None => held.await.flatten().map(|root| root.name),
    }
}

/// Waits until somebody is known who has the file, unless some of it is here.
async fn have_or_find(
    ctx: &Arc<Context>,
    file: &OpenFile,
    patience: Duration,
) -> Result<(), ErrorBody> {
    if file.bytes == 0 || stream::is_here(ctx, file.hash).await? {
        return Ok(());
    }
    let live = registry::attach(ctx, &file.link, patience).await?;
    let mut changes = live.changes();
    let found = async {
        let blob = live.layout.find_blob(&file.hash);
        let ready = || live.sources() > 0 || blob.is_some_and(|blob| live.has_any_of(blob));
        while live.ended().is_none() && !ready() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(patience, found)
        .await
        .map_err(|_| registry::nobody(&file.link, patience))
}

fn at_path(manifest: &Manifest, link: &Link, path: &[String]) -> Result<OpenedKind, ErrorBody> {
    let whole = path.join("/");
    match manifest.get(&whole).map(|entry| &entry.node) {
        Some(Node::File { hash, size, .. }) => Ok(OpenedKind::File(OpenFile {
            link: link.clone(),
            hash: *hash,
            bytes: *size,
        })),
        Some(Node::Directory) => Ok(OpenedKind::Folder(Vec::new())),
        Some(Node::Symlink { target }) => Err(errors::not_found(
            format!(
                "'{}' is a symbolic link to '{}'",
                errors::clip(&whole),
                errors::clip(target)
            ),
            "ask for what it points to",
        )),
        None => {
            let listed = list(manifest, path);
            if listed.is_empty() && !path.is_empty() {
                return Err(no_such(path));
            }
            Ok(OpenedKind::Folder(listed))
        }
    }
}

/// What is right below a path.
fn list(manifest: &Manifest, path: &[String]) -> Vec<Listed> {
    let mut below = path.join("/");
    if !below.is_empty() {
        below.push('/');
    }
    let mut found = BTreeMap::new();
    for entry in manifest.entries() {
        let Some(rest) = entry.path.as_str().strip_prefix(&below) else {
            continue;
        };
        match (rest.split_once('/'), &entry.node) {
            (Some((folder, _)), _) => found.insert(folder.to_owned(), None),
            (None, Node::File { size, .. }) => found.insert(rest.to_owned(), Some(*size)),
            (None, Node::Directory) => found.insert(rest.to_owned(), None),
            (None, Node::Symlink { .. }) => continue,
        };
    }
    let listed = found.into_iter();
    listed.map(|(name, bytes)| Listed { name, bytes }).collect()
}

fn no_such(path: &[String]) -> ErrorBody {
    errors::not_found(
        format!(
            "there is no '{}' in this content",
            errors::clip(&path.join("/"))
        ),
        "look at the folder itself for what is in it",
    )
}
