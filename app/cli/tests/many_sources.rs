//! Many sources at once: their rates add up, and one that dies, stalls or joins late is dealt with
//! within two seconds, as the events of the download tell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::cast_precision_loss)]

mod support;

use potluck_api::SourceState;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use support::{
    Ended, Node, Scratch, Seen, Watch, assert_same_tree, fetch, is_quick, longest_pause, providers,
    rate, wait_for, write_file,
};

const LIMIT: &str = "20MB/s";
const LIMIT_BYTES: f64 = 20e6;
/// How soon a source that fails or comes has to be dealt with.
const SOON: Duration = Duration::from_secs(2);
/// Part of the limits that counts as all of it, on a machine that does other things too.
const NEARLY: f64 = 0.85;

fn get(scratch: &Scratch, data: &str, link: &str) -> Watch {
    fetch(scratch, data, link, [])
}

/// Bytes per second of a whole download, by its own account.
fn whole_rate(ended: &Ended) -> f64 {
    let number = |field: &str| ended.done[field].as_f64().unwrap();
    number("bytes") / number("seconds")
}

fn wasted(ended: &Ended) -> f64 {
    ended.done["wasted_bytes"].as_f64().unwrap() / ended.done["bytes"].as_f64().unwrap()
}

#[test]
fn four_limited_providers_give_3_4_times_the_rate_of_one() {
    if is_quick("four_limited_providers_give_3_4_times_the_rate_of_one") {
        return;
    }
    let scratch = Scratch::new("four");
    let file = scratch.path("file.bin");
    write_file(&file, 320_000_000, 1);
    let (nodes, all) = providers(&scratch, 4, &file, LIMIT);
    let (first, _) = all.split_once("&addr=").unwrap();
    let only_one = format!("{first}&addr={}", nodes[0].address());
    let one = get(&scratch, "one", &only_one).done();
    let four = get(&scratch, "four", &all).done();
    assert_same_tree(&file, &scratch.path("one.out"));
    assert_same_tree(&file, &scratch.path("four.out"));
    let (one_rate, four_rate) = (whole_rate(&one), whole_rate(&four));
    let ratio = four_rate / one_rate;
    eprintln!(
        "one {:.1} MB/s, four {:.1} MB/s: {ratio:.2} times; wasted {:.2} %",
        one_rate / 1e6,
        four_rate / 1e6,
        wasted(&four) * 100.0
    );
    assert_eq!(one.done["sources"].as_array().unwrap().len(), 1);
    assert_eq!(four.done["sources"].as_array().unwrap().len(), 4);
    // One is as fast as its limit lets it, so that the ratio is not had by a slow single source.
    assert!(one_rate > LIMIT_BYTES * 0.9 && one_rate < LIMIT_BYTES * 1.05);
    assert!(ratio >= 3.4, "only {ratio:.2} times");
    assert!(wasted(&four) < 0.02, "wasted {:.4}", wasted(&four));
}

/// Checks what the events say after a source stopped delivering at `gone`, up to `until`.
fn assert_carried_on(seen: &[Seen], peer: &str, gone: Instant, until: Instant, others: f64) {
    let after = |since: Duration| {
        seen.iter()
            .find(move |step| step.at >= gone + since)
            .unwrap_or_else(|| panic!("no progress {since:?} after it was gone"))
    };
    let noticed = seen
        .iter()
        .find(|step| step.at >= gone && !step.is_active(peer))
        .unwrap_or_else(|| panic!("{peer} was shown as active to the end"));
    let pause = longest_pause(seen, gone, until);
    let last = seen.iter().rfind(|step| step.at <= until).unwrap();
    let rest = rate(after(SOON), last);
    eprintln!(
        "noticed after {:.2} s, longest pause {:.2} s, {:.1} MB/s from then on",
        noticed.at.duration_since(gone).as_secs_f64(),
        pause.as_secs_f64(),
        rest / 1e6
    );
    assert!(noticed.at <= gone + SOON);
    assert!(pause <= SOON, "nothing came for {pause:?}");
    assert!(rest >= others * NEARLY, "{rest} of {others} B/s after it");
}

#[test]
fn a_provider_that_dies_is_replaced_within_two_seconds() {
    let scratch = Scratch::new("dies");
    let file = scratch.path("file.bin");
    write_file(&file, 240_000_000, 2);
    let (mut nodes, link) = providers(&scratch, 3, &file, LIMIT);
    let mut watch = get(&scratch, "taker", &link);
    let peers: Vec<String> = nodes.iter().map(|node| node.peer_id().to_owned()).collect();
    watch.until("all three delivered", |seen| {
        seen.done * 5 > seen.total && peers.iter().all(|peer| seen.is_active(peer))
    });
    let victim = nodes.remove(1);
    let dead = victim.peer_id().to_owned();
    let gone = Instant::now();
    victim.kill();
    let ended = watch.done();
    assert_same_tree(&file, &scratch.path("taker.out"));
    assert_carried_on(&ended.seen, &dead, gone, ended.at, 2.0 * LIMIT_BYTES);
    // What was asked of it does not hold up the end either.
    let left = ended.seen.iter().rfind(|step| step.at <= gone).unwrap();
    let fair = (left.total - left.done) as f64 / (2.0 * LIMIT_BYTES * NEARLY);
    let took = ended.at.duration_since(gone);
    assert!(
        took <= Duration::from_secs_f64(fair) + SOON,
        "{took:?} for what two can deliver in {fair:.1} s"
    );
    assert!(wasted(&ended) < 0.02, "wasted {:.4}", wasted(&ended));
}

#[test]
fn a_provider_that_stalls_is_replaced_within_two_seconds_and_used_again_later() {
    let scratch = Scratch::new("stalls");
    let file = scratch.path("file.bin");
    write_file(&file, 400_000_000, 3);
    let (nodes, link) = providers(&scratch, 3, &file, LIMIT);
    let mut watch = get(&scratch, "taker", &link);
    let peers: Vec<String> = nodes.iter().map(|node| node.peer_id().to_owned()).collect();
    watch.until("all three delivered", |seen| {
        seen.done * 10 > seen.total && peers.iter().all(|peer| seen.is_active(peer))
    });
    let gone = Instant::now();
    nodes[1].signal(Signal::STOP);
    watch.until("four seconds went by", |seen| {
        seen.at >= gone + Duration::from_secs(4)
    });
    let back = Instant::now();
    nodes[1].signal(Signal::CONT);
    let had = |seen: &Seen| seen.source(&peers[1]).map_or(0, |source| source.bytes);
    let before = had(watch.seen.last().unwrap());
    watch.until("it delivered again", |seen| {
        seen.is_active(&peers[1]) && had(seen) > before + 4_000_000
    });
    eprintln!("delivers again {:.1} s after", back.elapsed().as_secs_f64());
    let ended = watch.done();
    assert_same_tree(&file, &scratch.path("taker.out"));
    let until: Vec<&Seen> = ended.seen.iter().filter(|step| step.at <= back).collect();
    assert!(until.len() > 8);
    assert_carried_on(&ended.seen, &peers[1], gone, back, 2.0 * LIMIT_BYTES);
    assert!(wasted(&ended) < 0.02, "wasted {:.4}", wasted(&ended));
}

#[test]
fn the_only_provider_stalls_and_the_reason_is_told() {
    let scratch = Scratch::new("alone");
    let file = scratch.path("file.bin");
    write_file(&file, 100_000_000, 4);
    let (nodes, link) = providers(&scratch, 1, &file, LIMIT);
    let mut watch = get(&scratch, "taker", &link);
    watch.until_part(0.2);
    let gone = Instant::now();
    nodes[0].signal(Signal::STOP);
    let told = watch.until("it said that it waits", |seen| {
        seen.sources
            .iter()
            .all(|source| source.state == SourceState::Stalled)
    });
    assert!(told.at <= gone + SOON, "{:?}", told.at.duration_since(gone));
    assert_eq!(told.phase, potluck_api::Phase::Stalled);
    nodes[0].signal(Signal::CONT);
    watch.done();
    assert_same_tree(&file, &scratch.path("taker.out"));
}

/// Runs a download from one provider, lets another join, and gives how long it took to be used.
fn joins_late(name: &str, knows: impl Fn(&Node, &Node) -> String) -> (Duration, f64) {
    let scratch = Scratch::new(name);
    let file = scratch.path("file.bin");
    write_file(&file, 240_000_000, 5);
    let late = scratch.node("late").start();
    late.share(&file);
    assert_eq!(late.stop(), 0);
    let (nodes, link) = providers(&scratch, 1, &file, LIMIT);
    let taker = scratch.node("taker").start();
    let out = scratch.path("taker.out");
    let run = taker.run(["get", &link, "--timeout", "30", "--json", "-o"]);
    let mut watch = Watch::new(run.arg(&out).spawn());
    watch.until_part(0.1);
    let spec = scratch.node("late").args(["--up-limit", LIMIT]);
    let late = spec.peer(&knows(&taker, &nodes[0])).start();
    let came = Instant::now();
    let peer = late.peer_id().to_owned();
    let delivers = |seen: &Seen| seen.source(&peer).is_some_and(|source| source.bytes > 0);
    let used = watch.until("the late one delivered", delivers).at;
    let ended = watch.done();
    assert_same_tree(&file, &out);
    let steady: Vec<&Seen> = (ended.seen.iter())
        .filter(|step| step.at >= used + Duration::from_secs(1) && step.done < step.total)
        .collect();
    let both = rate(steady[0], steady[steady.len() - 1]);
    let after = used.duration_since(came);
    eprintln!(
        "{name}: used after {after:.2?}, then {:.1} MB/s",
        both / 1e6
    );
    (after, both)
}

#[test]
fn a_provider_that_joins_late_is_used_within_two_seconds() {
    let (after, both) = joins_late("late", |taker, _| taker.address().to_owned());
    assert!(after <= SOON, "used after {after:?}");
    assert!(both >= 2.0 * LIMIT_BYTES * NEARLY, "{both} B/s of both");
}

#[test]
fn a_provider_that_joins_late_by_another_is_used_within_two_seconds() {
    let (after, both) = joins_late("late-other", |_, giver| giver.address().to_owned());
    assert!(after <= SOON, "used after {after:?}");
    assert!(both >= 2.0 * LIMIT_BYTES * NEARLY, "{both} B/s of both");
}

/// The link names a provider that is not there yet.
#[test]
fn a_provider_that_the_link_names_joins_late() {
    let scratch = Scratch::new("late-hint");
    let file = scratch.path("file.bin");
    write_file(&file, 40_000_000, 7);
    let (mut nodes, link) = providers(&scratch, 1, &file, LIMIT);
    let address = nodes[0].address().to_owned();
    let (listen, _) = address.split_once("/p2p/").unwrap();
    assert_eq!(nodes.remove(0).stop(), 0);
    let get = ["get", &link, "--timeout", "60", "--json", "-o"];
    let mut run = scratch.run("taker", get).arg(scratch.path("out")).spawn();
    for _ in 0..4 {
        run.event("waiting");
    }
    let spec = scratch.node("giver0").args(["--up-limit", LIMIT]);
    let _node = spec.listen(Some(listen)).start();
    let came = Instant::now();
    run.event("found");
    let after = came.elapsed();
    eprintln!("found {after:.2?} after it came");
    assert!(after <= SOON, "{after:?}");
    run.finish().last("done");
    assert_same_tree(&file, &scratch.path("out"));
}

#[test]
fn providers_come_and_go_and_all_bytes_are_right() {
    let scratch = Scratch::new("churn");
    let file = scratch.path("file.bin");
    write_file(&file, 200_000_000, 6);
    let (mut nodes, link) = providers(&scratch, 3, &file, LIMIT);
    let mut watch = get(&scratch, "taker", &link);
    for (index, part) in [(0, 0.15), (1, 0.35), (2, 0.55), (0, 0.75)] {
        watch.until_part(part);
        let address = nodes[index].address().to_owned();
        let (listen, _) = address.split_once("/p2p/").unwrap();
        let name = format!("giver{index}");
        let spec = scratch.node(&name).args(["--up-limit", LIMIT]);
        let old = nodes.remove(index);
        let (pid, last) = (watch.pid(), old.peer_id().to_owned());
        old.kill();
        let again = spec.listen(Some(listen)).start();
        assert_eq!(again.peer_id(), last, "the same node as before, for {pid}");
        nodes.insert(index, again);
    }
    let ended = watch.done();
    assert_same_tree(&file, &scratch.path("taker.out"));
    let fetched = ended.done["fetched_bytes"].as_u64().unwrap();
    assert!(fetched <= 200_000_000 + 4 * 32 * 1024 * 1024, "{fetched}");
    wait_for("the providers to see the end", SOON, || {
        let idle = |node: &Node| node.status().transfers.is_empty();
        nodes.iter().all(idle).then_some(())
    });
}

/// Three fetch from one that cannot send much: they take most of it from each other, and have known
/// of each other from the beginning.
#[test]
fn those_that_fetch_from_one_become_sources_of_each_other_within_a_second() {
    let scratch = Scratch::new("members");
    let file = scratch.path("file.bin");
    write_file(&file, 64_000_000, 8);
    let (_giver, link) = providers(&scratch, 1, &file, "8MB/s");
    let takers: Vec<Node> = ["one", "two", "three"]
        .map(|name| scratch.node(name).start())
        .into();
    let watched: Vec<_> = (takers.iter().enumerate())
        .map(|(index, taker)| {
            let run = taker.run(["get", &link, "--timeout", "30", "--json", "-o"]);
            let watch = Watch::new(run.arg(scratch.path(&format!("{index}.out"))).spawn());
            std::thread::spawn(move || watch.done())
        })
        .collect();
    let ended: Vec<Ended> = (watched.into_iter())
        .map(|thread| thread.join().unwrap())
        .collect();
    for (index, one) in ended.iter().enumerate() {
        assert_same_tree(&file, &scratch.path(&format!("{index}.out")));
        for (other, taker) in takers
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
        {
            let both_fetch = one.seen[0].at.max(ended[other].seen[0].at);
            let knows = |step: &&Seen| step.source(taker.peer_id()).is_some();
            let known = one.seen.iter().find(knows).map(|step| step.at);
            let known = known.unwrap_or_else(|| panic!("{index} never knew of {other}"));
            let after = known.saturating_duration_since(both_fetch);
            let sources = one.done["sources"].as_array().unwrap();
            let source = sources
                .iter()
                .find(|source| source["peer"] == taker.peer_id());
            let bytes = source.map_or(0, |source| source["bytes"].as_u64().unwrap());
            eprintln!("{index} knew of {other} after {after:.2?} and took {bytes} bytes from it");
            // Progress is told every quarter of a second.
            assert!(after <= Duration::from_millis(1250), "only after {after:?}");
            assert!(bytes > 0, "{index} took nothing from {other}");
        }
    }
}
