import type { ConfigEntry, Status } from "../api/types";
import { bytes, rate } from "./format";

/** Settings of one section, in the node's order. */
export interface Group {
  name: string;
  title: string;
  about: string;
  entries: ConfigEntry[];
}

/** What people know the sections as; one that is not here is shown by its own name. */
const TITLES: Record<string, [string, string]> = {
  limits: ["Limits", "How much of your line, memory and disk this node may use."],
  net: ["Network", "Where it listens, and how it finds others."],
  share: ["Sharing", "Whom it serves, and how it computes addresses."],
  bittorrent: ["Torrents", "Fetching from and giving to BitTorrent clients."],
  gateway: ["Browser", "These pages, and where what they fetch is put."],
  store: ["Storage", "What is kept on disk."],
};

const ORDER = ["limits", "bittorrent", "gateway", "share", "store", "net"];

/** The settings by their prefix, those that people change first ahead of the rest. */
export function group(entries: ConfigEntry[]): Group[] {
  const groups = new Map<string, Group>();
  for (const entry of entries) {
    const name = entry.key.split(".")[0] ?? entry.key;
    const [title, about] = TITLES[name] ?? [name.charAt(0).toUpperCase() + name.slice(1), ""];
    const found = groups.get(name) ?? { name, title, about, entries: [] };
    found.entries.push(entry);
    groups.set(name, found);
  }
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...groups.values()].sort((a, b) => place(a.name) - place(b.name));
}

/** The name of a setting in words: `limits.max_connections` is `Max connections`. */
export function label(key: string): string {
  const known = LABELS[key];
  if (known) return known;
  const leaf = key.slice(key.indexOf(".") + 1).replaceAll("_", " ");
  return leaf.charAt(0).toUpperCase() + leaf.slice(1);
}

const LABELS: Record<string, string> = {
  "limits.up": "Upload rate",
  "limits.down": "Download rate",
  "limits.max_connections": "Connections",
  "limits.max_memory": "Memory",
  "limits.storage": "Storage",
  "bittorrent.enabled": "Torrents",
  "bittorrent.watch": "Watched folder",
  "bittorrent.watch_dest": "Where watched torrents go",
  "bittorrent.tcp": "TCP",
  "bittorrent.utp": "uTP",
  "bittorrent.dht": "DHT",
  "bittorrent.dht_nodes": "DHT nodes",
  "bittorrent.lsd": "Local network",
  "gateway.downloads": "Downloads folder",
  "net.lan": "Local network",
  "net.dht": "DHT",
  "net.peers": "Peers to connect to",
  "net.listen": "Listen on",
  "net.external": "External addresses",
  "net.private_key_file": "Private network key",
};

/** What a value is, as far as the entry shows: a switch, a choice, or text. */
export type Kind = { kind: "switch" } | { kind: "choice"; options: string[] } | { kind: "text" };

/** By the default, and by choices that the help names (`auto, server … or client`). */
export function kindOf(entry: ConfigEntry): Kind {
  const isBoolean = (text: string) => text === "true" || text === "false";
  if (isBoolean(entry.default) && isBoolean(entry.value)) return { kind: "switch" };
  const listed = /: ([a-z]+)(?: \([^)]*\))?((?:, [a-z]+(?: \([^)]*\))?)*) or ([a-z]+)(?: \([^)]*\))?$/.exec(
    entry.help,
  );
  if (listed) {
    const middle = (listed[2] ?? "").replace(/\([^)]*\)/g, "");
    const options = [listed[1] ?? "", ...middle.split(","), listed[3] ?? ""]
      .map((option) => option.trim())
      .filter((option) => option !== "");
    if (options.includes(entry.default) && options.includes(entry.value)) {
      return { kind: "choice", options };
    }
  }
  return { kind: "text" };
}

/** How much of a limit is used now; null for what is no limit. */
export function usage(key: string, status: Status): string | null {
  switch (key) {
    case "limits.up":
      return `now ${rate(status.rates.up)}`;
    case "limits.down":
      return `now ${rate(status.rates.down)}`;
    case "limits.max_connections":
      return `now ${status.peers.filter((peer) => peer.connected).length}`;
    case "limits.max_memory":
      return `now ${bytes(status.memory_bytes)}`;
    case "limits.storage":
      return `now ${bytes(status.stored_bytes)}`;
    default:
      return null;
  }
}
