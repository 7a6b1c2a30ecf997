import { describe, expect, it } from "vitest";
import type { ConfigEntry, Download, PeerStatus } from "../src/api/types";
import { view } from "../src/lib/download";
import { exactly } from "../src/lib/glob";
import { fileUrl, namedUrl, previewOf, saveUrl, wholeUrl } from "../src/lib/media";
import { toPath } from "../src/lib/qr";
import { group, kindOf, label } from "../src/lib/settings";
import { lineWidth, MOST_SEATS, program, seat } from "../src/lib/topology";
import { levelOf } from "../src/lib/tree";

describe("media", () => {
  it("is shown by its type", () => {
    expect(previewOf("image/png")).toBe("picture");
    expect(previewOf("video/mp4; codecs=avc1")).toBe("video");
    expect(previewOf("text/html")).toBe("page");
    expect(previewOf("text/x-rust")).toBe("text");
    expect(previewOf("application/json")).toBe("text");
    expect(previewOf("image/tiff")).toBe("none");
    expect(previewOf(null)).toBe("none");
  });

  it("has addresses in which nothing is left unescaped", () => {
    expect(fileUrl("http://c/c/x/", "a b/ä#?.txt")).toBe("http://c/c/x/a%20b/%C3%A4%23%3F.txt");
    expect(fileUrl("http://c/c/x", "a")).toBe("http://c/c/x/a");
    expect(namedUrl("http://c/c/x/", "potluck:x?name=a b")).toBe("http://c/c/potluck%3Ax%3Fname%3Da%20b");
    expect(saveUrl(wholeUrl("http://c/c/x/"))).toBe("http://c/c/x?download");
  });
});

describe("settings", () => {
  const entry = (key: string, value: string, standard: string, help = ""): ConfigEntry => ({
    key,
    value,
    default: standard,
    help,
    live: true,
  });

  it("are grouped, limits first, unknown sections last", () => {
    const groups = group([entry("net.lan", "", ""), entry("zoo.cage", "", ""), entry("limits.up", "", "")]);
    expect(groups.map((it) => it.title)).toEqual(["Limits", "Network", "Zoo"]);
    expect(label("limits.up")).toBe("Upload rate");
    expect(label("share.some_thing")).toBe("Some thing");
  });

  it("are switches, choices or text", () => {
    expect(kindOf(entry("a.b", "false", "true"))).toEqual({ kind: "switch" });
    const choices = [
      ["auto", "Part in the table: auto, server (always answer) or client (only ask)", ["auto", "server", "client"]],
      ["prefer", "Encrypted connections to BitTorrent peers: prefer, require or off", ["prefer", "require", "off"]],
      ["auto", "Show pieces one by one, so that others spread them: auto (while no other seed is known), on or off", ["auto", "on", "off"]],
    ] as const;
    for (const [value, help, options] of choices) {
      expect(kindOf(entry("a.b", value, value, help))).toEqual({ kind: "choice", options });
    }
    expect(kindOf(entry("a.b", "off", "off", "Bytes a second, such as 20MB/s; off for no limit"))).toEqual({ kind: "text" });
    expect(kindOf(entry("a.b", "other", "on", "Such: on, off or auto"))).toEqual({ kind: "text" });
  });
});

describe("the table of peers", () => {
  const peer = (id: string, part: Partial<PeerStatus> = {}): PeerStatus => ({
    id,
    address: null,
    path: "direct",
    connected: true,
    lanes: 0,
    rates: { down: 0, up: 0, down_bytes: 0, up_bytes: 0 },
    rtt_ms: null,
    agent: null,
    banned: false,
    reason: null,
    ...part,
  });

  it("keeps everybody's seat whatever the order they are told in", () => {
    const peers = ["c", "a", "b"].map((id) => peer(id));
    const places = (list: PeerStatus[]) => seat(list, 100, 80).map((it) => [it.peer.id, it.x, it.y]);
    expect(places(peers)).toEqual(places([...peers].reverse()));
    expect(seat([], 100, 80)).toEqual([]);
  });

  it("has room for some, and those who are connected come first", () => {
    const many = Array.from({ length: 60 }, (_, at) => peer(`p${at}`, { connected: at >= 30 }));
    const seats = seat(many, 100, 80);
    expect(seats.length).toBe(MOST_SEATS);
    expect(seats.filter((it) => it.peer.connected).length).toBe(30);
    expect(seats.every((it) => Math.hypot(it.x - 100, it.y - 100) <= 80.001)).toBe(true);
  });

  it("draws more for more", () => {
    expect(lineWidth(0)).toBe(1.5);
    expect(lineWidth(1e5)).toBeLessThan(lineWidth(1e6));
    expect(lineWidth(1e12)).toBe(9);
  });

  it("knows programs", () => {
    expect(program("potluck/0.4.0")).toBe("potluck");
    expect(program("qBittorrent/5.1.0")).toBe("torrent");
    expect(program("kubo/0.40.1")).toBe("ipfs");
    expect(program(null)).toBe("other");
  });
});

describe("folders", () => {
  it("give patterns that match one path", () => {
    expect(exactly("a [1]/what?*{x}.txt")).toBe("a [[]1[]]/what[?][*][{]x[}].txt");
  });

  const file = (path: string, bytes = 1) => ({ path, bytes, media_type: "text/plain" });
  it("show one level, in the order people count", () => {
    const files = [file("10.txt"), file("9.txt"), file("b/x", 5), file("b/c/y", 7), file("bb/z")];
    const top = levelOf(files, []);
    expect(top.files.map((it) => it.name)).toEqual(["9.txt", "10.txt"]);
    expect(top.folders).toEqual([
      { name: "b", files: 2, bytes: 12 },
      { name: "bb", files: 1, bytes: 1 },
    ]);
    expect(levelOf(files, ["b"]).folders.map((it) => it.name)).toEqual(["c"]);
  });
});

describe("a download", () => {
  const base: Download = {
    id: "1",
    link: "magnet:?xt=urn:btih:0&dn=Songs+of+it",
    cid: null,
    name: null,
    state: "running",
    last: null,
    error: null,
    started: 0,
  };
  it("has a name from its link until a better one is known", () => {
    expect(view(base).title).toBe("Songs of it");
    expect(view({ ...base, name: "Songs" }).title).toBe("Songs");
  });

  it("keeps how far it was when it waits", () => {
    const before = view({
      ...base,
      last: { event: "progress", phase: "fetching", done_bytes: 5, total_bytes: 10, rate: 1, eta: 5, sources: [], source_count: 1 },
    });
    const waiting = view(
      { ...base, last: { event: "waiting", phase: "finding", reason: "nobody has it", asked: 3, connected: 0, seconds: 75 } },
      before,
    );
    expect(waiting).toMatchObject({ done: 5, total: 10, rate: 0, waits: true });
    expect(waiting.words).toBe("nobody has it; asked 3 peers, for 1 min 15 s");
  });
});

describe("QR codes", () => {
  it("are runs of dark squares", () => {
    expect(toPath([[true, true, false, true], [false, false, false, false]])).toBe("M0 0h2v1H0zM3 0h1v1H3z");
  });
});
