//! Looking into torrent files and magnet links.

use crate::errors;
use potluck_api::{ErrorBody, TorrentFile, TorrentReport};
use potluck_bittorrent::{FileKind, InfoHashes, MAX_METAINFO_BYTES, Magnet, Metainfo};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Tells what a torrent file, or a magnet link, says.
///
/// # Errors
/// When there is no such file, or it is not a torrent that can be used.
pub fn describe(what: &str) -> Result<TorrentReport, ErrorBody> {
    let is_magnet = what
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"));
    if is_magnet {
        return of_magnet(what);
    }
    read_file(Path::new(what)).map(|torrent| report(&torrent))
}

fn of_magnet(text: &str) -> Result<TorrentReport, ErrorBody> {
    let magnet: Magnet = text.parse().map_err(|error| {
        errors::usage(
            format!("{error}"),
            "a magnet link begins with magnet:?xt=urn:btih: and 40 digits; quote it, as shells take the & for themselves",
        )
    })?;
    Ok(TorrentReport {
        name: magnet.name.clone(),
        bytes: magnet.size,
        trackers: magnet
            .trackers
            .iter()
            .map(|one| vec![one.clone()])
            .collect(),
        web_seeds: magnet.web_seeds.clone(),
        magnet: magnet.to_string(),
        ..named(magnet.hashes)
    })
}

fn named(hashes: InfoHashes) -> TorrentReport {
    TorrentReport {
        infohash_v1: hashes.v1.map(|hash| hash.to_string()),
        infohash_v2: hashes.v2.map(|hash| hash.to_string()),
        ..TorrentReport::default()
    }
}

/// Reads and checks a torrent file.
pub(crate) fn read_file(path: &Path) -> Result<Metainfo, ErrorBody> {
    let shown = path.display();
    let bytes = load(path)?;
    Metainfo::parse(&bytes).map_err(|error| {
        errors::failed(
            format!("{shown} is not a torrent that can be used: {error}"),
            "fetch it again from where it came from",
        )
    })
}

/// Reads what may be a torrent file.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>, ErrorBody> {
    let shown = path.display();
    read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => errors::not_found(
            format!("there is no file {}", errors::clip(&shown.to_string())),
            "give the path of a .torrent file, or a magnet link in quotes",
        ),
        _ => errors::failed(
            format!("cannot read {shown}: {error}"),
            "check its permissions",
        ),
    })
}

/// The file's bytes; of one that is too large for a torrent just enough to be refused.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_METAINFO_BYTES as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a torrent says.
pub(super) fn report(torrent: &Metainfo) -> TorrentReport {
    let info = torrent.info();
    let files: Vec<TorrentFile> = (0..)
        .zip(info.files())
        .filter(|(_, file)| file.kind != FileKind::Padding)
        .map(|(index, file)| TorrentFile {
            path: file.path.to_string(),
            bytes: file.size,
            index,
            link: match &file.kind {
                FileKind::Symlink { target } => target.as_ref().map(ToString::to_string),
                FileKind::Regular | FileKind::Padding => None,
            },
        })
        .collect();
    let bytes = files.iter().map(|file| file.bytes).sum();
    TorrentReport {
        name: Some(info.name().to_owned()),
        private: info.is_private(),
        bytes: Some(bytes),
        piece_bytes: Some(info.piece_bytes()),
        pieces: Some(info.pieces()),
        files,
        trackers: torrent.trackers.clone(),
        web_seeds: torrent.web_seeds.clone(),
        comment: torrent.comment.clone(),
        created_by: torrent.created_by.clone(),
        created_unix: torrent.creation_date_seconds,
        magnet: magnet(torrent).to_string(),
        ..named(info.hashes())
    }
}

/// The magnet link that leads to a torrent.
pub(crate) fn magnet(torrent: &Metainfo) -> Magnet {
    let info = torrent.info();
    let files = info.files().iter();
    let real = files.filter(|file| file.kind != FileKind::Padding);
    Magnet {
        name: Some(info.name().to_owned()),
        size: Some(real.map(|file| file.size).sum()),
        trackers: torrent.trackers.concat(),
        web_seeds: torrent.web_seeds.clone(),
        ..Magnet::new(info.hashes())
    }
}
