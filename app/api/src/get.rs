use crate::{ErrorBody, PathKind};
use serde::{Deserialize, Serialize};

/// Body of `POST /api/v1/get`; the answer is a stream of [`GetEvent`], one JSON object a line.
/// Closing the connection stops the download; what is verified stays and is resumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetRequest {
    /// `potluck:` link, bare CID or `ipfs://` CID of a BLAKE3 address.
    pub link: String,
    /// Other names of the same content, where `link` is a torrent: magnet links, torrent files, infohashes,
    /// `potluck:` links of single files. Whoever has it under one of these is asked too.
    #[serde(default)]
    pub also: Vec<String>,
    /// Absolute destination path. An existing folder, or a path that ends in `/`, receives the
    /// content under its own name; anything else is the final name.
    pub dest: String,
    /// Glob patterns; only files of a folder that match one are fetched. Empty: everything.
    #[serde(default)]
    pub files: Vec<String>,
    /// Seconds without any provider, or without any byte from one, after which it gives up with
    /// [`crate::ExitCode::NotFound`]. `None`: wait until told to stop.
    #[serde(default)]
    pub timeout: Option<f64>,
    /// Keep providing the content once it is here.
    #[serde(default = "yes")]
    pub serve: bool,
    /// Fetch the pieces in order instead of rarest first.
    #[serde(default)]
    pub sequential: bool,
}

fn yes() -> bool {
    true
}

/// What a download is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waiting until fewer others are being fetched.
    Queued,
    /// Looking for providers.
    Finding,
    /// Fetching the folder's manifest.
    Manifest,
    /// Re-checking what an earlier run left.
    Resuming,
    /// Copying bytes that this node already has.
    Copying,
    /// Fetching pieces.
    Fetching,
    /// No byte is coming in although some are wanted.
    Stalled,
    /// Syncing to disk and moving to the final name.
    Finishing,
}

/// One line of the `get` event stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GetEvent {
    /// The link was understood; looking for providers begins.
    Resolving {
        /// Address of the content.
        cid: String,
        /// Name from the link, if any.
        name: Option<String>,
    },
    /// Nothing is arriving; says what is awaited. Sent at once and then about every second.
    Waiting {
        /// The phase it is in.
        phase: Phase,
        /// In words: what it is waiting for.
        reason: String,
        /// Peers asked so far.
        asked: u32,
        /// Peers connected now.
        connected: u32,
        /// Seconds spent waiting.
        seconds: f64,
    },
    /// Size and shape of the content are known.
    Found {
        /// Name it will get.
        name: String,
        /// Bytes wanted.
        bytes: u64,
        /// Files wanted.
        files: u64,
        /// Bytes already here from an earlier run or as copies.
        have_bytes: u64,
        /// Final path.
        path: String,
    },
    /// State of the download; sent about four times a second while it runs.
    Progress {
        /// What it is doing.
        phase: Phase,
        /// Verified bytes here, of `total_bytes`.
        done_bytes: u64,
        /// Bytes wanted.
        total_bytes: u64,
        /// Bytes per second coming in.
        rate: u64,
        /// Seconds left at this rate, if it is known.
        eta: Option<f64>,
        /// Why nothing moves, when nothing does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The sources in use, fastest first, at most 32.
        sources: Vec<SourceProgress>,
        /// How many sources there are in all.
        source_count: u32,
    },
    /// A source was banned for what it sent.
    Banned {
        /// The peer.
        peer: String,
        /// What it did.
        reason: String,
    },
    /// Something worth saying that does not stop the download.
    Notice {
        /// In words.
        message: String,
    },
    /// Everything is here, verified and synced, under its final name.
    Done {
        /// Final path.
        path: String,
        /// Address of the content.
        cid: String,
        /// Bytes of the content that was wanted.
        bytes: u64,
        /// Files that were wanted.
        files: u64,
        /// Bytes that came over the network in this run.
        fetched_bytes: u64,
        /// Bytes received that were not needed (duplicates, refused bytes).
        wasted_bytes: u64,
        /// Seconds this run took.
        seconds: f64,
        /// Who delivered what.
        sources: Vec<SourceResult>,
        /// Whether this node provides it from now on.
        serving: bool,
    },
    /// It failed; the last line of the stream.
    Error(ErrorBody),
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Delivering.
    Active,
    /// Connected, with nothing asked of it now.
    Idle,
    /// Has nothing that is still wanted.
    Empty,
    /// Asked, and silent for longer than it should be.
    Stalled,
}

/// A source of a running download.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceProgress {
    /// Peer id.
    pub peer: String,
    /// `native` for Potluck peers.
    pub kind: String,
    /// By which path it is reached.
    pub path: PathKind,
    /// Bytes per second it delivers.
    pub rate: u64,
    /// Verified bytes it delivered.
    pub bytes: u64,
    /// How it is doing.
    pub state: SourceState,
}

/// What a source delivered in a finished download.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceResult {
    /// Peer id.
    pub peer: String,
    /// `native` for Potluck peers, `local` for bytes this node already had.
    pub kind: String,
    /// Verified bytes.
    pub bytes: u64,
}
