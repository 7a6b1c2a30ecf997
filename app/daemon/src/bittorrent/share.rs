//! What is shared, shared as torrents too.

use super::{listen, seed};
use crate::context::Context;
use crate::errors;
use crate::torrent::{self, Format, NewTorrent};
use potluck_api::{ErrorBody, SharedTorrent, TorrentWish};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The folder of the data directory where torrent files of what is shared are put.
const FOLDER: &str = "torrents";

/// Makes torrents of a file or folder that is shared in place, and serves them: a hybrid, and one of
/// version 1 for clients that refuse hybrids.
pub(crate) async fn share(
    ctx: &Arc<Context>,
    path: &Path,
    wish: &TorrentWish,
    stop: &CancellationToken,
) -> Result<Vec<SharedTorrent>, ErrorBody> {
    if !ctx.torrents.settings().enabled {
        return Err(super::switched_off());
    }
    listen::begin(ctx).await?;
    let mut made = Vec::new();
    for format in [Format::Hybrid, Format::V1] {
        let file = make(ctx, path, wish, format, stop).await?;
        let metainfo = {
            let file = file.clone();
            let read = tokio::task::spawn_blocking(move || torrent::read_file(&file)).await;
            Arc::new(read.map_err(|_| errors::stopping())??)
        };
        let magnet = torrent::magnet(&metainfo).to_string();
        let info = seed::add(ctx, metainfo, path.to_path_buf()).await?;
        seed::serve(ctx, &info).await;
        made.push(SharedTorrent {
            file: file.display().to_string(),
            magnet,
        });
    }
    Ok(made)
}

async fn make(
    ctx: &Arc<Context>,
    path: &Path,
    wish: &TorrentWish,
    format: Format,
    stop: &CancellationToken,
) -> Result<PathBuf, ErrorBody> {
    let folder = ctx.data.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| {
        errors::failed(
            format!("cannot make {}: {error}", folder.display()),
            "check the data directory",
        )
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = match format {
        Format::V1 => "v1.torrent",
        Format::Hybrid | Format::V2 => "torrent",
    };
    let output = folder.join(format!("{name}.{ending}"));
    let new = NewTorrent {
        path: path.to_path_buf(),
        output: output.clone(),
        force: true,
        name: None,
        format,
        piece_bytes: wish.piece_bytes,
        trackers: wish.trackers.clone(),
        web_seeds: Vec::new(),
        private: wish.private,
        comment: None,
        no_date: false,
    };
    let stop = stop.clone();
    let made = tokio::task::spawn_blocking(move || {
        torrent::make(&new, &mut |_, _| match stop.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    });
    made.await.map_err(|_| errors::stopping())??;
    Ok(output)
}
