//! Rates by the time of day and week: rules as people write them, and what they come to now.
//!
//! A rule is a line such as `mon-fri 08:00-18:00 up 500kB/s down 2MB/s` or `daily 23:00-07:00 pause`. Of
//! several that hold at the same time the later one counts, for each direction by itself. Where no rule
//! says anything, `limits.up` and `limits.down` hold. Times are those that a clock on the wall shows: in the
//! night in which it is put forward an hour is left out, and one counts twice when it is put back. `jiff` knows
//! what that clock shows: it reads the system's own zones, and tells gaps and folds apart.

mod decide;
mod keep;
mod rule;

pub(crate) use keep::{keep, now, status};
pub(crate) use rule::MAX_RULES;
pub use rule::{Rule, RuleError};

#[cfg(test)]
mod tests;
