//! Links as the gateway has them: opened, and described.

use super::torrents;
use crate::context::Context;
use crate::{bittorrent, download, errors, reading, roots, torrent};
use potluck_api::{Content, ContentFile, ContentKind, ErrorBody, ExitCode};
use potluck_content::{Manifest, Node};
use potluck_gateway::{
    Bytestream, FolderEntry, FolderEntryKind, OpenError, Opened, OpenedFile, OpenedKind, ReadFile,
    media_type,
};
use potluck_store::{Fault, Origin, Root, Store};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Files that a description lists.
pub(super) const MAX_FILES: usize = 10_000;

/// A file with the node that reads it.
struct Reader {
    ctx: Arc<Context>,
    file: reading::OpenFile,
}

impl ReadFile for Reader {
    fn read(&self, range: Range<u64>) -> Bytestream {
        Box::pin(reading::read(&self.ctx, &self.file, range))
    }
}

pub(super) async fn open(
    ctx: &Arc<Context>,
    link: &str,
    path: &[String],
    patience: Duration,
) -> Result<Opened, OpenError> {
    if let Some(hashes) = bittorrent::hashes_of(link) {
        let hashes = hashes.map_err(OpenError::BadLink)?;
        return torrents::open(ctx, &hashes, path, patience).await;
    }
    let link = download::parse(link).map_err(OpenError::BadLink)?;
    let found = match reading::open(ctx, &link, path, patience).await {
        Ok(found) => found,
        Err(error) if error.code == ExitCode::NotFound && !path.is_empty() => {
            // Either nobody has it, or the folder has no such path.
            let whole = reading::open(ctx, &link, &[], Duration::ZERO).await;
            let is_missing = whole.is_ok_and(|whole| !has_file(whole.manifest.as_deref(), path));
            return Err(match is_missing {
                true => OpenError::NoSuchPath(error),
                false => OpenError::NoProvider(error),
            });
        }
        Err(error) => return Err(why(error)),
    };
    let (cid, kind) = match found.kind {
        reading::OpenedKind::File(file) => {
            let (cid, bytes) = (file.address(), file.bytes);
            let ctx = Arc::clone(ctx);
            let reader = Arc::new(Reader { ctx, file });
            (cid, OpenedKind::File(OpenedFile { bytes, reader }))
        }
        reading::OpenedKind::Folder(listed) => {
            let entries = listed.into_iter().map(entry).collect();
            (found.root, OpenedKind::Folder(entries))
        }
    };
    Ok(Opened {
        cid: cid.to_string(),
        name: found.name.unwrap_or_default(),
        kind,
    })
}

fn entry(listed: reading::Listed) -> FolderEntry {
    FolderEntry {
        name: listed.name,
        kind: match listed.bytes {
            Some(bytes) => FolderEntryKind::File(bytes),
            None => FolderEntryKind::Folder,
        },
    }
}

fn has_file(manifest: Option<&Manifest>, path: &[String]) -> bool {
    let entry = manifest.and_then(|manifest| manifest.get(&path.join("/")));
    entry.is_some_and(|entry| matches!(entry.node, Node::File { .. }))
}

fn why(error: ErrorBody) -> OpenError {
    if error.code == ExitCode::NotFound {
        OpenError::NoProvider(error)
    } else {
        OpenError::Failed(error)
    }
}

/// What a page tells of a link.
pub(super) async fn about(
    ctx: &Arc<Context>,
    link: &str,
    patience: Duration,
) -> Result<Content, OpenError> {
    if let Some(hashes) = bittorrent::hashes_of(link) {
        let hashes = hashes.map_err(OpenError::BadLink)?;
        return torrents::about(ctx, &hashes, patience).await;
    }
    let link = download::parse(link).map_err(OpenError::BadLink)?;
    let address = link.address;
    let opened = reading::open(ctx, &link, &[], patience)
        .await
        .map_err(why)?;
    let known = ctx.blocking(move |store| {
        let root = store.root(&address)?;
        let have = match reading::pieces(store, &address)? {
            Some((layout, have)) => roots::bytes_of(store, &address, &layout, &have)?,
            None => 0,
        };
        let magnet = match &root {
            Some(root) => magnet(store, root)?,
            None => None,
        };
        Ok::<_, Fault>((root, have, magnet))
    });
    let (root, have_bytes, magnet) = known
        .await
        .ok_or_else(|| OpenError::Failed(errors::stopping()))?
        .map_err(|fault| OpenError::Failed(errors::fault(&fault)))?;
    let name = match (&root, &link.name) {
        (Some(root), _) => root.name.clone(),
        (None, Some(name)) => potluck_content::safe_name(name),
        (None, None) => address.to_string(),
    };
    let (kind, bytes, files, file_count) = match (&opened.manifest, &opened.kind) {
        (Some(manifest), _) => {
            let files = list(manifest);
            let count = manifest.files() as u64;
            (ContentKind::Folder, manifest.total_bytes(), files, count)
        }
        (None, reading::OpenedKind::File(file)) => {
            let files = vec![described(&name, file.bytes)];
            (ContentKind::File, file.bytes, files, 1)
        }
        (None, reading::OpenedKind::Folder(_)) => (ContentKind::Folder, 0, Vec::new(), 0),
    };
    Ok(Content {
        cid: address.to_string(),
        media_type: (kind == ContentKind::File).then(|| media_type(&name)),
        kind,
        bytes,
        files,
        file_count,
        have_bytes,
        complete: have_bytes >= bytes,
        link: roots::link_of(ctx, address, &name, bytes).to_string(),
        magnet,
        content_url: String::new(),
        name,
    })
}

/// A magnet link of what is shared in place and served as a torrent too.
fn magnet(store: &Store, root: &Root) -> Result<Option<String>, Fault> {
    let Origin::Shared { paths } = &root.origin else {
        return Ok(None);
    };
    let [path] = paths.as_slice() else {
        return Ok(None);
    };
    let mut torrents = store.torrents()?;
    torrents.retain(|info| info.seed && info.place == *path);
    // One of both versions is for more people.
    torrents.sort_by_key(|info| info.hashes.v1.is_none() || info.hashes.v2.is_none());
    let Some(first) = torrents.first() else {
        return Ok(None);
    };
    let metainfo = store.torrent_metainfo(&first.key)?;
    Ok(metainfo.map(|metainfo| torrent::magnet(&metainfo).to_string()))
}

fn list(manifest: &Manifest) -> Vec<ContentFile> {
    let files = manifest
        .entries()
        .iter()
        .filter_map(|entry| match entry.node {
            Node::File { size, .. } => Some(described(entry.path.as_str(), size)),
            Node::Directory | Node::Symlink { .. } => None,
        });
    files.take(MAX_FILES).collect()
}

pub(super) fn described(path: &str, bytes: u64) -> ContentFile {
    ContentFile {
        media_type: media_type(path),
        path: path.to_owned(),
        bytes,
    }
}
