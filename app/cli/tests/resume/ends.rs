//! The fetching process is killed around the end of a download, when files get their final names.

use crate::Dice;
use crate::support::{Scratch, assert_same_tree, compare_trees, write_file, write_tree};
use std::path::Path;
use std::time::{Duration, Instant};

/// Kills of each kind of content.
const KILLS: u32 = 20;

/// Fetches again and again, kills each run a moment after the content was found, and checks that
/// the final name is free or has all of the content.
fn kill_near_the_end(scratch: &Scratch, content: &Path, longest: Duration, dice: &mut Dice) {
    let giver = scratch.node("giver").start();
    let link = giver.share(content);
    let (mut free, mut whole) = (0, 0);
    for number in 0..KILLS {
        let taker = format!("taker{number}");
        let out = scratch.path(&format!("out{number}"));
        let get = ["get", &link, "--timeout", "30", "--json", "-o"];
        let mut run = scratch.run(&taker, get).arg(&out).spawn();
        run.event("found");
        let run = run.kill_at(Instant::now() + dice.below(longest));
        let stood = out.exists();
        if stood {
            whole += 1;
            if let Err(difference) = compare_trees(content, &out) {
                panic!("half-written under the final name: {difference}\n{run}");
            }
        } else {
            free += 1;
        }
        let again = scratch.run(&taker, get).arg(&out).ok();
        assert_same_tree(content, &out);
        let done = again.last("done");
        // What stood under its final name is known, even if its record was not written any more.
        assert!(!stood || done["fetched_bytes"] == 0, "{run}\n{again}");
        assert!(stood || !run.stdout.contains("\"done\""), "{run}");
        let verified = scratch.run(&taker, ["verify", "--json"]).ok();
        assert_eq!(verified.last("verified")["roots"], 1, "{verified}");
    }
    eprintln!("killed {free} times before the final name was there, {whole} times after");
}

#[test]
fn a_file_gets_its_final_name_whole_or_not_at_all() {
    let scratch = Scratch::new("ends-file");
    let file = scratch.path("file.bin");
    write_file(&file, 8 << 20, 1);
    let mut dice = Dice::new("a_file_gets_its_final_name");
    kill_near_the_end(&scratch, &file, Duration::from_millis(250), &mut dice);
}

#[test]
fn a_folder_gets_its_final_name_whole_or_not_at_all() {
    let scratch = Scratch::new("ends-folder");
    let folder = scratch.path("folder");
    let names: Vec<String> = (0..200).map(|n| format!("d{}/file{n}", n % 7)).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 20_011)).collect();
    write_tree(&folder, &entries, 2);
    write_tree(&folder, &[("empty/", 0), ("run*", 70_000), ("zero", 0)], 3);
    std::os::unix::fs::symlink("run", folder.join("link")).unwrap();
    let mut dice = Dice::new("a_folder_gets_its_final_name");
    kill_near_the_end(&scratch, &folder, Duration::from_millis(350), &mut dice);
}
