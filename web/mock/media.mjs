// Files to look at, made on the spot: a film (with ffmpeg, where it is installed), a picture, words.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addContent, addRoot, begin, tell } from "./state.mjs";

const folder = join(import.meta.dirname, "..", ".e2e", "mock");

/** A film of some seconds that is large enough to be fetched for a while. */
export function film(path, seconds = 60) {
  if (existsSync(path)) return path;
  execFileSync("ffmpeg", [
    "-loglevel", "error", "-f", "lavfi", "-i", `gradients=size=640x360:rate=24:duration=${seconds}:n=4:c0=0xf3d7ad:c1=0xc2512f:c2=0x5d8f5c:c3=0x3a2417:speed=0.012:seed=4`,
    "-f", "lavfi", "-i", `sine=frequency=330:duration=${seconds}`,
    "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "1500k", "-g", "48", "-pix_fmt", "yuv420p",
    "-c:a", "aac", "-movflags", "+faststart", "-y", path,
  ]);
  return path;
}

const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 560">
<rect width="900" height="560" fill="#f0dcc0"/><circle cx="450" cy="280" r="230" fill="#fff9ee"/>
<circle cx="450" cy="280" r="170" fill="none" stroke="#e3cfae" stroke-width="4"/>
<circle cx="400" cy="250" r="60" fill="#c8553d"/><circle cx="500" cy="240" r="44" fill="#7d9d5b"/>
<circle cx="470" cy="340" r="52" fill="#e0a63a"/></svg>`;

const words = `# Bean stew for twelve

Soak a kilo of white beans the evening before.
Fry onions, carrots and celery slowly, in more oil than seems right.
Beans, bay leaves, a spoon of paprika, water three fingers above.
Two hours on the smallest flame. Salt only at the end.

Everybody brings bread.
`;

export function lay() {
  mkdirSync(folder, { recursive: true });
  const put = (name, text) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return { name, file: path, bytes: statSync(path).size };
  };
  const recipe = put("Bean stew.md", words);
  const table = put("The table.svg", picture);
  addRoot(addContent({ ...recipe, media_type: "text/markdown" }), { created: 1790000000 });
  addRoot(addContent({ ...table, media_type: "image/svg+xml" }), { pinned: true });
  const files = [
    { path: "read me.txt", ...recipe, media_type: "text/plain" },
    { path: "2026/summer/lake.svg", ...table, media_type: "image/svg+xml" },
    { path: "2026/summer/table.svg", ...table, media_type: "image/svg+xml" },
    { path: "2026/notes.json", ...put("notes.json", '{"guests": 12}\n'), media_type: "application/json" },
  ];
  addRoot(
    addContent({
      kind: "folder",
      name: "Holiday pictures",
      files: files.map(({ path, bytes, media_type, file }) => ({ path, bytes, media_type, file })),
      bytes: files.reduce((sum, it) => sum + it.bytes, 0),
      magnet: "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=Holiday+pictures",
    }),
  );
  const gone = addContent({ name: "budget.ods", bytes: 48213, have: 0.5, media_type: "application/vnd.oasis.opendocument.spreadsheet" });
  addRoot(gone, {
    problems: [{ path: "/home/ada/budget.ods", what: "changed", hint: "share it again to give away the new one" }],
  });
  const shown = [recipe, table].length;
  if (hasFfmpeg()) {
    const path = film(join(folder, "Potluck at the lake.mp4"));
    const bytes = statSync(path).size;
    const whole = addContent({ name: "Potluck at the lake.mp4", file: path, bytes, media_type: "video/mp4" });
    addRoot(whole);
    const part = addContent({ name: "A long evening.mp4", file: path, bytes: 476_300_000, media_type: "video/mp4", have: 0.31 });
    begin(`potluck:${part.cid}`);
  }
  begin("magnet:?xt=urn:btih:89abcdef0123456789abcdef0123456789abcdef&dn=Songs+of+the+harvest");
  const failed = begin("https://example.org/bread.torrent");
  failed.state = "failed";
  failed.error = { code: 3, message: "https://example.org/bread.torrent answered 404", hint: "check the address" };
  tell("info", "the node is up, with 4 peers that it knew");
  tell("info", `shared ${shown} files`);
  tell("warning", "the router gives no port; others reach this node only through a relay");
  tell("error", "https://example.org/bread.torrent answered 404");
  tell("info", "others can reach this node");
}

function hasFfmpeg() {
  try {
    execFileSync("ffmpeg", ["-version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
