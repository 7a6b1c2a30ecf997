//! The fetching process is killed.

use crate::support::{Finished, Node, Scratch, assert_same_tree, is_quick, write_file};
use crate::{Dice, IN_FLIGHT, Lookout, UNREACHABLE, sent};
use potluck_api::GetEvent;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: u64 = 1 << 30;
const KILLS: u64 = 50;
/// The longest that a run lives: the download has to outlast all kills, so that a minute's worth
/// of lives at [`SLOW`] and [`FAST`] is less than [`SIZE`].
const LIFE: Duration = Duration::from_millis(1000);
const SLOW: &str = "16MB/s";
/// The rate of the last [`FAST_KILLS`]: much is in flight then.
const FAST: &str = "60MB/s";
const FAST_KILLS: u64 = 5;

/// What is known of the download between its runs.
struct Account {
    /// Bytes that the last run that told so began with.
    had: u64,
    /// Bytes that the provider had sent when that run began.
    sent: u64,
    kills: u64,
    /// Most bytes that came again for one kill.
    most: u64,
}

/// What the events of one run tell.
struct Told {
    /// Bytes it began with.
    had: Option<u64>,
    /// Bytes it had at the last progress.
    done: u64,
}

fn told(run: &Finished) -> Told {
    let mut told = Told { had: None, done: 0 };
    for line in run.stdout.lines() {
        match serde_json::from_str(line) {
            Ok(GetEvent::Found { have_bytes, .. }) => told.had = Some(have_bytes),
            Ok(GetEvent::Progress { done_bytes, .. }) => told.done = told.done.max(done_bytes),
            _ => {}
        }
    }
    told
}

impl Account {
    /// Books a run that began with `had` bytes when the provider had sent `sent`.
    fn book(&mut self, had: u64, sent: u64) {
        assert!(had >= self.had, "{had} bytes after {}", self.had);
        let (came, kept) = (sent - self.sent, had - self.had);
        let again = came.saturating_sub(kept);
        assert!(
            again <= self.kills * IN_FLIGHT,
            "{again} bytes came again after {} kills",
            self.kills
        );
        self.most = self.most.max(again / self.kills.max(1));
        (self.had, self.sent, self.kills) = (had, sent, 0);
    }
}

/// The `number`th run of the download, up to its death.
fn killed_run(
    scratch: &Scratch,
    number: u64,
    get: &[&str],
    out: &Path,
    dice: &mut Dice,
) -> Finished {
    if number % 10 == 9 {
        // A daemon fetches for the command, and dies.
        let taker = scratch.node("taker").start();
        let mut command = taker.run(get).arg(out).json().spawn();
        // Before that it may find no daemon, and then fetches by itself.
        command.next_line();
        let moment = Instant::now() + dice.below(LIFE);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            taker.kill();
        });
        let finished = command.finish();
        killer.join().unwrap();
        assert_eq!(finished.code, UNREACHABLE, "{finished}");
        assert!(!finished.stderr.contains("panicked"), "{finished}");
        return finished;
    }
    let mut run = scratch.run("taker", get).arg(out).json().spawn();
    if number.is_multiple_of(2) {
        return run.kill_at(Instant::now() + dice.below(LIFE));
    }
    run.event("found");
    run.kill_at(Instant::now() + dice.below(LIFE / 2))
}

fn limit(giver: &Node, rate: &str) {
    giver.run(["config", "set", "limits.up", rate]).ok();
}

#[test]
fn fifty_kills_of_a_1_gib_download_cost_little_and_spoil_nothing() {
    if is_quick("fifty_kills_of_a_1_gib_download_cost_little_and_spoil_nothing") {
        return;
    }
    let scratch = Scratch::new("kills");
    let mut dice = Dice::new("fifty_kills");
    let (file, out): (PathBuf, PathBuf) = (scratch.path("file.bin"), scratch.path("out.bin"));
    write_file(&file, SIZE, 1);
    let giver = scratch.node("giver").start();
    let link = giver.share(&file);
    limit(&giver, SLOW);
    let get = ["get", &link, "--no-serve", "--timeout", "30", "-o"];
    let lookout = Lookout::over(out.clone(), SIZE);
    let mut account = Account {
        had: 0,
        sent: 0,
        kills: 0,
        most: 0,
    };
    let (mut began, mut done) = (0, 0);
    for number in 0..KILLS {
        if number == KILLS - FAST_KILLS {
            limit(&giver, FAST);
        }
        let run = killed_run(&scratch, number, &get, &out, &mut dice);
        assert!(!run.stdout.contains("\"done\""), "it ended too soon: {run}");
        assert!(
            !out.exists(),
            "something stands under the final name: {run}"
        );
        let told = told(&run);
        if let Some(had) = told.had {
            // What was told to be here survived the kill.
            assert!(had >= done, "had {had} of {done} bytes: {run}");
            account.book(had, began);
        }
        done = done.max(told.done);
        account.kills += 1;
        began = sent(&giver);
    }
    limit(&giver, "off");
    let last = scratch.run("taker", get).arg(&out).json().ok();
    lookout.end();
    let had = told(&last).had.unwrap();
    assert!(had >= done, "had {had} of {done} bytes");
    account.book(had, began);
    assert_same_tree(&file, &out);
    let all = sent(&giver);
    eprintln!(
        "{KILLS} kills: {:.1} MiB had to come again in all, {:.1} MiB at most for one; {:.0} MiB \
         were left for the last run",
        (all.saturating_sub(SIZE)) as f64 / 1_048_576.0,
        account.most as f64 / 1_048_576.0,
        (SIZE - had) as f64 / 1_048_576.0,
    );
    assert!(all <= SIZE + KILLS * IN_FLIGHT, "{all} bytes were sent");
    let fetched = last.last("done")["fetched_bytes"].as_u64().unwrap();
    assert!(fetched <= SIZE - had + IN_FLIGHT, "{fetched}");
    nothing_is_left(&scratch);
}

/// No part of a download lies about once it is done.
fn nothing_is_left(scratch: &Scratch) {
    let entries = std::fs::read_dir(scratch.path("")).unwrap();
    let parts: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("potluck-part"))
        .collect();
    assert!(parts.is_empty(), "{parts:?}");
    let partial = std::fs::read_dir(scratch.path("taker/partial"));
    let partial = partial.map_or(0, Iterator::count);
    assert_eq!(partial, 0, "directories of partial downloads");
}
