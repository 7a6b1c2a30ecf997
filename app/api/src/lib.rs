//! Request and response types of a node's local API.
//!
//! Serde types and nothing else: the daemon answers with them, the command line and the gateway
//! read them. All sizes are bytes, all rates bytes per second, all times seconds unless a name says
//! otherwise. Objects may gain fields in a later version; none loses one within a major version.

mod config;
mod doctor;
mod error;
mod get;
mod node;
mod owner;
mod share;
mod torrent;
mod web;

pub use config::{ConfigChange, ConfigEntry, ConfigReport, Rate, RateError};
pub use doctor::{DoctorCheck, DoctorReport, Verdict};
pub use error::{ErrorBody, ExitCode};
pub use get::{GetEvent, GetRequest, Phase, SourceProgress, SourceResult, SourceState};
pub use node::{
    AddressList, ApiFile, ConnectRequest, ConnectResponse, Limits, PathKind, PeerStatus, Rates,
    ReadyEvent, ScheduleStatus, Status, TrackerTrouble, TransferStatus,
};
pub use owner::{
    BlocklistStatus, LimitRequest, MappedPort, PortMappingStatus, TorrentLimits, TorrentNote,
    TorrentsStatus, WatchStatus, WatchTrouble,
};
pub use share::{
    Origin, PinRequest, Problem, RemoveRequest, RemoveResponse, RootList, RootSummary, ShareEvent,
    ShareRequest, SharedTorrent, TorrentWish, VerifyEvent, VerifyRequest,
};
pub use torrent::{
    FileState, FileVerdict, LeftOut, SeedEvent, SeedRequest, TorrentCheck, TorrentFile,
    TorrentMade, TorrentReport,
};
pub use web::{
    Activity, ActivityLevel, ActivityList, Content, ContentFile, ContentKind, Download,
    DownloadList, DownloadRequest, DownloadState, Health, Pieces, Session, SessionRequest, Upload,
    UploadRequest, Video, VideoWay,
};

/// Version of the HTTP API, part of every path: `/api/v1/…`.
pub const API_VERSION: &str = "v1";

/// File name, inside the data directory, of the [`ApiFile`] a running daemon leaves for commands.
pub const API_FILE: &str = "api.json";
