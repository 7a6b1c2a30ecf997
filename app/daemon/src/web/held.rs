//! Reading what is here.

use crate::context::Context;
use crate::errors;
use bytes::Bytes;
use futures::stream::{self, Stream};
use potluck_api::ErrorBody;
use potluck_content::{Address, GROUP_BYTES, Hash, Kind as Is, Link, Manifest, Node};
use potluck_gateway::{FolderEntry, FolderEntryKind};
use potluck_store::{ReadError, SpanBuf};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are read at a time.
const CHUNK_GROUPS: u64 = 16;

/// A file or a folder that was found.
pub(crate) struct Opened {
    pub(crate) cid: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// See [`Opened`].
pub(crate) enum Kind {
    File(OpenFile),
    Folder(Vec<FolderEntry>),
}

/// A file that can be read.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    pub(crate) hash: Hash,
    pub(crate) bytes: u64,
}

/// Finds a file or a folder within what a link names.
pub(crate) async fn open(
    ctx: &Arc<Context>,
    link: &Link,
    path: &[String],
    _patience: Duration,
) -> Result<Opened, ErrorBody> {
    let (address, path) = (link.address, path.join("/"));
    let name = link.name.clone().unwrap_or_default();
    let opened = ctx.blocking(move |store| {
        let known = store.root(&address)?.map(|root| root.name);
        let name = known.unwrap_or(name);
        let kind = match address.kind {
            Is::Blob => {
                let size = store.blob_size(&address.hash)?;
                size.filter(|_| path.is_empty()).map(|bytes| {
                    let hash = address.hash;
                    (address, Kind::File(OpenFile { hash, bytes }))
                })
            }
            Is::Folder => store
                .manifest(&address)?
                .and_then(|manifest| within(address, &manifest, &path)),
        };
        Ok(kind.map(|(address, kind)| Opened {
            cid: address.to_string(),
            name,
            kind,
        }))
    });
    let opened = opened.await.ok_or_else(errors::stopping)?;
    opened
        .map_err(|fault| errors::fault(&fault))?
        .ok_or_else(|| {
            errors::not_found(
                format!("nobody here has {}", link.address),
                "fetch it with 'potluck get'",
            )
        })
}

/// What is at a path of a folder.
fn within(root: Address, manifest: &Manifest, path: &str) -> Option<(Address, Kind)> {
    if path.is_empty() {
        return Some((root, Kind::Folder(children(manifest, ""))));
    }
    match manifest.get(path).map(|entry| &entry.node) {
        Some(&Node::File { hash, size, .. }) => Some((
            Address::blob(hash),
            Kind::File(OpenFile { hash, bytes: size }),
        )),
        Some(Node::Symlink { .. }) => None,
        Some(Node::Directory) => Some((root, Kind::Folder(Vec::new()))),
        None => {
            let entries = children(manifest, &format!("{path}/"));
            (!entries.is_empty()).then_some((root, Kind::Folder(entries)))
        }
    }
}

/// What is straight below a path that ends in `/`, or in the folder itself. Entries are ordered by
/// path, so that those of one folder are neighbours.
fn children(manifest: &Manifest, prefix: &str) -> Vec<FolderEntry> {
    let mut found: Vec<FolderEntry> = Vec::new();
    for entry in manifest.entries() {
        let Some(rest) = entry.path.as_str().strip_prefix(prefix) else {
            continue;
        };
        let (name, kind) = match (rest.split_once('/'), &entry.node) {
            (Some((name, _)), _) => (name, FolderEntryKind::Folder),
            (None, Node::File { size, .. }) => (rest, FolderEntryKind::File(*size)),
            (None, Node::Directory) => (rest, FolderEntryKind::Folder),
            (None, Node::Symlink { .. }) => (rest, FolderEntryKind::Link),
        };
        if found.last().is_none_or(|last| last.name != name) {
            let name = name.to_owned();
            found.push(FolderEntry { name, kind });
        }
    }
    found
}

/// Reads a range of a file in chunks.
pub(crate) fn read(
    ctx: &Arc<Context>,
    file: &OpenFile,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ErrorBody>> + Send + 'static {
    let state = (Arc::clone(ctx), file.clone(), range);
    stream::try_unfold(state, |(ctx, file, range)| async move {
        let range = range.start..range.end.min(file.bytes);
        if range.is_empty() {
            return Ok(None);
        }
        let first = range.start / GROUP_BYTES;
        let last = range.end.div_ceil(GROUP_BYTES).min(first + CHUNK_GROUPS);
        let hash = file.hash;
        let read = ctx.blocking(move |store| {
            let mut span = SpanBuf::new();
            store.read_span(&hash, first..last, &mut span)?;
            Ok::<_, ReadError>(span.into_parts().1)
        });
        let data = read.await.ok_or_else(errors::stopping)?;
        let data = Bytes::from(data.map_err(|error| lost(&error))?);
        let offset = first * GROUP_BYTES;
        let from = usize::try_from(range.start - offset).unwrap_or(usize::MAX);
        let to = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let (from, to) = (from.min(data.len()), to.min(data.len()));
        let part = data.slice(from..to.max(from));
        let next = range.start + part.len() as u64;
        if part.is_empty() {
            return Ok(None);
        }
        Ok(Some((part, (ctx, file, next..range.end))))
    })
}

fn lost(error: &ReadError) -> ErrorBody {
    match error {
        ReadError::Fault(fault) => errors::fault(fault),
        other => errors::failed(
            other.to_string(),
            "'potluck verify' re-checks what this node holds",
        ),
    }
}

/// How many pieces something has, and the runs of those that are here.
pub(crate) async fn have(
    ctx: &Arc<Context>,
    address: &Address,
) -> Result<(u32, Vec<Range<u32>>), ErrorBody> {
    let root = *address;
    let found = ctx.blocking(move |store| {
        let layout = store.layout(&root)?;
        Ok(layout.zip(store.available(&root)?))
    });
    let found = found.await.ok_or_else(errors::stopping)?;
    let found = found.map_err(|fault| errors::fault(&fault))?;
    let (layout, have) = found.ok_or_else(|| {
        errors::not_found(
            format!("this node has nothing of {root}"),
            "fetch it with 'potluck get'",
        )
    })?;
    Ok((layout.pieces(), have.ranges().collect()))
}
