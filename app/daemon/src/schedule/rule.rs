//! One rule: on which days, from when to when, and what then holds.

use potluck_api::Rate;
use std::fmt;
use std::str::FromStr;

/// Rules that an owner may have.
pub(crate) const MAX_RULES: usize = 64;
/// Minutes of a day.
pub(super) const DAY: u16 = 24 * 60;
/// Days by their names, as bits begin with Monday.
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAILY: u8 = 0b111_1111;
const WEEKDAYS: u8 = 0b001_1111;
const WEEKENDS: u8 = 0b110_0000;
/// Nothing passes.
const PAUSE: Rate = Rate(Some(0));

/// Rates that hold on some days for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Days on which it begins: a bit each, Monday first.
    days: u8,
    /// Minute of the day at which it begins.
    from: u16,
    /// Minute at which it ends, up to 1440; of the next day when it is before `from`.
    to: u16,
    /// What may be sent; `None`: nothing is said of it. A rate of 0: nothing may.
    pub(super) up: Option<Rate>,
    /// What may be received.
    pub(super) down: Option<Rate>,
}

/// A text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A word in the place of a day.
    #[error("'{0}' is no day")]
    Day(String),
    /// It has none.
    #[error("a rule begins with its days")]
    NoDays,
    /// It has none.
    #[error("a rule has a time after its days")]
    NoTime,
    /// A word in the place of its times.
    #[error("'{0}' is no time")]
    Time(String),
    /// It begins and ends at the same time.
    #[error("a rule that ends when it begins holds never")]
    Empty,
    /// It says nothing of rates.
    #[error("a rule ends in what holds then")]
    NoLimit,
    /// A word in the place of a rate.
    #[error("'{0}' is no limit")]
    Limit(String),
}

impl RuleError {
    /// What to write instead.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Day(_) | Self::NoDays => {
                "write mon to sun, ranges such as mon-fri, or daily, weekdays, weekends"
            }
            Self::NoTime | Self::Time(_) | Self::Empty => {
                "write for example 08:00-18:00, 22:00-06:30, or 00:00-24:00 for the whole day"
            }
            Self::NoLimit | Self::Limit(_) => {
                "write up and down with rates such as 500kB/s (0 for nothing, off for no limit), or pause"
            }
        }
    }
}

impl Rule {
    /// Whether it ends on the day after the one on which it begins.
    fn wraps(&self) -> bool {
        self.to < self.from
    }

    /// Whether it holds at this minute of a day, 0 for Monday.
    pub(super) fn holds(&self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days & (1 << day) != 0;
        if !self.wraps() {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        on(day) && minute >= self.from || on((day + 6) % 7) && minute < self.to
    }

    /// The minutes of a day at which it may begin or end.
    pub(super) fn edges(&self) -> [u16; 2] {
        [self.from, self.to]
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_ascii_whitespace().peekable();
        let mut bits = 0;
        // Days have no digits, and times nothing else.
        while let Some(word) = words.next_if(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
        {
            bits |= days(word).ok_or_else(|| RuleError::Day(short(word)))?;
        }
        if bits == 0 {
            return Err(RuleError::NoDays);
        }
        let times = words.next().ok_or(RuleError::NoTime)?;
        let bad = || RuleError::Time(short(times));
        let (from, to) = times.split_once('-').ok_or_else(bad)?;
        let (from, to) = (minute(from).ok_or_else(bad)?, minute(to).ok_or_else(bad)?);
        if from == DAY {
            return Err(bad());
        }
        // Midnight at the end is that of the day.
        let to = if to == 0 { DAY } else { to };
        if from == to {
            return Err(RuleError::Empty);
        }
        let (up, down) = bounds(&words.collect::<Vec<_>>())?;
        Ok(Self {
            days: bits,
            from,
            to,
            up,
            down,
        })
    }
}

/// One or several days.
fn days(word: &str) -> Option<u8> {
    match word {
        "daily" => return Some(DAILY),
        "weekdays" => return Some(WEEKDAYS),
        "weekends" => return Some(WEEKENDS),
        _ => {}
    }
    let index = |name: &str| NAMES.iter().position(|known| *known == name);
    let Some((first, last)) = word.split_once('-') else {
        return index(word).map(|day| 1 << day);
    };
    let (first, last) = (index(first)?, index(last)?);
    // From Friday to Monday is a range as well.
    let count = (last + 7 - first) % 7;
    Some((0..=count).fold(0, |bits, step| bits | 1 << ((first + step) % 7)))
}

/// `HH:MM` as a minute of the day, up to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: u16| {
        let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = is_plain.then(|| text.parse::<u16>().ok())??;
        (number <= most).then_some(number)
    };
    if minutes.len() != 2 {
        return None;
    }
    let minute = number(hours, 24)? * 60 + number(minutes, 59)?;
    (minute <= DAY).then_some(minute)
}

/// What holds: `pause`, or rates for one or both directions. A rate may have a space before its unit.
fn bounds(words: &[&str]) -> Result<(Option<Rate>, Option<Rate>), RuleError> {
    let (mut up, mut down) = (None, None);
    if words == ["pause"] {
        return Ok((Some(PAUSE), Some(PAUSE)));
    }
    let mut rest = words;
    while let [direction, after @ ..] = rest {
        let slot = match *direction {
            "up" => &mut up,
            "down" => &mut down,
            other => return Err(RuleError::Limit(short(other))),
        };
        let end = after.iter().position(|word| matches!(*word, "up" | "down"));
        let (value, next) = after.split_at(end.unwrap_or(after.len()));
        let text = value.concat();
        let rate = match text.as_str() {
            "0" | "pause" => PAUSE,
            text => text.parse().map_err(|_| RuleError::Limit(short(text)))?,
        };
        if slot.replace(rate).is_some() {
            return Err(RuleError::Limit(format!("{direction} for a second time")));
        }
        rest = next;
    }
    if up.is_none() && down.is_none() {
        return Err(RuleError::NoLimit);
    }
    Ok((up, down))
}

fn short(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.days {
            DAILY => f.write_str("daily")?,
            WEEKDAYS => f.write_str("mon-fri")?,
            days => {
                let named = NAMES.iter().enumerate();
                let named = named.filter(|(day, _)| days & (1 << day) != 0);
                let named: Vec<&str> = named.map(|(_, name)| *name).collect();
                f.write_str(&named.join(" "))?;
            }
        }
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, " {}-{}", clock(self.from), clock(self.to))?;
        if (self.up, self.down) == (Some(PAUSE), Some(PAUSE)) {
            return f.write_str(" pause");
        }
        for (direction, bound) in [("up", self.up), ("down", self.down)] {
            match bound {
                Some(PAUSE) => write!(f, " {direction} 0")?,
                Some(rate) => write!(f, " {direction} {rate}")?,
                None => {}
            }
        }
        Ok(())
    }
}
