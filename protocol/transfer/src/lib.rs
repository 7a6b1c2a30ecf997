//! Which range from which source next; who gets our upload.
//!
//! Three pure parts, none of which touches a socket, a disk, a clock or a random source:
//!
//! - [`Planner`]: one per download. It is told what sources have, what arrived and what failed, and says which pieces
//!   to ask from whom, what to cancel and whom to ban.
//! - [`Uploader`]: one per node. It says whose queued request is served next.
//! - [`wire`]: the messages of the control and bulk protocols as bytes, with bounds on everything.
//!
//! Machines follow one shape: feed an input with the current [`Timestamp`], then poll outputs until there is none,
//! and come back at [`Planner::poll_timeout`]. The machines see ids, ranges and counters, never bulk bytes.

mod planner;
mod table;
mod time;
mod uploader;
pub mod wire;

pub use planner::{
    Availability, BanReason, Failure, Input, InvariantError, Order, Output, Planner, PlannerConfig,
    Progress, ReaderId, Reading, RequestId, SourceId, SourceReport, SourceState, SourceTraits,
    Waiting, member_number,
};
pub use table::PieceTable;
pub use time::Timestamp;
pub use uploader::{Content, Grant, QueueFull, Standing, Uploader, UploaderConfig, UploaderReport};
