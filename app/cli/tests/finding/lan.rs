//! On the same local network, without hints and without any acquaintance: mDNS. The network is made
//! of two network namespaces with a cable between them, so it touches no network of the machine.

use super::{fetch, folder};
use crate::support::{Node, Scratch, strip_hints};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Two namespaces with a cable between them.
struct Cable {
    ends: [String; 2],
}

impl Cable {
    /// `None`, said loudly, where namespaces cannot be made.
    fn lay() -> Option<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |end: char| format!("pl{end}{}n{number}", std::process::id());
        let cable = Self {
            ends: [name('a'), name('b')],
        };
        let made = cable.make();
        if let Err(why) = &made {
            eprintln!(
                "\n*** LEFT OUT: nothing is shown about mDNS, because no network namespace can be \
                 made here ({why}). It takes root and the 'ip' command of iproute2. ***\n"
            );
        }
        made.ok().map(|()| cable)
    }

    fn make(&self) -> Result<(), String> {
        let [a, b] = &self.ends;
        ip(&["netns", "add", a])?;
        ip(&["netns", "add", b])?;
        let cable = [
            "link", "add", "lan0", "netns", a, "type", "veth", "peer", "name", "lan0",
        ];
        ip(&[&cable[..], &["netns", b]].concat())?;
        for (end, address) in [(a, "10.77.0.1/24"), (b, "10.77.0.2/24")] {
            ip(&["-n", end, "addr", "add", address, "dev", "lan0"])?;
            ip(&["-n", end, "link", "set", "lo", "up"])?;
            ip(&["-n", end, "link", "set", "lan0", "up"])?;
        }
        Ok(())
    }

    /// A node at one end, with the addresses that a node has by default.
    fn node(&self, end: usize, scratch: &Scratch, name: &str, lan: bool) -> Node {
        let spec = scratch.node(name).listen(None);
        let spec = if lan { spec.with_lan() } else { spec };
        spec.under(&["ip", "netns", "exec", &self.ends[end]])
            .start()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for end in &self.ends {
            let _ = ip(&["netns", "del", end]);
        }
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", args.join(" "), said.trim()))
}

#[test]
fn neighbours_find_each_other_by_mdns() {
    let Some(cable) = Cable::lay() else { return };
    let scratch = Scratch::new("mdns");
    let folder = folder(&scratch);
    let giver = cable.node(0, &scratch, "giver", true);
    let link = giver.share(&folder);
    assert!(link.contains("addr=/ip4/10.77.0.1/"), "{link}");
    let link = strip_hints(&link);

    // Without mDNS it is not found, so that what follows shows something.
    let deaf = cable.node(1, &scratch, "deaf", false);
    let out = scratch.path("out");
    deaf.run(["get", &link, "--timeout", "4", "-o"])
        .arg(&out)
        .fails(3);
    assert!(!out.exists());
    assert_eq!(deaf.stop(), 0);

    let taker = cable.node(1, &scratch, "taker", true);
    fetch(&taker, &link, &folder, &out, &giver);
    let peers = taker.status().peers;
    let found = peers.iter().find(|peer| peer.id == giver.peer_id());
    let path = found
        .and_then(|peer| peer.path)
        .map(|path| path.to_string());
    assert_eq!(path.as_deref(), Some("lan"), "{peers:?}");
    assert!(
        found
            .unwrap()
            .address
            .as_ref()
            .unwrap()
            .contains("10.77.0.1"),
        "{peers:?}"
    );
}
