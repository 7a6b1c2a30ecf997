//! Several nodes that give one file, and downloads from them.

use super::{Node, Scratch, Watch};
use std::path::Path;

/// Starts providers of one file, each of which sends at most `limit`, and gives one link with the
/// addresses of all.
pub fn providers(scratch: &Scratch, count: usize, file: &Path, limit: &str) -> (Vec<Node>, String) {
    let nodes: Vec<Node> = (0..count)
        .map(|index| {
            let node = scratch.node(&format!("giver{index}"));
            node.args(["--up-limit", limit]).start()
        })
        .collect();
    let links: Vec<String> = nodes.iter().map(|node| node.share(file)).collect();
    let mut link = links[0].clone();
    for other in &links[1..] {
        let (_, query) = other.split_once('?').unwrap();
        for hint in query.split('&').filter(|pair| pair.starts_with("addr=")) {
            link.push('&');
            link.push_str(hint);
        }
    }
    (nodes, link)
}

/// Fetches a link to `<data>.out` and watches it; no daemon runs on the data directory.
pub fn fetch<const N: usize>(scratch: &Scratch, data: &str, link: &str, args: [&str; N]) -> Watch {
    let run = scratch.run(data, ["get", link, "--timeout", "30", "--json"]);
    let out = scratch.path(&format!("{data}.out"));
    Watch::new(run.args(args).arg("-o").arg(out).spawn())
}
