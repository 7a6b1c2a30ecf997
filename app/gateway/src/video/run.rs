//! The programs while they run: with what limits, for how long, and what is kept of what they say.

use super::Place;
use super::probe::{self, Probe};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A look at a film, which may have to be fetched for it.
const PROBE_TIME: Duration = Duration::from_secs(60);
/// Nothing came from it for so long: it hangs.
const SILENCE: Duration = Duration::from_secs(90);
/// It has closed its output, and is about to end.
const END_TIME: Duration = Duration::from_secs(5);
/// Longer than any film.
const JOB_TIME: Duration = Duration::from_secs(12 * 3600);
/// Bytes that are taken from it at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes of what it says that are kept.
const MOST_WORDS: u64 = 16 * 1024;
/// Bytes that a description of a film may have.
const MOST_FOUND: u64 = 1024 * 1024;
/// Politeness towards the rest of the machine.
const NICE: i32 = 10;

/// Starts a program that reads nothing but what it is told to, without a shell, and ends with its handle.
fn spawn(program: &Path, arguments: &[String]) -> Result<Child, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    if let Some(id) = child.id() {
        restrain(id);
    }
    Ok(child)
}

/// It writes no file, opens few, and takes no more memory than films need. All that it reads comes after this.
fn restrain(id: u32) {
    let Some(pid) = i32::try_from(id)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return;
    };
    if let Err(error) = rustix::process::setpriority_process(Some(pid), NICE) {
        tracing::debug!(%error, "a program is not made polite");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limits = [
            (Resource::Fsize, 0),
            (Resource::Core, 0),
            (Resource::Nofile, 64),
            (Resource::As, 4 << 30),
        ];
        for (resource, most) in limits {
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            if let Err(error) = prlimit(Some(pid), resource, limit) {
                tracing::debug!(%error, ?resource, "a program is not limited");
            }
        }
    }
}

/// The beginning of what it says; the rest is read and thrown away, so that it never waits for that.
async fn listen(from: Option<impl AsyncRead + Unpin>, most: u64) -> Vec<u8> {
    let mut words = Vec::new();
    if let Some(mut from) = from {
        let _ = (&mut from).take(most).read_to_end(&mut words).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    words
}

/// Looks at a film.
pub(super) async fn probe(program: &Path, url: &str) -> Result<Probe, String> {
    let mut child = spawn(program, &probe::arguments(url))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (found, words) = tokio::join!(listen(out, MOST_FOUND), listen(err, MOST_WORDS));
        (found, words, child.wait().await)
    };
    let (found, words, ended) = tokio::time::timeout(PROBE_TIME, work)
        .await
        .map_err(|_| "its beginning did not come in time".to_owned())?;
    let is_good = ended.is_ok_and(|status| status.success());
    let found = if is_good { probe::read(&found) } else { None };
    found.ok_or_else(|| format!("ffprobe cannot read it: {}", last_line(&words)))
}

/// A conversion that is read.
struct Job {
    out: ChildStdout,
    ends: tokio::time::Instant,
    stop: CancellationToken,
    words: JoinHandle<Vec<u8>>,
    // Dropped last: the program is told to end, and its place is free.
    child: Child,
    _place: Place,
}

impl Job {
    /// The next bytes; `None` at its end. It is read no faster than its viewer takes them.
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let mut chunk = vec![0; CHUNK];
        let silence = tokio::time::Instant::now() + SILENCE;
        let read = tokio::select! {
            read = self.out.read(&mut chunk) => read?,
            () = tokio::time::sleep_until(silence.min(self.ends)) => {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            () = self.stop.cancelled() => return Ok(None),
        };
        if read > 0 {
            chunk.truncate(read);
            return Ok(Some(chunk.into()));
        }
        // What broke off is not to look whole.
        match tokio::time::timeout(END_TIME, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(None),
            Ok(Ok(status)) => Err(std::io::Error::other(format!("ffmpeg ended with {status}"))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Converts a film; what comes is read as its viewer takes it, and the program ends when the stream is dropped.
pub(super) async fn convert(
    program: &Path,
    arguments: &[String],
    stop: CancellationToken,
    place: Place,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>, String> {
    let mut child = spawn(program, arguments)?;
    let out = child.stdout.take().ok_or("ffmpeg has no output")?;
    let words = tokio::spawn(listen(child.stderr.take(), MOST_WORDS));
    let mut job = Job {
        out,
        ends: tokio::time::Instant::now() + JOB_TIME,
        stop,
        words,
        child,
        _place: place,
    };
    // What cannot be converted says so before anything comes.
    let first = match job.next().await {
        Ok(Some(first)) => first,
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            return Err("nothing came from ffmpeg in time".to_owned());
        }
        Ok(None) | Err(_) => {
            let words = tokio::time::timeout(Duration::from_secs(1), &mut job.words).await;
            let words = words.map(Result::unwrap_or_default).unwrap_or_default();
            return Err(format!("ffmpeg cannot convert it: {}", last_line(&words)));
        }
    };
    let rest = futures::stream::unfold(Some(job), |job: Option<Job>| async move {
        let mut job = job?;
        match job.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(job))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    let first = futures::stream::once(std::future::ready(Ok(first)));
    Ok(first.chain(rest).boxed())
}

/// The last thing it said, on one line and not too long.
fn last_line(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it said nothing");
    last.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
