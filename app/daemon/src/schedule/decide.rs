//! What rules come to at a moment. No clock is read here.

use super::rule::{DAY, Rule};
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use potluck_api::Rate;

/// Days that are looked ahead: after a week everything repeats.
const AHEAD: i32 = 8;

/// What holds at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What may be sent, as far as a rule says so.
    pub(crate) up: Option<Rate>,
    /// What may be received.
    pub(crate) down: Option<Rate>,
    /// Which of the rules hold, and count for something.
    pub(crate) rules: Vec<usize>,
    /// When another decision holds, by the clock on the wall; `None`: never.
    pub(crate) until: Option<DateTime>,
}

impl Decision {
    fn is_as(&self, other: &Self) -> bool {
        (self.up, self.down, &self.rules) == (other.up, other.down, &other.rules)
    }
}

/// What `rules` come to at `now`, which is what a clock on the wall shows.
pub(crate) fn decide(rules: &[Rule], now: DateTime) -> Decision {
    let mut decision = at(rules, now);
    decision.until = edges(rules, now).find(|edge| !at(rules, *edge).is_as(&decision));
    decision
}

fn at(rules: &[Rule], now: DateTime) -> Decision {
    let day = u8::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
    let minute = u16::try_from(now.hour()).unwrap_or_default() * 60
        + u16::try_from(now.minute()).unwrap_or_default();
    // The last rule that says something of a direction is the one that counts for it.
    let last = |bound: fn(&Rule) -> Option<Rate>| {
        let mut holding = rules.iter().enumerate().rev();
        holding.find_map(|(index, rule)| {
            let rate = bound(rule)?;
            rule.holds(day, minute).then_some((index, rate))
        })
    };
    let (up, down) = (last(|rule| rule.up), last(|rule| rule.down));
    let mut counting: Vec<usize> = [up, down].iter().flatten().map(|found| found.0).collect();
    counting.sort_unstable();
    counting.dedup();
    Decision {
        up: up.map(|found| found.1),
        down: down.map(|found| found.1),
        rules: counting,
        until: None,
    }
}

/// The moments after `now` at which a rule may begin or end, in order.
fn edges(rules: &[Rule], now: DateTime) -> impl Iterator<Item = DateTime> {
    let mut minutes: Vec<u16> = rules.iter().flat_map(Rule::edges).collect();
    minutes.iter_mut().for_each(|minute| *minute %= DAY);
    minutes.sort_unstable();
    minutes.dedup();
    let days = (0..AHEAD).map_while(move |day| now.date().checked_add(day.days()).ok());
    days.flat_map(move |date| {
        let times = minutes.clone().into_iter().filter_map(|minute| {
            let (hour, minute) = (
                i8::try_from(minute / 60).ok()?,
                i8::try_from(minute % 60).ok()?,
            );
            Time::new(hour, minute, 0, 0).ok()
        });
        times.map(move |time| date.to_datetime(time))
    })
    .filter(move |edge| *edge > now)
}

/// The moment after `now` at which the clock on the wall gets to `until`, which is ahead of it. Of two, the
/// first; of none, as the clock is put forward past it, that at which it is.
pub(crate) fn moment(zone: &TimeZone, now: Timestamp, until: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_zoned(until);
    let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let first = ambiguous.clone().compatible().ok()?.timestamp();
    if is_gap {
        // Where the edge is the gap's beginning, the change is at that very moment.
        let after = first.checked_add(SignedDuration::from_nanos(1)).ok()?;
        return zone.preceding(after).next().map(|it| it.timestamp());
    }
    if first > now {
        return Some(first);
    }
    Some(ambiguous.later().ok()?.timestamp())
}
