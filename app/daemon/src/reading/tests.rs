//! Two nodes in one process: one reads what only the other has.

use super::{OpenFile, OpenedKind, have, open, read};
use crate::context::Context;
use crate::{Node, Options, download, share, start};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use potluck_api::{ErrorBody, ExitCode, GetEvent, GetRequest, ShareEvent, ShareRequest};
use potluck_content::Link;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 64 * MIB;
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes without a pattern, the same in each run.
fn noise(len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    while (bytes.len() as u64) < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes
}

async fn node(dir: &Path, peers: Vec<String>, up: Option<u64>) -> Node {
    let options = Options {
        data: dir.join("data"),
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()],
        peers,
        no_lan: true,
        in_command: true,
        up_limit: up.map(|up| potluck_api::Rate(Some(up))),
        ..Options::default()
    };
    start(options).await.unwrap()
}

async fn shared(ctx: &Arc<Context>, path: PathBuf) -> Link {
    let (events, mut unread) = mpsc::channel(16);
    tokio::spawn(async move { while unread.recv().await.is_some() {} });
    let request = ShareRequest {
        paths: vec![path.display().to_string()],
        name: None,
        copy: false,
        skip_unreadable: false,
        torrent: None,
    };
    let done = share::run(ctx, request, &events, &CancellationToken::new()).await;
    match done.unwrap() {
        ShareEvent::Shared { link, .. } => link.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

struct Pair {
    dir: TempDir,
    bytes: Vec<u8>,
    link: Link,
    giver: Node,
    reader: Node,
}

impl Pair {
    async fn new(up: Option<u64>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bytes = noise(SIZE);
        let path = dir.path().join("film.bin");
        std::fs::write(&path, &bytes).unwrap();
        let giver = node(&dir.path().join("giver"), Vec::new(), up).await;
        let link = shared(giver.context(), path).await;
        let peers = giver.ready().addresses.clone();
        let reader = node(&dir.path().join("reader"), peers, None).await;
        Self {
            dir,
            bytes,
            link,
            giver,
            reader,
        }
    }

    fn ctx(&self) -> &Arc<Context> {
        self.reader.context()
    }

    async fn file(&self) -> OpenFile {
        match open(self.ctx(), &self.link, &[], PATIENCE)
            .await
            .unwrap()
            .kind
        {
            OpenedKind::File(file) => file,
            OpenedKind::Folder(_) => panic!("a folder"),
        }
    }

    fn expect(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    }

    async fn kept_bytes(&self) -> u64 {
        let (_, ranges) = have(self.ctx(), &self.link.address).await;
        let root = self.link.address;
        let layout = (self.ctx()).blocking(move |store| store.layout(&root));
        let layout = layout.await.unwrap().unwrap().unwrap();
        let before = |piece| layout.bytes_before(piece);
        ranges
            .iter()
            .map(|range| before(range.end) - before(range.start))
            .sum()
    }

    async fn end(self) {
        self.reader.shutdown().await;
        self.giver.shutdown().await;
        drop(self.dir);
    }
}

async fn all(stream: impl Stream<Item = Result<Bytes, ErrorBody>>) -> Vec<u8> {
    let mut stream = std::pin::pin!(stream);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 256 * 1024 && !chunk.is_empty());
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_middle_is_read_without_the_rest() {
    let pair = Pair::new(None).await;
    let file = pair.file().await;
    assert_eq!(file.bytes, SIZE);
    // Two at once, at odd places, share one download.
    let (one, other) = (30 * MIB + 5..31 * MIB + 77, 40 * MIB - 3..41 * MIB);
    let began = Instant::now();
    let (first, second) = tokio::join!(
        all(read(pair.ctx(), &file, one.clone())),
        all(read(pair.ctx(), &file, other.clone()))
    );
    eprintln!("two ranges after {:?}", began.elapsed());
    assert!(first == pair.expect(one) && second == pair.expect(other));
    assert_eq!(pair.ctx().downloads.report().len(), 1);
    let kept = pair.kept_bytes().await;
    assert!((2 * MIB..6 * MIB).contains(&kept), "{kept} bytes");
    assert!(crate::status::report(pair.ctx()).await.stored_bytes >= kept);
    // One that stops reading stops what is fetched for it.
    let mut stream = Box::pin(read(pair.ctx(), &file, 0..SIZE));
    let begin = stream.next().await.unwrap().unwrap();
    assert!(!begin.is_empty() && begin == pair.expect(0..begin.len() as u64));
    drop(stream);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let stopped = pair.kept_bytes().await;
    assert!(stopped < kept + 12 * MIB, "{stopped} bytes");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(pair.kept_bytes().await, stopped);
    // Who reads on gets everything.
    let whole = all(read(pair.ctx(), &file, 0..SIZE)).await;
    assert!(whole == pair.bytes);
    assert_eq!(all(read(pair.ctx(), &file, 7..7)).await.len(), 0);
    assert_eq!(
        all(read(pair.ctx(), &file, SIZE - 1..SIZE + 9)).await.len(),
        1
    );
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_get_takes_over_and_is_read_from() {
    let pair = Pair::new(Some(24 * MIB)).await;
    let file = pair.file().await;
    let before = 20 * MIB..24 * MIB;
    let bytes = all(read(pair.ctx(), &file, before.clone())).await;
    assert!(bytes == pair.expect(before));
    let (reading, ctx) = (file.clone(), Arc::clone(pair.ctx()));
    let range = 8 * MIB..48 * MIB;
    let asked = range.clone();
    let during = tokio::spawn(async move { all(read(&ctx, &reading, asked)).await });
    let dest = pair.dir.path().join("got.bin");
    let request = GetRequest {
        link: pair.link.to_string(),
        dest: dest.display().to_string(),
        serve: true,
        also: Vec::new(),
        files: Vec::new(),
        timeout: None,
        sequential: false,
    };
    let (events, mut unread) = mpsc::channel(16);
    tokio::spawn(async move { while unread.recv().await.is_some() {} });
    let stop = CancellationToken::new();
    let done = download::run(pair.ctx(), request, &events, &stop);
    let GetEvent::Done { fetched_bytes, .. } = done.await.unwrap() else {
        panic!("no end");
    };
    // What was read before isn't fetched again.
    assert!(fetched_bytes < SIZE - 3 * MIB, "{fetched_bytes} bytes");
    assert!(std::fs::read(&dest).unwrap() == pair.bytes);
    assert!(during.await.unwrap() == pair.expect(range));
    // It is here now: nobody is asked.
    let whole = all(read(pair.ctx(), &file, 0..SIZE)).await;
    assert!(whole == pair.bytes);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_nobody_has_is_not_waited_for_longer_than_asked() {
    let dir = tempfile::tempdir().unwrap();
    let alone = node(dir.path(), Vec::new(), None).await;
    let link: Link = potluck_content::Address {
        kind: potluck_content::Kind::Blob,
        hash: potluck_content::Hash::of(b"nobody has this"),
    }
    .into();
    let began = Instant::now();
    let patience = Duration::from_secs(2);
    let error = open(alone.context(), &link, &[], patience)
        .await
        .unwrap_err();
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(error.code, ExitCode::NotFound);
    assert!(error.message.contains("no provider"), "{}", error.message);
    eprintln!("{}", error.message);
    alone.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_is_kept_for_readers_than_the_owner_allows() {
    let pair = Pair::new(None).await;
    let file = pair.file().await;
    pair.ctx().store.set_quota(Some(24 * MIB));
    let mut stream = Box::pin(read(pair.ctx(), &file, 0..SIZE));
    let mut at = 0;
    let error = loop {
        match stream.next().await {
            Some(Ok(bytes)) => {
                assert!(bytes == pair.expect(at..at + bytes.len() as u64));
                at += bytes.len() as u64;
            }
            Some(Err(error)) => break error,
            None => panic!("all of it came"),
        }
    };
    assert!(
        error.message.contains("kept for readers"),
        "{}",
        error.message
    );
    // What is on its way when it is noticed may still come.
    let kept = pair.kept_bytes().await;
    assert!((8 * MIB..56 * MIB).contains(&kept), "{kept} bytes");
    // Who asks again gets what comes next, in the place of that.
    let next = at..at + MIB;
    assert!(all(read(pair.ctx(), &file, next.clone())).await == pair.expect(next));
    assert!(pair.kept_bytes().await < 12 * MIB);
    // With more room the rest comes.
    pair.ctx().store.set_quota(Some(80 * MIB));
    let rest = all(read(pair.ctx(), &file, at..SIZE)).await;
    assert!(rest == pair.expect(at..SIZE));
    pair.end().await;
}
