//! Nobody has it: told in time, with what was done meanwhile.

use crate::support::{Finished, Scratch, strip_hints, write_file};
use std::time::{Duration, Instant};

/// Seconds to wait; and how much later than that the end may come on a busy machine.
const TIMEOUT: f64 = 2.0;
const GRACE: f64 = 3.0;

struct Waited {
    finished: Finished,
    seconds: f64,
    reasons: Vec<String>,
}

/// A link to something that was shared and is gone with its owner, and the address of that owner.
fn orphan(scratch: &Scratch) -> (String, String) {
    let file = scratch.path("orphan.bin");
    write_file(&file, 100_000, 9);
    let owner = scratch.node("owner").start();
    let link = owner.share(&file);
    let address = owner.address().to_owned();
    owner.kill();
    (link, address)
}

fn wait_in_vain(run: crate::support::Run) -> Waited {
    let started = Instant::now();
    let finished = run
        .args(["--timeout", &TIMEOUT.to_string()])
        .json()
        .deadline(Duration::from_secs(30))
        .fails(3);
    let reasons = (finished.events().iter())
        .filter(|event| event["event"] == "waiting")
        .map(|event| {
            assert_eq!(event["phase"], "finding", "{finished}");
            event["reason"].as_str().unwrap().to_owned()
        })
        .collect();
    Waited {
        seconds: started.elapsed().as_secs_f64(),
        finished,
        reasons,
    }
}

impl Waited {
    /// Checks everything but the words of the reasons.
    fn check(&self) {
        let error = self.finished.last("error");
        assert_eq!(error["code"], 3, "{}", self.finished);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("no provider of bafk"), "{message}");
        assert!(message.contains("2 s"), "{message}");
        assert!(!error["hint"].as_str().unwrap().is_empty());
        assert!(
            (TIMEOUT..TIMEOUT + GRACE).contains(&self.seconds),
            "took {} s: {}",
            self.seconds,
            self.finished
        );
        // Said at once and then about every second.
        assert!(self.reasons.len() >= 2, "{}", self.finished);
        for reason in &self.reasons {
            let told = ["dialing", "asking", "none of", "no peer is connected"];
            assert!(told.iter().any(|word| reason.contains(word)), "{reason}");
        }
    }

    fn said(&self, words: &str) {
        let said = self.reasons.iter().any(|reason| reason.contains(words));
        assert!(said, "'{words}' was not said: {:?}", self.reasons);
    }
}

#[test]
fn with_nobody_connected() {
    let scratch = Scratch::new("nobody");
    let (link, _) = orphan(&scratch);
    let taker = scratch.node("taker").start();
    let out = scratch.path("out");
    let waited = wait_in_vain(taker.run(["get", &strip_hints(&link), "-o"]).arg(&out));
    waited.check();
    waited.said("no peer is connected yet");
    assert!(!out.exists());
    // A node inside the command says the same.
    let waited = wait_in_vain(
        scratch
            .run("alone", ["get", &strip_hints(&link), "-o"])
            .arg(&out),
    );
    waited.check();
    waited.said("no peer is connected yet");
    assert!(!out.exists());
}

#[test]
fn with_peers_that_do_not_have_it() {
    let scratch = Scratch::new("not-them");
    let (link, _) = orphan(&scratch);
    let one = scratch.node("one").start();
    let two = scratch.node("two").peer(one.address()).start();
    let taker = scratch.node("taker").start();
    for other in [&one, &two] {
        taker.run(["connect", other.address()]).ok();
    }
    let run = taker.run(["get", &strip_hints(&link), "-o"]);
    let waited = wait_in_vain(run.arg(scratch.path("out")));
    waited.check();
    waited.said("none of 2 connected peers has it");
}

#[test]
fn with_a_hint_that_does_not_answer() {
    let scratch = Scratch::new("dead-hint");
    let (link, address) = orphan(&scratch);
    assert!(link.contains("addr="));
    let taker = scratch.node("taker").start();
    let waited = wait_in_vain(taker.run(["get", &link, "-o"]).arg(scratch.path("out")));
    waited.check();
    // Where a connection is taken and nothing is said, an answer is awaited: that is told too.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().port();
    let peer = &address[address.find("/p2p/").unwrap()..];
    let link = link.replace(&address, &format!("/ip4/127.0.0.1/tcp/{silent}{peer}"));
    let waited = wait_in_vain(taker.run(["get", &link, "-o"]).arg(scratch.path("out")));
    waited.check();
    waited.said("dialing 1 peer");
}

#[test]
fn people_are_told_while_they_wait_and_at_the_end() {
    let scratch = Scratch::new("told");
    let (link, _) = orphan(&scratch);
    let taker = scratch.node("taker").start();
    let run = taker.run(["get", &strip_hints(&link), "--timeout", "2", "-o"]);
    let finished = run.arg(scratch.path("out")).fails(3);
    assert_eq!(finished.stdout, "", "{finished}");
    for words in ["looking for providers", "error: no provider of ", "hint: "] {
        assert!(finished.stderr.contains(words), "'{words}': {finished}");
    }
}
