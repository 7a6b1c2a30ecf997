//! Files, partial downloads, hash trees and metadata on disk.

mod errors;
mod types;
mod stub;

pub use errors::{
    BeginError, DropError, Fault, FinishError, OpenError, ReadError, ShareError, VerifyError,
    WriteError,
};
pub use stub::{Download, Store};
pub use types::{
    DownloadSpec, Head, KnownPeer, Origin, PartialInfo, PlacedParent, Problem, Root, Selection,
    ShareProgress, ShareRequest, Shared, Skipped, SpanBuf, StoreOptions, Usage, VerifyProgress,
    VerifyReport, What,
};

/// Longest span that [`Store::read_span`] reads at once.
pub const MAX_SPAN_BYTES: u64 = 16 * 1024 * 1024;
/// Most problems that a [`Root`] or a [`VerifyReport`] lists.
pub const MAX_PROBLEMS_LISTED: usize = 1000;
/// Most skipped files that a [`Shared`] lists.
pub const MAX_SKIPPED_LISTED: usize = 1000;
