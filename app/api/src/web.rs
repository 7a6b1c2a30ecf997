use crate::{ErrorBody, GetEvent};
use serde::{Deserialize, Serialize};

/// How a download in the background stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadState {
    /// It looks for providers, fetches, or finishes.
    Running,
    /// Everything is here, under its final name.
    Done,
    /// It ended with [`Download::error`].
    Failed,
    /// The owner stopped it; what is verified stays.
    Stopped,
}

/// Body of `POST /api/v1/downloads`; the answer is a [`Download`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DownloadRequest {
    /// Anything that [`crate::GetRequest::link`] takes.
    pub link: String,
    /// Glob patterns; only files of a folder that match one are fetched. Empty: everything.
    #[serde(default)]
    pub files: Vec<String>,
    /// Fetch the pieces in order instead of rarest first.
    #[serde(default)]
    pub sequential: bool,
    /// Absolute destination, as in [`crate::GetRequest::dest`]. `None`: the folder of the setting
    /// `gateway.downloads`.
    #[serde(default)]
    pub dest: Option<String>,
}

/// A download that runs in the node without anybody listening to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Download {
    /// Names it within this run of the node.
    pub id: String,
    /// The link as it was given.
    pub link: String,
    /// Address of the content, once it is known.
    pub cid: Option<String>,
    /// Its name, once it is known.
    pub name: Option<String>,
    /// How it stands.
    pub state: DownloadState,
    /// The last event of it.
    pub last: Option<GetEvent>,
    /// Why it failed.
    pub error: Option<ErrorBody>,
    /// When it was begun, seconds since 1970.
    pub started: u64,
}

/// Answer of `GET /api/v1/downloads`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DownloadList {
    /// In the order in which they were begun.
    pub downloads: Vec<Download>,
}

/// Body of `POST /api/v1/uploads`; the answer is an [`Upload`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UploadRequest {
    /// Name of what will be shared: of the file, or of the folder.
    pub name: String,
}

/// Files that a page hands over to be shared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upload {
    /// Names it in the paths of its files.
    pub id: String,
}

/// Answer of `POST /api/v1/session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Address that lets one browser in, once, within a minute.
    pub url: String,
    /// The same for a browser elsewhere, of a node that listens beyond loopback. One of both can be
    /// used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
}

/// Body of `POST /api/v1/session`; it may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionRequest {
    /// Page to show first, a path such as `/file/bafk…`; `None`: the first page.
    #[serde(default)]
    pub to: Option<String>,
}

/// How much an [`Activity`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityLevel {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Something was not done.
    Error,
}

/// Something that happened, in words for its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Seconds since 1970.
    pub at: u64,
    /// How much it matters.
    pub level: ActivityLevel,
    /// What happened, one line.
    pub text: String,
    /// Address of the content concerned.
    pub cid: Option<String>,
    /// Peer concerned.
    pub peer: Option<String>,
}

/// Answer of `GET /api/v1/activity`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActivityList {
    /// Newest last.
    pub entries: Vec<Activity>,
}

/// What content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// One file.
    File,
    /// Files in folders.
    Folder,
}

/// A file of a [`Content`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFile {
    /// Where it is in the folder; its name if the content is one file.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Media type, by its name.
    pub media_type: String,
}

/// Answer of `GET /api/v1/content/{cid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its address.
    pub cid: String,
    /// Its name; the address where none is known.
    pub name: String,
    /// File or folder.
    pub kind: ContentKind,
    /// Bytes of all files.
    pub bytes: u64,
    /// Media type of a file, by its name.
    pub media_type: Option<String>,
    /// The first files, at most 10 000.
    pub files: Vec<ContentFile>,
    /// Number of files.
    pub file_count: u64,
    /// Bytes of them that are here.
    pub have_bytes: u64,
    /// Whether all of it is here.
    pub complete: bool,
    /// A link with this node's addresses as hints.
    pub link: String,
    /// A magnet link, where it was shared as a torrent too.
    pub magnet: Option<String>,
    /// Where a browser finds the bytes.
    pub content_url: String,
}

/// How a film gets into a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoWay {
    /// Browsers play it as it is.
    Direct,
    /// It is put into MP4, which costs next to nothing.
    Remux,
    /// Pictures or sound of it are made anew, which costs processor time.
    Transcode,
    /// It can't be.
    None,
}

/// Answer of `GET /api/v1/content/{cid}/video`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Video {
    /// Which way.
    pub way: VideoWay,
    /// What `…/video/stream` gives, such as `video/mp4; codecs="avc1.64001F,mp4a.40.2"`.
    pub media_type: Option<String>,
    /// How long it is, if it tells.
    pub seconds: Option<f64>,
    /// What it is, in words; empty when that is not known.
    pub what: String,
    /// Why it can't be, in words.
    pub reason: Option<String>,
}

/// Answer of `GET /api/v1/content/{cid}/pieces`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// How many there are.
    pub pieces: u32,
    /// Those that are here: runs, each from a piece to the one after its last.
    pub have: Vec<(u32, u32)>,
}

/// Answer of `GET /health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// That it answers at all.
    pub ok: bool,
}
