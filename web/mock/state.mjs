// A node that is made up: what it holds, who is there, what moves. For development and for pictures
// of the pages only.

export const GIVEN = { port: Number(process.env.PORT ?? 4780) };

const seeded = (seed) => () => {
  seed = (seed * 1664525 + 1013904223) % 4294967296;
  return seed / 4294967296;
};
const random = seeded(7);

function id(prefix, length, alphabet) {
  let text = prefix;
  while (text.length < length) text += alphabet[Math.floor(random() * alphabet.length)];
  return text;
}
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
export const peerId = () => id("12D3KooW", 52, BASE58);
export const cid = () => id("bafkr4i", 59, BASE32);

export const me = peerId();
const now = () => Math.floor(Date.now() / 1000);
export const linkOf = (it) =>
  `potluck:${it.cid}?name=${encodeURIComponent(it.name)}&peer=${me}&addr=%2Fip4%2F192.0.2.7%2Ftcp%2F4771`;

function peer(part) {
  return {
    id: peerId(),
    address: null,
    path: "direct",
    connected: true,
    lanes: 0,
    rates: { down: 0, up: 0, down_bytes: 0, up_bytes: 0 },
    rtt_ms: 5 + random() * 90,
    agent: "potluck/0.4.0",
    banned: false,
    reason: null,
    ...part,
  };
}

export const peers = [
  peer({ lanes: 4, rates: { down: 5.2e6, up: 1.1e5, down_bytes: 9e8, up_bytes: 3e7 } }),
  peer({ path: "lan", lanes: 2, rtt_ms: 0.8, rates: { down: 1.9e7, up: 0, down_bytes: 4e9, up_bytes: 0 } }),
  peer({ agent: "qBittorrent/5.1.0", rates: { down: 7.3e5, up: 4.1e5, down_bytes: 8e7, up_bytes: 6e7 } }),
  peer({ path: "relayed", rtt_ms: 210, rates: { down: 0, up: 2.4e4, down_bytes: 0, up_bytes: 2e6 } }),
  peer({ agent: "kubo/0.40.1" }),
  peer({ lanes: 1, rates: { down: 0, up: 3.2e6, down_bytes: 0, up_bytes: 4e8 } }),
  peer({ agent: "libtorrent/2.0.11", rates: { down: 6e4, up: 0, down_bytes: 1e6, up_bytes: 0 } }),
  peer({ connected: false, path: null, rtt_ms: null }),
  peer({
    connected: false,
    path: null,
    rtt_ms: null,
    banned: true,
    reason: "sent 3 pieces that do not match their address",
  }),
];

/** What can be looked at: `file` is a path on this disk, `have` how much of it is here, 0 to 1. */
export const contents = new Map();
export const roots = [];

export function addContent(it) {
  const whole = { cid: cid(), kind: "file", media_type: null, files: [], have: 1, magnet: null, ...it };
  if (whole.kind === "file") {
    whole.files = [{ path: whole.name, bytes: whole.bytes, media_type: whole.media_type }];
  }
  contents.set(whole.cid, whole);
  return whole;
}

export function addRoot(it, part = {}) {
  roots.unshift({
    cid: it.cid,
    link: linkOf(it),
    name: it.name,
    bytes: it.bytes,
    available_bytes: Math.floor(it.bytes * it.have),
    files: it.files.length,
    pinned: false,
    origin: { kind: "shared", paths: [`/home/ada/${it.name}`] },
    created: now(),
    problems: [],
    ...part,
  });
}

export const activity = [];
export function tell(level, text, part = {}) {
  const entry = { at: now(), level, text, cid: null, peer: null, ...part };
  activity.push(entry);
  if (activity.length > 500) activity.shift();
  return entry;
}

const setting = (key, value, standard, help, live = false) => ({
  key,
  value,
  default: standard,
  help,
  live,
});

export const config = [
  setting("net.listen", "/ip4/0.0.0.0/tcp/4771", "/ip4/0.0.0.0/tcp/4771", "Addresses to listen on; without it port 4771, or a free one when that is taken"),
  setting("net.peers", "", "", "Peers to connect to at the start; addresses that end in /p2p/<peer id>"),
  setting("net.lan", "true", "true", "Find peers on the local network, and ask the router for ports, those of BitTorrent too"),
  setting("net.dht", "auto", "auto", "Part in the distributed hash table: auto, server (always answer) or client (only ask)"),
  setting("limits.up", "4MB/s", "off", "Bytes a second sent, such as 20MB/s; off for no limit", true),
  setting("limits.down", "off", "off", "Bytes a second received, such as 20MB/s; off for no limit", true),
  setting("limits.schedule", "mon-fri 08:00-18:00 up 8MB/s down 60MB/s, daily 22:30-06:00 up off, sat sun 19:00-21:00 pause", "", "Rates at some times, such as 'mon-fri 08:00-18:00 up 500kB/s down 2MB/s' or 'daily 23:00-07:00 pause'", true),
  setting("limits.max_connections", "200", "200", "Connections at once"),
  setting("limits.max_memory", "1GiB", "1GiB", "Resident memory above which new connections are refused, such as 1GiB"),
  setting("limits.storage", "off", "off", "Bytes the node may own in its data directory, such as 100GB; off for no limit", true),
  setting("share.threads", "0", "0", "Threads that compute addresses; 0 for one on each core", true),
  setting("share.contacts", "", "", "Peer ids of people you know: they are served before all others", true),
  setting("bittorrent.enabled", "true", "true", "Fetch and serve torrents"),
  setting("bittorrent.encryption", "prefer", "prefer", "Encrypted connections to BitTorrent peers: prefer, require or off"),
  setting("bittorrent.watch", "/home/ada/Torrents", "", "Folder whose torrent files are fetched as they appear; empty for none", true),
  setting("gateway.port", "0", "0", "Port of the pages and the API; 0 for any"),
  setting("gateway.downloads", "", "", "Folder where downloads of the pages are put; empty for 'downloads' in the data directory", true),
];
export const report = { path: "/home/ada/.config/potluck/config.toml", entries: config, restart_needed: false };

export const downloads = [];
const PATHS = ["direct", "lan", "relayed"];
let made = 0;

export function begin(link) {
  const found = [...contents.values()].find((it) => link.includes(it.cid));
  const download = {
    id: String((made += 1)),
    link,
    cid: found?.cid ?? null,
    name: found?.name ?? null,
    state: "running",
    last: {
      event: "waiting",
      phase: "finding",
      reason: "looking for somebody who has it",
      asked: 14,
      connected: 0,
      seconds: 0,
    },
    error: null,
    started: now(),
  };
  downloads.push(download);
  return download;
}

/** One step of everything that moves. */
export function step(seconds) {
  for (const it of peers) {
    if (!it.connected) continue;
    for (const way of ["down", "up"]) {
      if (it.rates[way] > 0) it.rates[way] = Math.round(it.rates[way] * (0.9 + Math.random() * 0.2));
      it.rates[`${way}_bytes`] += it.rates[way] * seconds;
    }
  }
  let changed = false;
  for (const it of downloads) changed = move(it, seconds) || changed;
  return changed;
}

function move(download, seconds) {
  if (download.state !== "running") return false;
  const content = contents.get(download.cid);
  if (!content) {
    download.last.seconds += seconds;
    return true;
  }
  const speed = content.bytes / 110;
  content.have = Math.min(1, content.have + (speed * seconds) / content.bytes);
  const done = Math.floor(content.have * content.bytes);
  if (content.have >= 1) {
    const path = `/home/ada/Potluck/${content.name}`;
    const took = now() - download.started;
    download.state = "done";
    download.last = {
      event: "done", path, cid: content.cid, bytes: content.bytes, files: content.files.length,
      fetched_bytes: content.bytes, wasted_bytes: 0, seconds: took, serving: true,
      sources: peers.slice(0, 2).map((it) => ({ peer: it.id, kind: "native", bytes: content.bytes / 2 })),
    };
    addRoot(content, { origin: { kind: "fetched", path } });
    return true;
  }
  const sources = peers.slice(0, 4).map((it, at) => ({
    peer: it.id,
    kind: at === 2 ? "bittorrent" : "native",
    path: PATHS[at % 3],
    rate: at === 3 ? 0 : Math.round(speed * [0.55, 0.3, 0.15][at] * (0.9 + Math.random() * 0.2)),
    bytes: Math.round((done * [0.55, 0.3, 0.15, 0][at])),
    state: at === 3 ? "stalled" : "active",
  }));
  download.last = {
    event: "progress", phase: "fetching", done_bytes: done, total_bytes: content.bytes, rate: speed,
    eta: (content.bytes - done) / speed, sources, source_count: sources.length,
  };
  return true;
}

/** Whether there are rules; on the table's clock it is always Tuesday afternoon. */
const scheduled = () => config.find((it) => it.key === "limits.schedule").value !== "";

const began = Date.now();
export function status() {
  const sum = (key) => peers.reduce((all, it) => all + it.rates[key], 0);
  return {
    peer_id: me,
    addresses: [`/ip4/192.0.2.7/tcp/4771/p2p/${me}`, `/ip6/2001:db8::7/udp/4771/quic-v1/p2p/${me}`],
    reachability: "public",
    peers,
    transfers: peers.slice(5, 6).flatMap((it) =>
      roots.slice(0, 1).map((root) => ({
        direction: "up", cid: root.cid, name: root.name, done_bytes: it.rates.up_bytes,
        total_bytes: root.bytes, rate: it.rates.up, peers: [it.id], phase: null, path: null,
      })),
    ),
    tracker_troubles: [],
    limits: {
      ...(scheduled() ? { up: 8e6, down: 6e7 } : { up: 4e6, down: null }),
      max_connections: 200, max_memory_bytes: 2 ** 30, storage_bytes: null,
      schedule: scheduled() ? { rules: [0], until: null, until_clock: "18:00", clock: "Tue 15:20" } : null,
    },
    rates: { down: sum("down"), up: sum("up"), down_bytes: sum("down_bytes"), up_bytes: sum("up_bytes") },
    roots: roots.length,
    provided_bytes: roots.reduce((all, it) => all + it.available_bytes, 0),
    stored_bytes: 2.4e9,
    uptime: (Date.now() - began) / 1000,
    memory_bytes: 9.1e7,
    data: "/home/ada/.local/share/potluck",
    version: "0.5.0",
    problems: roots.flatMap((root) => root.problems),
    private_network: null,
    torrents: { stopped: [], waiting: [], watch: null, blocklist: null },
  };
}
