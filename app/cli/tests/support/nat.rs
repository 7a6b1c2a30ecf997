//! Two homes behind routers that translate addresses, and the internet between them.

use super::Namespace;

/// What a common router at home does: machines behind it have its address, and nothing comes in that nobody
/// asked for. The port stays the same where it is free.
const RULES: &str = "table ip home {
  chain out { type nat hook postrouting priority 100; oifname wan0 masquerade; }
  chain own { type filter hook input priority 0; iifname wan0 drop; }
  chain through {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname lan0 accept
  }
}";

/// See the module. The kernel translates (`nft`).
pub struct Homes {
    /// A machine at each home.
    pub machines: [Namespace; 2],
    routers: [Namespace; 2],
    /// A machine on the internet, at [`Homes::CENTRE`].
    pub internet: Namespace,
}

impl Homes {
    /// Where the machine on the internet is, as each home sees it.
    pub const CENTRE: [&str; 2] = ["203.0.113.1", "203.0.113.5"];
    /// What address each home has outside.
    pub const OUTSIDE: [&str; 2] = ["203.0.113.2", "203.0.113.6"];

    /// `None` where that can't be built, which is said loudly.
    pub fn new(what: &str) -> Option<Self> {
        let homes = Self {
            machines: [Namespace::new(what)?, Namespace::new(what)?],
            routers: [Namespace::new(what)?, Namespace::new(what)?],
            internet: Namespace::new(what)?,
        };
        if let Err(why) = homes.build() {
            eprintln!(
                "\n*** LEFT OUT: nothing is shown about {what}, because no router can be made here ({why}). It \
                 takes 'nft' of nftables and a kernel with it. ***\n"
            );
            return None;
        }
        Some(homes)
    }

    fn build(&self) -> Result<(), String> {
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        self.internet.shell(forward)?;
        for (index, router) in self.routers.iter().enumerate() {
            let machine = &self.machines[index];
            let (lan, host) = (format!("10.{index}.0.1"), format!("10.{index}.0.2"));
            let (inside, end) = (format!("{lan}/24"), format!("{host}/24"));
            router.cable_between(("lan0", &inside), machine, ("lan0", &end))?;
            machine.default_route(&lan)?;
            let outside = format!("{}/30", Self::OUTSIDE[index]);
            let centre = format!("{}/30", Self::CENTRE[index]);
            let port = format!("home{index}");
            router.cable_between(("wan0", &outside), &self.internet, (&port, &centre))?;
            router.default_route(Self::CENTRE[index])?;
            router.shell(forward)?;
            router.shell(&format!("echo '{RULES}' | nft -f -"))?;
        }
        Ok(())
    }
}
