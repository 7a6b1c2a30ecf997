//! Torrents as the gateway has them: opened, and described.

use super::content::{MAX_FILES, described};
use crate::bittorrent::{self, Torrent};
use crate::context::Context;
use crate::{errors, torrent};
use potluck_api::{Content, ContentKind, ErrorBody, Pieces};
use potluck_bittorrent::InfoHashes;
use potluck_gateway::{
    Bytestream, FolderEntry, FolderEntryKind, OpenError, Opened, OpenedFile, OpenedKind, ReadFile,
    media_type,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A file of a torrent with the node that reads it.
struct Reader {
    ctx: Arc<Context>,
    torrent: Torrent,
    file: usize,
}

impl ReadFile for Reader {
    fn read(&self, range: Range<u64>) -> Bytestream {
        Box::pin(bittorrent::read(&self.ctx, &self.torrent, self.file, range))
    }
}

/// One that is not here isn't looked for, so that nobody had time to be found.
async fn find(
    ctx: &Arc<Context>,
    hashes: &InfoHashes,
    patience: Duration,
) -> Result<Torrent, OpenError> {
    let found = bittorrent::find(ctx, hashes, patience).await;
    found.map_err(OpenError::Failed)
}

pub(super) async fn open(
    ctx: &Arc<Context>,
    hashes: &InfoHashes,
    path: &[String],
    patience: Duration,
) -> Result<Opened, OpenError> {
    let torrent = find(ctx, hashes, patience).await?;
    let root = bittorrent::address(&torrent.metainfo.info().hashes());
    let info = torrent.metainfo.info();
    let wanted = path.join("/");
    let is_it = |inner: &str| inner == wanted || info.is_single() && wanted.is_empty();
    let found = torrent.files().find(|(_, inner, _)| is_it(inner));
    let (cid, kind) = if let Some((file, _, entry)) = found {
        let bytes = entry.size;
        let reader = Arc::new(Reader {
            ctx: Arc::clone(ctx),
            torrent: torrent.clone(),
            file,
        });
        let kind = OpenedKind::File(OpenedFile { bytes, reader });
        (format!("{root}.{file}"), kind)
    } else {
        let entries = listed(&torrent, &wanted);
        if entries.is_empty() && !wanted.is_empty() {
            return Err(OpenError::NoSuchPath(errors::not_found(
                format!("the torrent has no '{}'", errors::clip(&wanted)),
                "its files are listed one level up",
            )));
        }
        (root, OpenedKind::Folder(entries))
    };
    let name = path.last().map_or_else(|| info.name(), String::as_str);
    Ok(Opened {
        cid,
        name: name.to_owned(),
        kind,
    })
}

/// What is right in a folder of the torrent, ordered by name.
fn listed(torrent: &Torrent, folder: &str) -> Vec<FolderEntry> {
    let mut entries = BTreeMap::new();
    for (_, inner, file) in torrent.files() {
        let below = match folder {
            "" => Some(inner),
            _ => (inner.strip_prefix(folder)).and_then(|below| below.strip_prefix('/')),
        };
        let Some(below) = below else {
            continue;
        };
        let (name, kind) = match below.split_once('/') {
            Some((name, _)) => (name, FolderEntryKind::Folder),
            None => (below, FolderEntryKind::File(file.size)),
        };
        entries.insert(name.to_owned(), kind);
    }
    let entries = entries.into_iter();
    entries
        .map(|(name, kind)| FolderEntry { name, kind })
        .collect()
}

/// What a page tells of a torrent.
pub(super) async fn about(
    ctx: &Arc<Context>,
    hashes: &InfoHashes,
    patience: Duration,
) -> Result<Content, OpenError> {
    let torrent = find(ctx, hashes, patience).await?;
    let info = torrent.metainfo.info();
    let name = info.name().to_owned();
    let bytes = torrent.files().map(|(_, _, file)| file.size).sum();
    let have_bytes = torrent.have_bytes();
    let files = torrent.files().take(MAX_FILES);
    let files = files.map(|(_, inner, file)| described(inner, file.size));
    let kind = if info.is_single() {
        ContentKind::File
    } else {
        ContentKind::Folder
    };
    let magnet = torrent::magnet(&torrent.metainfo).to_string();
    Ok(Content {
        cid: bittorrent::address(&info.hashes()),
        media_type: info.is_single().then(|| media_type(&name)),
        name,
        kind,
        bytes,
        files: files.collect(),
        file_count: torrent.files().count() as u64,
        have_bytes,
        complete: have_bytes >= bytes,
        link: magnet.clone(),
        magnet: Some(magnet),
        content_url: String::new(),
    })
}

/// Which pieces of a torrent are here.
pub(super) async fn pieces(ctx: &Arc<Context>, hashes: &InfoHashes) -> Result<Pieces, ErrorBody> {
    let torrent = bittorrent::find(ctx, hashes, Duration::ZERO).await?;
    let have = torrent.have();
    Ok(Pieces {
        pieces: have.len(),
        have: have.ranges().map(|run| (run.start, run.end)).collect(),
    })
}
