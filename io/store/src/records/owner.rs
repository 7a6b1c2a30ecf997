//! What the owner of the node wants of one torrent, and how long it was seeded.

use super::{Reader, RecordError, Writer};

const VERSION: u8 = 1;

/// The owner's wishes for a torrent, by its key. Without a record, nothing was wished and nothing counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TorrentOwnerRecord {
    /// Seed until so many thousandths of its bytes were given; 0 for no goal; `None` as the node's
    /// settings say.
    pub ratio_goal_milli: Option<u64>,
    /// Seed for so many seconds; 0 for no goal; `None` as the node's settings say.
    pub time_goal_seconds: Option<u64>,
    /// Bytes a second received, at most; `None` without a limit of its own.
    pub down_rate: Option<u64>,
    /// Bytes a second sent, at most; `None` without a limit of its own.
    pub up_rate: Option<u64>,
    /// Seconds that it was seeded, towards the goal.
    pub seeded_seconds: u64,
    /// Bytes given before the goals began to count.
    pub uploaded_before: u64,
}

impl TorrentOwnerRecord {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        let wishes = [
            self.ratio_goal_milli,
            self.time_goal_seconds,
            self.down_rate,
            self.up_rate,
        ];
        for wish in wishes {
            match wish {
                None => out.u8(0),
                Some(value) => out.u8(1).u64(value),
            };
        }
        out.u64(self.seeded_seconds)
            .u64(self.uploaded_before)
            .finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes, VERSION)?;
        let record = Self {
            ratio_goal_milli: wish(&mut from)?,
            time_goal_seconds: wish(&mut from)?,
            down_rate: wish(&mut from)?,
            up_rate: wish(&mut from)?,
            seeded_seconds: from.u64()?,
            uploaded_before: from.u64()?,
        };
        from.end()?;
        Ok(record)
    }
}

fn wish(from: &mut Reader<'_>) -> Result<Option<u64>, RecordError> {
    Ok(if from.flag()? {
        Some(from.u64()?)
    } else {
        None
    })
}
