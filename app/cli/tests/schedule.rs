//! Rates by the time of day: a real download that goes by the clock on the wall.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::cast_precision_loss)]

mod support;

use potluck_api::Status;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Node, Scratch, Watch, is_quick, wait_for, write_file};

const DAY: i64 = 24 * 3600;

/// A value of `TZ` by which the clock shows 12:00 in so many seconds.
fn noon_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let of_day = i64::try_from(now.as_secs()).unwrap() % DAY;
    let ahead = (DAY / 2 - seconds - of_day).rem_euclid(DAY);
    // West is positive there.
    format!(
        "LOC-{:02}:{:02}:{:02}",
        ahead / 3600,
        ahead / 60 % 60,
        ahead % 60
    )
}

fn set(node: &Node, rules: &str) {
    node.run(["config", "set", "limits.schedule", rules]).ok();
}

/// Bytes per second that came between two looks.
fn rate(from: &Status, to: &Status) -> f64 {
    let bytes = to.rates.down_bytes - from.rates.down_bytes;
    bytes as f64 / (to.uptime - from.uptime)
}

/// How fast it is, over this time.
fn measure(node: &Node, watch: &mut Watch, time: Duration) -> f64 {
    let (from, end) = (node.status(), Instant::now() + time);
    watch.until("enough was measured", |seen| seen.at >= end);
    rate(&from, &node.status())
}

/// Waits for the pause; gives how late it is.
fn pause_since(taker: &Node, due: Instant) -> Duration {
    wait_for("the pause", Duration::from_secs(90), || {
        (taker.status().limits.down == Some(0)).then_some(())
    });
    Instant::now().saturating_duration_since(due)
}

/// Bytes that come in a quarter of a minute of pause.
fn passes_in_pause(taker: &Node) -> u64 {
    let status = taker.run(["status"]).ok().stdout;
    assert!(status.contains("rule 2 holds until 12:30"), "{status}");
    assert!(status.contains("(paused)"), "{status}");
    // What was read before it is done with.
    std::thread::sleep(Duration::from_secs(1));
    let from = taker.status();
    std::thread::sleep(Duration::from_secs(15));
    taker.status().rates.down_bytes - from.rates.down_bytes
}

#[test]
fn rules_hold_while_their_time_is_and_a_pause_ends_well() {
    if is_quick("rules_hold_while_their_time_is_and_a_pause_ends_well") {
        return;
    }
    let scratch = Scratch::new("schedule");
    let file = scratch.path("file.bin");
    write_file(&file, 200_000_000, 1);
    let giver = scratch.node("giver").start();
    let link = giver.share(&file);
    let taker = scratch.node("taker").peer(giver.address());
    let noon = Instant::now() + Duration::from_secs(45);
    let taker = taker.env("TZ", noon_in(45)).start();
    taker.run(["config", "set", "limits.down", "40MB/s"]).ok();
    set(
        &taker,
        "daily 06:00-12:00 down 3MB/s, daily 12:00-12:30 pause",
    );

    let schedule = taker.status().limits.schedule.unwrap();
    assert_eq!(schedule.rules, [0]);
    assert_eq!(schedule.until_clock.as_deref(), Some("12:00"));
    let shown = taker.run(["status"]).ok().stdout;
    assert!(shown.contains("rule 1 holds until 12:00"), "{shown}");

    let out = scratch.path("out");
    let get = taker.run(["get", &link, "--json", "-o"]).arg(&out);
    let get = get.deadline(Duration::from_secs(180));
    let mut watch = Watch::new(get.spawn());
    watch.until("some of it came", |seen| seen.done > 1_000_000);
    let before = measure(&taker, &mut watch, Duration::from_secs(6));
    eprintln!("within the rule: {:.3} MB/s", before / 1e6);
    assert!(
        (before / 3e6 - 1.0).abs() < 0.1,
        "{before} B/s is not 3 MB/s"
    );
    assert!(Instant::now() < noon, "too slow to see the change");

    let late = pause_since(&taker, noon);
    eprintln!("the pause began {late:?} after noon");
    assert!(late < Duration::from_secs(3), "{late:?}");
    let passed = passes_in_pause(&taker);
    eprintln!("{passed} bytes came in 15 s of pause");
    assert!(passed < 100_000, "{passed} bytes came in a pause");

    // A rule above which the later one stands, and which lifts the limit.
    set(
        &taker,
        "daily 12:00-12:30 pause, daily 00:00-24:00 down off",
    );
    assert_eq!(taker.status().limits.down, None);
    let again = Instant::now();
    let had = watch.seen.last().map_or(0, |seen| seen.done);
    watch.until("it goes on", |seen| seen.done > had + 5_000_000);
    eprintln!(
        "more came within {:?} of the end of the pause",
        again.elapsed()
    );
    watch.done();
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&file).unwrap());
    set(&taker, "");
    assert_eq!(taker.status().limits.down, Some(40_000_000));
    assert!(taker.status().limits.schedule.is_none());
}
