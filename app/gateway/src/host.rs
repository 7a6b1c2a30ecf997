//! What the gateway asks of the node.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use potluck_api::{
    AddressList, ConfigChange, ConfigReport, ConnectRequest, ConnectResponse, Content,
    DoctorReport, ErrorBody, GetEvent, GetRequest, LimitRequest, Pieces, PinRequest, RemoveRequest,
    RemoveResponse, RootList, RootSummary, SeedEvent, SeedRequest, ShareEvent, ShareRequest,
    Status, TorrentLimits, VerifyEvent, VerifyRequest,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Verified bytes in order. An error is its last item. Dropping it ends the reader.
pub type Bytestream = BoxStream<'static, Result<Bytes, ErrorBody>>;

/// Where work puts its events.
pub type Events<E> = mpsc::Sender<E>;

/// A node, as the gateway needs it. Work that takes a while tells `events` how far it is, ends soon
/// after `stop` is cancelled, and returns its last event.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Everything about the node now.
    async fn status(&self) -> Status;
    /// Who it is and where it listens.
    async fn id(&self) -> AddressList;
    /// Dials a peer.
    async fn connect(&self, request: ConnectRequest) -> Result<ConnectResponse, ErrorBody>;
    /// All settings.
    async fn config(&self) -> Result<ConfigReport, ErrorBody>;
    /// Changes a setting.
    async fn set_config(&self, change: ConfigChange) -> Result<ConfigReport, ErrorBody>;
    /// What stands in the way of the node.
    async fn doctor(&self) -> DoctorReport;
    /// Asks it to end.
    fn shutdown(&self);

    /// Shares paths of this machine.
    async fn share(
        &self,
        request: ShareRequest,
        events: Events<ShareEvent>,
        stop: CancellationToken,
    ) -> Result<ShareEvent, ErrorBody>;
    /// Fetches a link of any kind.
    async fn get(
        &self,
        request: GetRequest,
        events: Events<GetEvent>,
        stop: CancellationToken,
    ) -> Result<GetEvent, ErrorBody>;
    /// Serves a torrent from where its files lie.
    async fn seed(
        &self,
        request: SeedRequest,
        events: Events<SeedEvent>,
        stop: CancellationToken,
    ) -> Result<SeedEvent, ErrorBody>;
    /// Reads what is held again and checks it.
    async fn verify(
        &self,
        request: VerifyRequest,
        events: Events<VerifyEvent>,
        stop: CancellationToken,
    ) -> Result<VerifyEvent, ErrorBody>;
    /// Rates and goals of one torrent.
    async fn limit(&self, request: LimitRequest) -> Result<TorrentLimits, ErrorBody>;

    /// What the node holds.
    async fn roots(&self) -> Result<RootList, ErrorBody>;
    /// Stops holding something.
    async fn remove(&self, request: RemoveRequest) -> Result<RemoveResponse, ErrorBody>;
    /// Protects something from eviction, or no longer.
    async fn pin(&self, request: PinRequest) -> Result<RootSummary, ErrorBody>;

    /// Finds a file or a folder within what a link or a CID names. What is not here is looked for
    /// as long as `patience`.
    async fn open(
        &self,
        link: &str,
        path: &[String],
        patience: Duration,
    ) -> Result<Opened, OpenError>;
    /// What a link or a CID names, for a page about it. The address of its bytes is the gateway's.
    async fn content(&self, link: &str, patience: Duration) -> Result<Content, OpenError>;
    /// Which pieces of something are here.
    async fn pieces(&self, cid: &str) -> Result<Pieces, ErrorBody>;

    /// Where downloads go that name no destination; made if it is not there. Ends in `/`.
    async fn downloads_folder(&self) -> Result<String, ErrorBody>;
    /// Begins to take files that will be shared under this name; gives an id.
    async fn upload_begin(&self, name: &str) -> Result<String, ErrorBody>;
    /// Takes one file of an upload. Nothing of it stays when `body` fails.
    async fn upload_file(
        &self,
        id: &str,
        path: &[String],
        body: Bytestream,
    ) -> Result<(), ErrorBody>;
    /// Shares what was taken.
    async fn upload_finish(
        &self,
        id: &str,
        events: Events<ShareEvent>,
        stop: CancellationToken,
    ) -> Result<ShareEvent, ErrorBody>;
    /// Throws away what was taken.
    async fn upload_drop(&self, id: &str) -> Result<(), ErrorBody>;

    /// How many films may be converted at a time for the pages; 0: none.
    fn films_at_a_time(&self) -> u32;
    /// Whether `/metrics` needs no token.
    fn has_open_metrics(&self) -> bool;
    /// Whether content needs the token too.
    fn has_locked_content(&self) -> bool;
}

/// Why something could not be opened.
#[derive(Debug, Clone)]
pub enum OpenError {
    /// What was given is no link.
    BadLink(ErrorBody),
    /// It is not here, and nobody who has it was found in time.
    NoProvider(ErrorBody),
    /// The folder has nothing at that path.
    NoSuchPath(ErrorBody),
    /// Anything else.
    Failed(ErrorBody),
}

impl OpenError {
    /// In words.
    #[must_use]
    pub fn body(&self) -> &ErrorBody {
        match self {
            Self::BadLink(body)
            | Self::NoProvider(body)
            | Self::NoSuchPath(body)
            | Self::Failed(body) => body,
        }
    }
}

/// A file or a folder that was found.
pub struct Opened {
    /// Its own address; of a folder within another one there is none, and it is the whole one's.
    pub cid: String,
    /// Its name; empty when none is known.
    pub name: String,
    /// Which of both.
    pub kind: OpenedKind,
}

/// See [`Opened`].
pub enum OpenedKind {
    /// A file.
    File(OpenedFile),
    /// What is straight in a folder, ordered by name.
    Folder(Vec<FolderEntry>),
}

/// A file that can be read.
pub struct OpenedFile {
    /// Its size.
    pub bytes: u64,
    /// How it is read.
    pub reader: Arc<dyn ReadFile>,
}

/// The bytes of one file.
pub trait ReadFile: Send + Sync {
    /// Reads a range, in chunks of at most 256 KiB; waits for what is not here yet.
    fn read(&self, range: Range<u64>) -> Bytestream;
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its name, without the path before it.
    pub name: String,
    /// What it is.
    pub kind: FolderEntryKind,
}

/// See [`FolderEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderEntryKind {
    /// A file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
}
