//! Files that a page hands over: taken into `shared/` of the data directory, and shared from there.
//!
//! They are written beside, in `incoming/`, until all of them are here; so nothing half taken is ever
//! shared, and what was never finished is easily told from what was.

use crate::errors;
use bytes::Bytes;
use futures::StreamExt as _;
use potluck_api::ErrorBody;
use potluck_content::{EntryPath, check_name};
use potluck_gateway::Bytestream;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

/// Uploads that are under way at once.
const MOST: usize = 16;
/// An upload to which nothing was added for this long is thrown away.
const FORGOTTEN: Duration = Duration::from_secs(3600);
const LOOK: Duration = Duration::from_secs(60);
/// Other names that are tried when there is such a thing already.
const MAX_COPIES: u32 = 10_000;

/// All that are under way.
pub(super) struct Uploads {
    incoming: PathBuf,
    shared: PathBuf,
    stop: CancellationToken,
    all: Mutex<BTreeMap<String, Upload>>,
    /// Held while a name is chosen and taken.
    naming: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Upload {
    name: String,
    touched: Instant,
    /// Files that are being taken now.
    busy: u32,
    files: u64,
}

impl Uploads {
    pub(super) fn new(data: &Path, stop: CancellationToken) -> Self {
        Self {
            incoming: data.join("incoming"),
            shared: data.join("shared"),
            stop,
            all: Mutex::default(),
            naming: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Upload>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws away what an earlier run left, and later what nobody finishes.
    pub(super) async fn tidy(&self) {
        remove(&self.incoming).await;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.stop.cancelled() => break,
            }
            let old: Vec<String> = {
                let mut all = self.lock();
                let is_old =
                    |upload: &Upload| upload.busy == 0 && upload.touched.elapsed() > FORGOTTEN;
                let old = all.iter().filter(|(_, upload)| is_old(upload));
                let old: Vec<String> = old.map(|(id, _)| id.clone()).collect();
                all.retain(|id, _| !old.contains(id));
                old
            };
            for id in old {
                remove(&self.incoming.join(id)).await;
            }
        }
    }

    /// Begins one.
    pub(super) fn begin(&self, name: &str) -> Result<String, ErrorBody> {
        check_name(name).map_err(|error| {
            errors::usage(error.to_string(), "give it another name without slashes")
        })?;
        let id = crate::keys::api_token()?;
        let mut all = self.lock();
        if all.len() == MOST {
            return Err(errors::failed(
                format!("{MOST} uploads are under way already"),
                "finish one, or drop one",
            ));
        }
        let upload = Upload {
            name: name.to_owned(),
            touched: Instant::now(),
            busy: 0,
            files: 0,
        };
        all.insert(id.clone(), upload);
        Ok(id)
    }

    /// Takes one file.
    pub(super) async fn file(
        &self,
        id: &str,
        path: &[String],
        body: Bytestream,
    ) -> Result<(), ErrorBody> {
        let path = EntryPath::new(path.join("/"))
            .map_err(|error| errors::usage(error.to_string(), "rename it, or leave it out"))?;
        self.change(id, |upload| {
            upload.busy += 1;
            upload.files += 1;
        })?;
        let mut taking = Taking {
            uploads: self,
            id,
            place: None,
            is_whole: false,
        };
        let place = self.incoming.join(id).join(path.as_str());
        taking.take(place, body).await
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Upload)) -> Result<(), ErrorBody> {
        let mut all = self.lock();
        let upload = all.get_mut(id).ok_or_else(unknown)?;
        upload.touched = Instant::now();
        change(upload);
        Ok(())
    }

    /// Moves what was taken to where it stays; gives the path to share.
    pub(super) async fn finish(&self, id: &str) -> Result<String, ErrorBody> {
        let upload = self.end(id)?;
        let folder = self.incoming.join(id);
        let moved = self.keep(&folder, &upload).await;
        remove(&folder).await;
        let place = moved.map_err(|error| fault(&error, &self.shared))?;
        place.into_os_string().into_string().map_err(|path| {
            let message = format!("the path {} is not UTF-8", path.display());
            errors::failed(message, "use another data directory with --data")
        })
    }

    /// Takes an upload off the list, unless it is not all here.
    fn end(&self, id: &str) -> Result<Upload, ErrorBody> {
        let mut all = self.lock();
        let upload = all.get(id).cloned().ok_or_else(unknown)?;
        if upload.busy > 0 {
            return Err(errors::failed(
                "a file of it is still coming",
                "finish it when all files are here",
            ));
        }
        if upload.files == 0 {
            return Err(errors::usage(
                "nothing was handed over",
                "send its files first",
            ));
        }
        all.remove(id);
        Ok(upload)
    }

    async fn keep(&self, folder: &Path, upload: &Upload) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.shared).await?;
        // A single file of the same name needs no folder around it.
        let file = folder.join(&upload.name);
        let is_file = upload.files == 1 && fs::metadata(&file).await.is_ok_and(|it| it.is_file());
        let from = if is_file { file } else { folder.to_owned() };
        let _naming = self.naming.lock().await;
        for copy in 1..MAX_COPIES {
            let place = self.shared.join(numbered(&upload.name, copy, is_file));
            // Uploads alone put things here, and a name that is taken is not taken over.
            if fs::symlink_metadata(&place).await.is_err() {
                fs::rename(&from, &place).await?;
                return Ok(place);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Throws one away.
    pub(super) async fn drop(&self, id: &str) -> Result<(), ErrorBody> {
        self.lock().remove(id).ok_or_else(unknown)?;
        remove(&self.incoming.join(id)).await;
        Ok(())
    }
}

/// A file that is being taken. What came of it goes when it is dropped before it is whole, as
/// happens when the page goes away: it must not be shared as if it were the file.
struct Taking<'a> {
    uploads: &'a Uploads,
    id: &'a str,
    place: Option<PathBuf>,
    is_whole: bool,
}

impl Taking<'_> {
    async fn take(&mut self, place: PathBuf, mut body: Bytestream) -> Result<(), ErrorBody> {
        let failed = |error: io::Error| fault(&error, &place);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).await.map_err(failed)?;
        }
        let mut file = fs::File::create_new(&place).await.map_err(failed)?;
        self.place = Some(place.clone());
        while let Some(part) = body.next().await {
            let part: Bytes = part?;
            file.write_all(&part).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(|_| !self.is_whole) {
            let _ = std::fs::remove_file(place);
        }
        let _ = self.uploads.change(self.id, |upload| {
            upload.busy -= 1;
            upload.files -= u64::from(!self.is_whole);
        });
    }
}

/// `name`, `name (2)`, `name (3)`; of a file, before its extension.
fn numbered(name: &str, copy: u32, is_file: bool) -> String {
    if copy == 1 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if is_file && !stem.is_empty() => {
            format!("{stem} ({copy}).{extension}")
        }
        _ => format!("{name} ({copy})"),
    }
}

async fn remove(folder: &Path) {
    match fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %folder.display(), "not removed");
        }
        _ => {}
    }
}

fn fault(error: &io::Error, place: &Path) -> ErrorBody {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            errors::no_space(format!("no space left for {}", place.display()))
        }
        io::ErrorKind::AlreadyExists => errors::usage(
            "there is a file of that name in it already",
            "send each file once",
        ),
        _ => errors::failed(
            format!("cannot write {}: {error}", place.display()),
            "check the permissions of the data directory",
        ),
    }
}

fn unknown() -> ErrorBody {
    errors::not_found(
        "no such upload; it was finished, dropped, or forgotten",
        "begin another one",
    )
}
