//! Writes the real examples of every target into `fuzz/corpus`, for fuzzing to begin from.

use potluck_fuzz_targets::{TARGETS, corpus_folder};

fn main() -> std::io::Result<()> {
    let corpus = corpus_folder();
    for target in &TARGETS {
        let folder = corpus.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            std::fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}
