//! What goes into a [`super::Planner`] and what comes out of it.

mod config;
mod input;
mod output;
mod reading;
mod report;

use std::fmt;

pub use config::{PlannerConfig, SourceTraits, member_number};
pub use input::{Availability, Failure, Input, Order};
pub use output::{BanReason, Output};
pub use reading::{ReaderId, Reading};
pub use report::{Progress, SourceReport, SourceState, Waiting};

/// Names a source within one planner. The caller chooses it; an id isn't used again after the source left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}", self.0)
    }
}

/// Names a request within one planner. The planner chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);
