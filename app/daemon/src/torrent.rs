//! Torrent files: looking into them, making them, and holding files against them. Needs no node.

mod check;
mod make;
mod pieces;
mod show;
mod walk;

pub use check::check;
pub use make::{Format, NewTorrent, make, piece_size};
pub use show::describe;
pub(crate) use show::{load, magnet, read_file};

use std::ops::ControlFlow;

use potluck_api::ErrorBody;

use crate::errors;

/// How far the reading of files is, in bytes: done, and of all. Called about ten times a second;
/// breaking stops the work.
pub type Tick<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// The work was stopped.
fn stopped() -> ErrorBody {
    errors::interrupted("run it again; nothing was written")
}
