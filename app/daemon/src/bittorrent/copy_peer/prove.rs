//! Whether a file that only has the right size is the right one.

use super::super::copies::{self, Kind};
use super::super::news::News;
use super::CopyPeer;
use std::collections::BTreeSet;
use std::sync::Arc;

impl CopyPeer {
    /// Hashes a piece of each file that only may be the same, and drops those that are not. Only files of
    /// these pieces are looked at, or all.
    pub(super) async fn prove(&mut self, among: Option<&[u32]>) {
        let mut has_changed = false;
        for file in self.unproven(among) {
            while let Some(right) = self.sample(file, among).await {
                has_changed = true;
                if !right {
                    self.copies.drop_first(file);
                    continue;
                }
                let place = self.copies.places.get_mut(&file);
                if let Some(place) = place.and_then(|places| places.front_mut()) {
                    place.is_proven = true;
                    if let Kind::Twin(twin) = &place.kind {
                        let twin = Arc::clone(&twin.content);
                        self.tell(News::Proved { twin, file }).await;
                    }
                }
                break;
            }
        }
        if has_changed {
            self.tell_all().await;
        }
    }

    /// Files whose first place only may be the same.
    fn unproven(&self, among: Option<&[u32]>) -> BTreeSet<usize> {
        let is_open = |file: &usize| {
            let place = self.copies.place(*file);
            place.is_some_and(|place| !place.is_proven)
        };
        match among {
            None => self.copies.places.keys().copied().filter(is_open).collect(),
            Some(pieces) => {
                let spans = pieces
                    .iter()
                    .flat_map(|piece| self.content.layout.spans((*piece).into()));
                spans.filter_map(|span| span.file).filter(is_open).collect()
            }
        }
    }

    /// Whether a piece of the first place of a file is right. None when that can't be said: the place is
    /// proven, or no whole piece of it is there.
    async fn sample(&self, file: usize, among: Option<&[u32]>) -> Option<bool> {
        let place = self.copies.place(file).filter(|place| !place.is_proven)?;
        let piece = match among {
            None => self
                .pieces_of(file)
                .find(|piece| self.is_whole(file, *piece))?,
            Some(pieces) => *pieces.iter().find(|piece| self.is_whole(file, **piece))?,
        };
        let (content, place) = (Arc::clone(&self.content), place.clone());
        let hashed = self.ctx.blocking(move |store| {
            content.is_right(piece, |file, offset, out| {
                copies::read(store, &place, file, offset, out)
            })
        });
        match hashed.await? {
            Ok(right) => Some(right),
            Err(error) => {
                tracing::debug!(%error, "a copy can't be read");
                Some(false)
            }
        }
    }

    fn pieces_of(&self, file: usize) -> impl Iterator<Item = u32> {
        let entry = self.content.metainfo.info().files().get(file);
        let (start, end) = entry.map_or((0, 0), |entry| (entry.offset, entry.offset + entry.size));
        let bytes = self.content.layout.piece_bytes();
        let pieces = start / bytes..end.div_ceil(bytes);
        pieces.filter_map(|piece| u32::try_from(piece).ok())
    }

    /// Whether a piece is of one file alone and can be had from its first place.
    fn is_whole(&self, file: usize, piece: u32) -> bool {
        let mut spans = self.content.layout.spans(piece.into());
        spans.all(|span| span.file.is_none_or(|of| of == file))
            && self.copies.has(&self.content, piece)
    }
}
