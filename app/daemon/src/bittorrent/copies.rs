//! Bytes of a torrent that this machine has already, under another address: in files that are shared, in
//! torrents that are here, in torrents that are being fetched.
//!
//! Only the size of a file says that it may be the same, unless both torrents know its root (BEP 52). So a
//! piece of it is hashed before it counts as a copy, and every piece that is taken from it is hashed like
//! one that a peer sent.

use super::content::{Content, Files};
use super::fetching::Sibling;
use crate::context::Context;
use potluck_bittorrent::{FileKind, Overlap};
use potluck_content::{GROUP_BYTES, Hash, PieceSet};
use potluck_store::{MAX_SPAN_BYTES, SpanBuf, Store, TorrentKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Places where one file may be, at most.
const MAX_PLACES: usize = 4;

/// Another torrent with files of this one.
pub(super) struct Twin {
    pub(super) content: Arc<Content>,
    pub(super) overlap: Overlap,
    /// Set while it is being fetched.
    pub(super) coming: Option<Coming>,
}

/// How more of a torrent comes.
pub(super) struct Coming {
    /// Its pieces for which our peers can be asked on its behalf.
    pub(super) lendable: PieceSet,
    /// It is fetched no longer.
    pub(super) ended: CancellationToken,
}

/// Where a file may be.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) kind: Kind,
    /// A piece of it was found to be right, or its root is the same.
    pub(super) is_proven: bool,
}

/// See [`Place`].
#[derive(Clone)]
pub(super) enum Kind {
    /// A blob of the store.
    Blob(Hash),
    /// The file of another torrent.
    Twin(Arc<Twin>),
}

/// Where the files of a torrent may be; of each file the first place is used.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) places: BTreeMap<usize, VecDeque<Place>>,
}

/// Looks for copies of a torrent's files. Those in torrents that are being fetched come last: what is
/// here needs no waiting.
pub(super) async fn find(
    ctx: &Arc<Context>,
    content: &Arc<Content>,
    siblings: &[Sibling],
) -> Copies {
    let (ours, own) = (Arc::clone(content), TorrentKey::of(&content.metainfo));
    let found = ctx.blocking(move |store| {
        let mut copies = Copies::default();
        for twin in held(store, &ours, own) {
            copies.add_twin(&Arc::new(twin));
        }
        copies.add_blobs(store, &ours);
        copies
    });
    let mut copies = found.await.unwrap_or_default();
    for sibling in siblings {
        copies.add_twin(&sibling.twin);
    }
    copies
}

/// Torrents that are complete and have files of this one.
fn held(store: &Store, ours: &Content, own: TorrentKey) -> Vec<Twin> {
    let torrents = store.torrents().unwrap_or_default().into_iter();
    let others = torrents.filter(|info| info.complete && info.key != own);
    let twins = others.filter_map(|info| {
        let metainfo = store.torrent_metainfo(&info.key).ok()??;
        let overlap = Overlap::new(ours.metainfo.info(), metainfo.info());
        if overlap.is_empty() {
            return None;
        }
        let reader = Arc::new(store.open_torrent(&info.key).ok()??);
        let content = Content::new(reader.metainfo(), Files::Here(reader));
        Some(Twin {
            content: Arc::new(content),
            overlap,
            coming: None,
        })
    });
    twins.collect()
}

impl Copies {
    fn add_twin(&mut self, twin: &Arc<Twin>) {
        for file in twin.overlap.files() {
            let kind = Kind::Twin(Arc::clone(twin));
            self.add(file.ours, kind, file.is_proven);
        }
    }

    fn add_blobs(&mut self, store: &Store, ours: &Content) {
        let files = ours.metainfo.info().files().iter().enumerate();
        let real = files.filter(|(_, file)| file.kind == FileKind::Regular && file.size > 0);
        let files: Vec<(usize, u64)> = real.map(|(index, file)| (index, file.size)).collect();
        let sizes: BTreeSet<u64> = files.iter().map(|(_, size)| *size).collect();
        let alike = match store.blobs_of_sizes(&sizes) {
            Ok(alike) => alike,
            Err(error) => return tracing::warn!(%error, "no copies are looked for"),
        };
        for (index, size) in files {
            for hash in alike.get(&size).into_iter().flatten() {
                self.add(index, Kind::Blob(*hash), false);
            }
        }
    }

    fn add(&mut self, file: usize, kind: Kind, is_proven: bool) {
        let places = self.places.entry(file).or_default();
        if places.len() < MAX_PLACES {
            let is_coming = matches!(&kind, Kind::Twin(twin) if twin.coming.is_some());
            let place = Place { kind, is_proven };
            // What is here needs no waiting.
            match is_proven && !is_coming {
                true => places.push_front(place),
                false => places.push_back(place),
            }
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The first place of a file.
    pub(super) fn place(&self, file: usize) -> Option<&Place> {
        self.places.get(&file)?.front()
    }

    /// The first place of a file is none.
    pub(super) fn drop_first(&mut self, file: usize) {
        if let Some(places) = self.places.get_mut(&file) {
            places.pop_front();
            if places.is_empty() {
                self.places.remove(&file);
            }
        }
    }

    /// A place is none any more, wherever it was.
    pub(super) fn drop_twin(&mut self, twin: &Arc<Twin>) {
        for places in self.places.values_mut() {
            places
                .retain(|place| !matches!(&place.kind, Kind::Twin(one) if Arc::ptr_eq(one, twin)));
        }
        self.places.retain(|_, places| !places.is_empty());
    }

    /// Torrents that are being fetched and may have more of these files later.
    pub(super) fn coming(&self) -> Vec<Arc<Twin>> {
        let mut coming: Vec<Arc<Twin>> = Vec::new();
        for place in self.places.values().flatten() {
            if let Kind::Twin(twin) = &place.kind
                && twin.coming.is_some()
                && !coming.iter().any(|known| Arc::ptr_eq(known, twin))
            {
                coming.push(Arc::clone(twin));
            }
        }
        coming
    }

    /// Whether a piece can be had from copies now.
    pub(super) fn has(&self, ours: &Content, piece: u32) -> bool {
        self.all_spans(ours, piece, |place, file, offset, bytes| {
            match &place.kind {
                Kind::Blob(_) => true,
                Kind::Twin(twin) => twin.has(file, offset, bytes),
            }
        })
    }

    /// Whether a piece will be had from copies, so that nobody else needs to be asked for it.
    pub(super) fn will_have(&self, ours: &Content, piece: u32) -> bool {
        self.all_spans(ours, piece, |place, file, offset, bytes| {
            match &place.kind {
                Kind::Blob(_) => true,
                Kind::Twin(twin) => match &twin.coming {
                    Some(coming) => place.is_proven && twin.awaits(coming, file, offset, bytes),
                    None => twin.has(file, offset, bytes),
                },
            }
        })
    }

    fn all_spans(
        &self,
        ours: &Content,
        piece: u32,
        good: impl Fn(&Place, usize, u64, u64) -> bool,
    ) -> bool {
        let mut any = false;
        for span in ours.layout.spans(piece.into()) {
            let Some(file) = span.file else { continue };
            let place = self.place(file);
            if !place.is_some_and(|place| good(place, file, span.offset, span.bytes)) {
                return false;
            }
            any = true;
        }
        any
    }

    /// The pieces for which this holds.
    pub(super) fn pieces(ours: &Content, which: impl Fn(u32) -> bool) -> PieceSet {
        let count = ours.geometry.pieces();
        let mut pieces = PieceSet::new(count);
        for piece in (0..count).filter(|piece| which(*piece)) {
            pieces.insert(piece);
        }
        pieces
    }
}

impl Twin {
    /// Whether bytes of our file are there now.
    fn has(&self, file: usize, offset: u64, bytes: u64) -> bool {
        self.all_pieces(file, offset, bytes, |piece| self.content.has(piece))
    }

    /// Whether bytes of our file will be there: they are wanted there, and our own peers can be asked for
    /// them on its behalf.
    fn awaits(&self, coming: &Coming, file: usize, offset: u64, bytes: u64) -> bool {
        let comes = |piece| coming.lendable.contains(piece) || self.content.has(piece);
        self.all_pieces(file, offset, bytes, comes)
    }

    fn all_pieces(&self, file: usize, offset: u64, bytes: u64, good: impl Fn(u32) -> bool) -> bool {
        let first = self.overlap.position(file, offset);
        let last = self
            .overlap
            .position(file, offset + bytes.saturating_sub(1));
        match (first, last) {
            (Some((first, _)), Some((last, _))) => (first..=last).all(good),
            _ => false,
        }
    }
}

/// Reads bytes of a file from where a copy of it is. Does file work.
pub(super) fn read(
    store: &Store,
    place: &Place,
    file: usize,
    mut offset: u64,
    mut out: &mut [u8],
) -> Result<(), String> {
    match &place.kind {
        Kind::Blob(hash) => read_blob(store, hash, offset, out),
        Kind::Twin(twin) => {
            while !out.is_empty() {
                let at = twin.overlap.position(file, offset);
                let (piece, begin) = at.ok_or("beyond the end of the file")?;
                let left = twin.overlap.their_piece_bytes() - begin;
                let step = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
                let (now, later) = out.split_at_mut(step);
                let read = twin.content.read_at(piece, begin, now);
                read.map_err(|error| error.to_string())?;
                offset += step as u64;
                out = later;
            }
            Ok(())
        }
    }
}

fn read_blob(store: &Store, hash: &Hash, offset: u64, out: &mut [u8]) -> Result<(), String> {
    let mut buffer = SpanBuf::new();
    let most = MAX_SPAN_BYTES / GROUP_BYTES;
    let end = offset + out.len() as u64;
    let last = end.div_ceil(GROUP_BYTES);
    let mut first = offset / GROUP_BYTES;
    while first < last {
        let span = first..last.min(first + most);
        let read = store.read_span(hash, span.clone(), &mut buffer);
        read.map_err(|error| error.to_string())?;
        let start = first * GROUP_BYTES;
        let from = start.max(offset);
        let to = end.min(start + buffer.data().len() as u64);
        let index = |at: u64, base: u64| usize::try_from(at - base).unwrap_or(usize::MAX);
        let (source, place) = (
            buffer
                .data()
                .get(index(from, start)..index(to.max(from), start)),
            out.get_mut(index(from, offset)..index(to.max(from), offset)),
        );
        match (source, place) {
            (Some(source), Some(place)) if !source.is_empty() => place.copy_from_slice(source),
            _ => return Err("the file is shorter".to_owned()),
        }
        first = span.end;
    }
    Ok(())
}
