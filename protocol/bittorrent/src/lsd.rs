//! Local service discovery (BEP 14): what peers on the same network tell each other by multicast.
//!
//! A [`Search`] names torrents and the port on which its sender takes connections. The address of
//! the sender is that of the datagram. [`Schedule`] says when which torrents are due.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::InfoHashV1;

/// The group on IPv4.
pub const LSD_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
/// The group on IPv6.
pub const LSD_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);
/// The port of both groups.
pub const LSD_PORT: u16 = 6771;
/// Most bytes of a datagram that is sent: BEP 14 wants it below 1400.
pub const MAX_SEARCH_BYTES: usize = 1399;
/// Most bytes of a datagram that is read.
pub const MAX_RECEIVED_BYTES: usize = 2048;
/// Most torrents that one search names.
pub const MAX_SEARCH_TORRENTS: usize = 20;
/// Most characters of a cookie.
pub const MAX_COOKIE: usize = 32;
/// A torrent is announced no more often.
pub const LSD_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Nothing at all is announced more often.
pub const LSD_PAUSE: Duration = Duration::from_secs(1);

/// Most torrents that are announced.
const MAX_TORRENTS: usize = 20_000;

/// How a search begins.
const FIRST_LINE: &str = "BT-SEARCH * HTTP/1.1";

/// Why a datagram is no search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Longer than any that is sent.
    #[error("the search is too long")]
    TooLong,
    /// Something else, or broken off.
    #[error("not a search for peers")]
    NotSearch,
    /// No port that could be connected to.
    #[error("the search names no port")]
    Port,
    /// No torrents, or none that are readable.
    #[error("the search names no torrents")]
    Torrents,
}

/// A search for peers of torrents (`BT-SEARCH`), which also says that the sender is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Where the sender takes connections.
    pub port: u16,
    /// The torrents: one at least, and no more than a datagram has room for.
    pub torrents: Vec<InfoHashV1>,
    /// What the sender knows its own searches by: at most [`MAX_COOKIE`] letters and digits.
    pub cookie: Option<String>,
}

impl Search {
    /// Reads a datagram. Unknown headers are ignored, and so are cookies that are no words.
    ///
    /// # Errors
    /// When it is no search, or one that nobody could answer.
    pub fn parse(datagram: &[u8]) -> Result<Self, SearchError> {
        if datagram.len() > MAX_RECEIVED_BYTES {
            return Err(SearchError::TooLong);
        }
        let text = std::str::from_utf8(datagram).map_err(|_| SearchError::NotSearch)?;
        let mut lines = text.split("\r\n");
        if lines.next() != Some(FIRST_LINE) {
            return Err(SearchError::NotSearch);
        }
        let (mut port, mut torrents, mut cookie) = (None, Vec::new(), None);
        let mut is_ended = false;
        for line in lines {
            if line.is_empty() {
                is_ended = true;
                break;
            }
            let (name, value) = line.split_once(':').ok_or(SearchError::NotSearch)?;
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "port" => port = value.parse().ok(),
                "infohash" => torrents.extend(hex(value)),
                "cookie" => cookie = Some(value).filter(|value| is_cookie(value)),
                _ => {}
            }
        }
        if !is_ended {
            return Err(SearchError::NotSearch);
        }
        if torrents.is_empty() {
            return Err(SearchError::Torrents);
        }
        Ok(Self {
            port: port.filter(|port| *port > 0).ok_or(SearchError::Port)?,
            torrents,
            cookie: cookie.map(str::to_owned),
        })
    }

    /// The datagram for a group. Torrents after the first [`MAX_SEARCH_TORRENTS`] are left out, and so
    /// is a cookie that is none.
    #[must_use]
    pub fn encode(&self, group: SocketAddr) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\r\nHost: {group}\r\nPort: {}\r\n", self.port);
        for torrent in self.torrents.iter().take(MAX_SEARCH_TORRENTS) {
            // Writing to a text can't fail.
            let _ = write!(text, "Infohash: {torrent}\r\n");
        }
        if let Some(cookie) = self.cookie.as_ref().filter(|cookie| is_cookie(cookie)) {
            let _ = write!(text, "cookie: {cookie}\r\n");
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

/// BEP 14 has infohashes in hexadecimal only.
fn hex(value: &str) -> Option<InfoHashV1> {
    (value.len() == 40).then(|| value.parse().ok()).flatten()
}

fn is_cookie(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word && !text.is_empty() && text.len() <= MAX_COOKIE
}

/// Which torrents are announced when. Times are since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    torrents: BTreeMap<InfoHashV1, Slot>,
    /// When anything may be announced again.
    free: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// When the torrent may be announced again.
    due: Duration,
    /// False after it was taken out: it is kept so that it does not come back too soon.
    is_wanted: bool,
}

impl Schedule {
    /// Announces a torrent from now on. False if there are too many of them already.
    pub fn add(&mut self, torrent: InfoHashV1, now: Duration) -> bool {
        if let Some(slot) = self.torrents.get_mut(&torrent) {
            slot.is_wanted = true;
            return true;
        }
        if self.torrents.len() >= MAX_TORRENTS {
            self.torrents.retain(|_, slot| slot.is_wanted);
        }
        if self.torrents.len() >= MAX_TORRENTS {
            return false;
        }
        let slot = Slot {
            due: now,
            is_wanted: true,
        };
        self.torrents.insert(torrent, slot);
        true
    }

    /// Announces a torrent no more.
    pub fn remove(&mut self, torrent: &InfoHashV1) {
        if let Some(slot) = self.torrents.get_mut(torrent) {
            slot.is_wanted = false;
        }
    }

    /// Whether a torrent is announced.
    #[must_use]
    pub fn contains(&self, torrent: &InfoHashV1) -> bool {
        self.torrents
            .get(torrent)
            .is_some_and(|slot| slot.is_wanted)
    }

    /// When something is due next. None without torrents.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let wanted = self.torrents.values().filter(|slot| slot.is_wanted);
        let first = wanted.map(|slot| slot.due).min();
        first.map(|due| self.free.max(due))
    }

    /// Takes the torrents that are due now, those that waited longest first and no more than one
    /// search has room for. None when there are none, or the last search is too recent.
    pub fn take(&mut self, now: Duration) -> Vec<InfoHashV1> {
        if now < self.free {
            return Vec::new();
        }
        self.torrents
            .retain(|_, slot| slot.is_wanted || slot.due > now);
        let all = self.torrents.iter().filter(|(_, slot)| slot.is_wanted);
        let mut due: Vec<_> = all.filter(|(_, slot)| slot.due <= now).collect();
        due.sort_by_key(|(_, slot)| slot.due);
        due.truncate(MAX_SEARCH_TORRENTS);
        let due: Vec<InfoHashV1> = due.into_iter().map(|(torrent, _)| *torrent).collect();
        for torrent in &due {
            if let Some(slot) = self.torrents.get_mut(torrent) {
                slot.due = now.saturating_add(LSD_INTERVAL);
            }
        }
        if !due.is_empty() {
            self.free = now.saturating_add(LSD_PAUSE);
        }
        due
    }
}

#[cfg(test)]
mod tests;
