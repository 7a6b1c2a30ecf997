//! Replays the committed corpus through every target.

use std::path::PathBuf;

use potluck_fuzz_targets::{TARGETS, corpus_folder};

fn folder(target: &str) -> PathBuf {
    corpus_folder().join(target)
}

/// A finding that was fixed stays fixed.
#[test]
fn every_input_is_taken() {
    for target in &TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(folder(target.name)).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| (target.run)(&data));
            assert!(
                outcome.is_ok(),
                "{} fails on {}",
                target.name,
                path.display()
            );
            inputs += 1;
        }
        assert!(inputs > 0, "{} has no corpus", target.name);
    }
}

/// When a format changes, its examples have to be written again.
#[test]
fn seeds_are_up_to_date() {
    for target in &TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (name, bytes) in seeds {
            let path = folder(target.name).join(format!("seed-{name}"));
            let found = std::fs::read(&path).unwrap_or_default();
            let hint = "write them by: cargo run --package potluck-fuzz-targets";
            assert!(
                found == bytes,
                "{} is not the seed {name}; {hint}",
                path.display()
            );
        }
    }
}

/// Inputs that no one thought of: cut and altered seeds, so that a broken target shows without libFuzzer.
#[test]
fn altered_seeds_are_taken() {
    for target in &TARGETS {
        for (name, seed) in (target.seeds)() {
            for at in (0..seed.len()).step_by(1 + seed.len() / 200) {
                (target.run)(&seed[..at]);
                for flip in [1, 0x80, 0xff] {
                    let mut altered = seed.clone();
                    altered[at] ^= flip;
                    let outcome = std::panic::catch_unwind(|| (target.run)(&altered));
                    assert!(
                        outcome.is_ok(),
                        "{} fails on {name} with byte {at} ^ {flip}",
                        target.name
                    );
                }
            }
        }
    }
}
