//! Lists of addresses that are no peers, as other clients read them.
//!
//! Three formats, which may be mixed: the text of PeerGuardian (*P2P*: `name:1.2.3.0-1.2.3.255`), that
//! of eMule (*DAT*: `1.2.3.0 - 1.2.3.255 , 100 , name`, where levels above 127 are let in), and plain
//! lines of an address, a range or a network in CIDR notation, with or without a remark after `#` or
//! `;`. No BEP says any of this; where the formats leave a choice, it is what libtorrent and qBittorrent
//! do. Lines that make no sense are counted, and the rest of the list holds.

mod line;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use line::Line;

/// Most bytes of a list.
pub const MAX_BLOCKLIST_BYTES: u64 = 64 * 1024 * 1024;
/// Most ranges of a list, before those that touch are made one.
pub const MAX_BLOCKLIST_RANGES: usize = 4_000_000;
/// Most bytes of a line.
pub const MAX_BLOCKLIST_LINE: usize = 4096;

/// Why a list is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlocklistError {
    /// Longer than [`MAX_BLOCKLIST_BYTES`].
    #[error("the blocklist is larger than 64 MiB")]
    TooLong,
    /// More than [`MAX_BLOCKLIST_RANGES`].
    #[error("the blocklist has more than 4 million ranges")]
    TooMany,
    /// It begins as gzip files do.
    #[error("the blocklist is compressed")]
    Compressed,
    /// None of its lines is one of a blocklist.
    #[error("no line of it is one of a blocklist")]
    NoList,
}

/// Addresses that are no peers: sorted ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocklist {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Blocklist {
    /// Whether an address is in the list. An address of IPv4 that is written as one of IPv6 is that of
    /// IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (v4, v6) = match address {
            IpAddr::V4(address) => (Some(address), address.to_ipv6_mapped()),
            IpAddr::V6(address) => (address.to_ipv4_mapped(), address),
        };
        v4.is_some_and(|address| covers(&self.v4, address.to_bits()))
            || covers(&self.v6, v6.to_bits())
    }

    /// Number of ranges.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// The ranges, first and last address of each, in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let v4 = self.v4.iter().map(|(first, last)| {
            let address = |bits: &u32| IpAddr::V4(Ipv4Addr::from_bits(*bits));
            (address(first), address(last))
        });
        let v6 = self.v6.iter().map(|(first, last)| {
            let address = |bits: &u128| IpAddr::V6(Ipv6Addr::from_bits(*bits));
            (address(first), address(last))
        });
        v4.chain(v6)
    }
}

fn covers<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    let last = after.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|(_, last)| address <= *last)
}

/// Makes ranges that overlap or touch one. `next` is the address after one, if there is any.
fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    ranges.dedup_by(|later, kept| {
        let touches = next(kept.1).is_none_or(|next| later.0 <= next);
        if touches {
            kept.1 = kept.1.max(later.1);
        }
        touches
    });
    ranges.shrink_to_fit();
    ranges
}

/// What was made of the lines of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlocklistLines {
    /// Lines that made no sense.
    pub bad: u64,
    /// The first of them, counted from 1.
    pub first_bad: Option<u64>,
    /// Lines that let addresses in: eMule's levels above 127. They are left out.
    pub allowed: u64,
}

/// Reads a list piece by piece, wherever it is cut.
#[derive(Clone, Debug, Default)]
pub struct BlocklistReader {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    lines: BlocklistLines,
    /// The line that is not whole yet, no more of it than tells that it is too long.
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl BlocklistReader {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When the list is too long, has too many ranges or is compressed; then it is of no use.
    pub fn push(&mut self, data: &[u8]) -> Result<(), BlocklistError> {
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.bytes > MAX_BLOCKLIST_BYTES {
            return Err(BlocklistError::TooLong);
        }
        let mut parts = data.split(|byte| *byte == b'\n');
        // What follows the last line end, and all that there is when there is none, may go on.
        let rest = parts.next_back().unwrap_or_default();
        for part in parts {
            self.keep(part);
            self.end_line()?;
        }
        self.keep(rest);
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) {
        let room = (MAX_BLOCKLIST_LINE + 1).saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
    }

    fn end_line(&mut self) -> Result<(), BlocklistError> {
        self.number += 1;
        if self.number == 1 && self.line.starts_with(&[0x1f, 0x8b]) {
            return Err(BlocklistError::Compressed);
        }
        let parsed = if self.line.len() > MAX_BLOCKLIST_LINE {
            Line::Bad
        } else {
            line::parse(&self.line)
        };
        self.line.clear();
        match parsed {
            Line::Nothing => return Ok(()),
            Line::Allowed => self.lines.allowed += 1,
            Line::V4(first, last) => self.v4.push((first, last)),
            Line::V6(first, last) => self.v6.push((first, last)),
            Line::Bad => {
                self.lines.bad += 1;
                self.lines.first_bad.get_or_insert(self.number);
            }
        }
        if self.v4.len() + self.v6.len() > MAX_BLOCKLIST_RANGES {
            return Err(BlocklistError::TooMany);
        }
        Ok(())
    }

    /// The list, and what was made of its lines. A list without any range is empty, and no error.
    ///
    /// # Errors
    /// As [`Self::push`]; and when there are lines, and not one makes sense.
    pub fn finish(mut self) -> Result<(Blocklist, BlocklistLines), BlocklistError> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        let has_sense = !self.v4.is_empty() || !self.v6.is_empty() || self.lines.allowed > 0;
        if self.lines.bad > 0 && !has_sense {
            return Err(BlocklistError::NoList);
        }
        let list = Blocklist {
            v4: merge(self.v4, |bits| bits.checked_add(1)),
            v6: merge(self.v6, |bits| bits.checked_add(1)),
        };
        Ok((list, self.lines))
    }
}

#[cfg(test)]
mod tests;
