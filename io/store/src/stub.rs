use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use potluck_content::{Address, Hash, Manifest, PieceLayout, PieceSet};
use crate::errors::*;
use crate::types::*;

/// The files, partial downloads and metadata of one node. Cheap to clone.
#[derive(Clone)]
pub struct Store {}
#[allow(missing_docs, unused_variables, clippy::all, clippy::unimplemented)]
impl Store {
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> { unimplemented!() }
    pub fn dir(&self) -> &Path { unimplemented!() }
    pub fn share(&self, request: &ShareRequest, progress: &mut dyn FnMut(&ShareProgress) -> ControlFlow<()>) -> Result<Shared, ShareError> { unimplemented!() }
    pub fn roots(&self) -> Result<Vec<Root>, Fault> { unimplemented!() }
    pub fn root(&self, address: &Address) -> Result<Option<Root>, Fault> { unimplemented!() }
    pub fn layout(&self, address: &Address) -> Result<Option<Arc<PieceLayout>>, Fault> { unimplemented!() }
    pub fn manifest(&self, address: &Address) -> Result<Option<Arc<Manifest>>, Fault> { unimplemented!() }
    pub fn available(&self, address: &Address) -> Result<Option<PieceSet>, Fault> { unimplemented!() }
    pub fn remove(&self, address: &Address) -> Result<bool, Fault> { unimplemented!() }
    pub fn set_pinned(&self, address: &Address, pinned: bool) -> Result<bool, Fault> { unimplemented!() }
    pub fn has_blob(&self, hash: &Hash) -> Result<bool, Fault> { unimplemented!() }
    pub fn blob_size(&self, hash: &Hash) -> Result<Option<u64>, Fault> { unimplemented!() }
    pub fn read_span(&self, hash: &Hash, span: Range<u64>, out: &mut SpanBuf) -> Result<(), ReadError> { unimplemented!() }
    pub fn verify(&self, address: &Address, threads: usize, progress: &mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>) -> Result<VerifyReport, VerifyError> { unimplemented!() }
    pub fn begin(&self, spec: DownloadSpec) -> Result<Download, BeginError> { unimplemented!() }
    pub fn resume(&self, address: &Address) -> Result<Download, BeginError> { unimplemented!() }
    pub fn begin_repair(&self, address: &Address, bad: &PieceSet, now_unix: u64) -> Result<Download, BeginError> { unimplemented!() }
    pub fn partials(&self) -> Result<Vec<PartialInfo>, Fault> { unimplemented!() }
    pub fn drop_partial(&self, address: &Address) -> Result<bool, DropError> { unimplemented!() }
    pub fn peers(&self) -> Result<Vec<KnownPeer>, Fault> { unimplemented!() }
    pub fn save_peers(&self, peers: &[KnownPeer]) -> Result<(), Fault> { unimplemented!() }
    pub fn usage(&self) -> Result<Usage, Fault> { unimplemented!() }
    pub fn set_quota(&self, quota_bytes: Option<u64>) { unimplemented!() }
    pub fn evict(&self, owned_bytes: u64) -> Result<Vec<Address>, Fault> { unimplemented!() }
    pub fn tidy(&self) -> Result<u64, Fault> { unimplemented!() }
}
/// A download (or repair) that is open in this process. Share it between threads in an `Arc`.
pub struct Download {}
#[allow(missing_docs, unused_variables, clippy::all, clippy::unimplemented)]
impl Download {
    pub fn address(&self) -> Address { unimplemented!() }
    pub fn layout(&self) -> &Arc<PieceLayout> { unimplemented!() }
    pub fn manifest(&self) -> Option<&Arc<Manifest>> { unimplemented!() }
    pub fn have(&self) -> PieceSet { unimplemented!() }
    pub fn wanted(&self) -> PieceSet { unimplemented!() }
    pub fn dest(&self) -> &Path { unimplemented!() }
    pub fn part_path(&self) -> &Path { unimplemented!() }
    pub fn write(&self, blob: u32, first_group: u64, data: &[u8]) -> Result<(), WriteError> { unimplemented!() }
    pub fn write_parents(&self, blob: u32, parents: &[PlacedParent]) -> Result<(), WriteError> { unimplemented!() }
    pub fn complete(&self, pieces: &[u32]) -> Result<(), WriteError> { unimplemented!() }
    pub fn checkpoint(&self) -> Result<(), WriteError> { unimplemented!() }
    pub fn fill_from_local(&self) -> Result<PieceSet, WriteError> { unimplemented!() }
    pub fn finish(&self, serve: bool, now_unix: u64) -> Result<PathBuf, FinishError> { unimplemented!() }
}
