//! Reading what is here.

use crate::context::Context;
use crate::errors;
use bytes::Bytes;
use futures::stream::{self, Stream};
use potluck_api::ErrorBody;
use potluck_content::{Address, GROUP_BYTES, Hash, Kind, Link, Manifest, Node};
use potluck_store::{Fault, ReadError, SpanBuf};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are read at a time.
const CHUNK_GROUPS: u64 = 16;

/// A file that can be read.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    pub(crate) hash: Hash,
    pub(crate) bytes: u64,
}

impl OpenFile {
    /// The address of the file alone, whatever folder it is in.
    pub(crate) fn address(&self) -> Address {
        Address::blob(self.hash)
    }
}

/// Something in a folder.
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Size of a file; `None` for a folder.
    pub(crate) bytes: Option<u64>,
}

/// What a link, or a path in it, leads to.
pub(crate) enum OpenedKind {
    File(OpenFile),
    Folder(Vec<Listed>),
}

/// An opened file or folder.
pub(crate) struct Opened {
    /// The root.
    pub(crate) root: Address,
    pub(crate) name: Option<String>,
    pub(crate) kind: OpenedKind,
    /// The manifest of the root, when that is a folder.
    pub(crate) manifest: Option<Arc<Manifest>>,
}

/// Opens a link, or a path in the folder that it leads to.
pub(crate) async fn open(
    ctx: &Arc<Context>,
    link: &Link,
    path: &[String],
    _patience: Duration,
) -> Result<Opened, ErrorBody> {
    let (root, path) = (link.address, path.join("/"));
    let name = link.name.clone();
    let opened = ctx.blocking(move |store| {
        let known = store.root(&root)?.map(|root| root.name);
        let manifest = store.manifest(&root)?;
        let kind = match (&manifest, root.kind) {
            (None, Kind::Blob) if path.is_empty() => {
                let hash = root.hash;
                let size = store.blob_size(&hash)?;
                size.map(|bytes| OpenedKind::File(OpenFile { hash, bytes }))
            }
            (None, _) => None,
            (Some(manifest), _) => within(manifest, &path),
        };
        Ok::<_, Fault>(kind.map(|kind| Opened {
            root,
            name: name.or(known),
            kind,
            manifest,
        }))
    });
    let opened = opened.await.ok_or_else(errors::stopping)?;
    opened
        .map_err(|fault| errors::fault(&fault))?
        .ok_or_else(|| {
            errors::not_found(
                format!("nobody here has {root}"),
                "fetch it with 'potluck get'",
            )
        })
}

/// What is at a path of a folder.
fn within(manifest: &Manifest, path: &str) -> Option<OpenedKind> {
    if path.is_empty() {
        return Some(OpenedKind::Folder(children(manifest, "")));
    }
    match manifest.get(path).map(|entry| &entry.node) {
        Some(&Node::File { hash, size, .. }) => {
            Some(OpenedKind::File(OpenFile { hash, bytes: size }))
        }
        Some(Node::Symlink { .. }) => None,
        Some(Node::Directory) => Some(OpenedKind::Folder(Vec::new())),
        None => {
            let listed = children(manifest, &format!("{path}/"));
            (!listed.is_empty()).then_some(OpenedKind::Folder(listed))
        }
    }
}

/// What is straight below a path that ends in `/`, or in the folder itself. Entries are ordered by
/// path, so that those of one folder are neighbours.
fn children(manifest: &Manifest, prefix: &str) -> Vec<Listed> {
    let mut found: Vec<Listed> = Vec::new();
    for entry in manifest.entries() {
        let Some(rest) = entry.path.as_str().strip_prefix(prefix) else {
            continue;
        };
        let (name, bytes) = match (rest.split_once('/'), &entry.node) {
            (Some((name, _)), _) => (name, None),
            (None, Node::File { size, .. }) => (rest, Some(*size)),
            (None, Node::Directory) => (rest, None),
            (None, Node::Symlink { .. }) => continue,
        };
        if found.last().is_none_or(|last| last.name != name) {
            let name = name.to_owned();
            found.push(Listed { name, bytes });
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

/// How many pieces a root has, and which of them are here; none when this node knows nothing of it.
pub(crate) async fn have(ctx: &Arc<Context>, root: &Address) -> (u32, Vec<Range<u32>>) {
    let root = *root;
    let found = ctx.blocking(move |store| {
        let layout = store.layout(&root)?;
        Ok::<_, Fault>(layout.zip(store.available(&root)?))
    });
    match found.await {
        Some(Ok(Some((layout, have)))) => (layout.pieces(), have.ranges().collect()),
        _ => (0, Vec::new()),
    }
}
