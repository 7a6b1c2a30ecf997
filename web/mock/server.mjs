// A made-up node for development: the API of docs/spec/http.md as far as the pages use it, with the
// same origins and policies. It shows dist/ too. Not part of what is built.

import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { lay } from "./media.mjs";
import * as node from "./state.mjs";

const port = node.GIVEN.port;
const pages = `http://localhost:${port}`;
const content = `http://content.localhost:${port}`;
const dist = join(import.meta.dirname, "..", "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const POLICY =
  `default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: ${content}; ` +
  `media-src 'self' blob: ${content}; frame-src ${content}; object-src 'none'; ` +
  `connect-src 'self' ${content}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

const listeners = new Set();
const send = (name, data) => {
  for (const to of listeners) to.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
};
const tell = (...given) => send("activity", node.tell(...given));
const list = () => ({ downloads: node.downloads });

const json = (response, value, status = 200) => {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
};
const fail = (response, status, message, hint = "") => json(response, { code: 1, message, hint }, status);

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}
const given = async (request) => JSON.parse((await body(request)).toString());

const uploads = new Map();
let begun = 0;

function about(it) {
  const here = Math.floor(it.bytes * it.have);
  return {
    cid: it.cid,
    name: it.name,
    kind: it.kind,
    bytes: it.bytes,
    media_type: it.media_type,
    files: it.files.map(({ path, bytes, media_type }) => ({ path, bytes, media_type })),
    file_count: it.files.length,
    have_bytes: here,
    complete: it.have >= 1,
    link: node.linkOf(it),
    magnet: it.magnet,
    content_url: `${content}/c/${it.cid}${it.kind === "folder" ? "/" : ""}`,
  };
}

function pieces(it) {
  const count = Math.max(1, Math.ceil(it.bytes / 1048576));
  const have = Math.round(count * it.have);
  const runs = [];
  // Three runs that grow, as if three sources delivered.
  for (let run = 0; run < 3; run += 1) {
    const from = Math.floor((count * run) / 3);
    const room = Math.floor((count * (run + 1)) / 3) - from;
    const held = Math.min(room, Math.round(have / 3));
    if (held > 0) runs.push([from, from + held]);
  }
  return { pieces: count, have: it.have >= 1 ? [[0, count]] : runs };
}

async function api(request, response, path, url) {
  const [, first, second, third, ...rest] = path.split("/").map(decodeURIComponent);
  const route = `${request.method} ${first}${second ? "/…" : ""}`;
  switch (route) {
    case "GET status":
      return json(response, node.status());
    case "GET roots":
      return json(response, { roots: node.roots, partials: [] });
    case "GET activity":
      return json(response, { entries: node.activity });
    case "GET config":
      return json(response, node.report);
    case "POST config":
      return setConfig(response, await given(request));
    case "GET downloads":
      return json(response, list());
    case "POST downloads": {
      const { link } = await given(request);
      if (link.length < 20) {
        return fail(response, 400, `'${link}' is no link`, "paste a potluck: or magnet: link, or a CID");
      }
      json(response, node.begin(link), 202);
      return send("downloads", list());
    }
    case "DELETE downloads/…": {
      const at = node.downloads.findIndex((it) => it.id === second);
      if (at < 0) return fail(response, 404, "no such download");
      if (node.downloads[at].state === "running") node.downloads[at].state = "stopped";
      else node.downloads.splice(at, 1);
      response.writeHead(204).end();
      return send("downloads", list());
    }
    case "POST roots/…": {
      const { target, pinned } = await given(request);
      const at = node.roots.findIndex((it) => it.cid === target);
      if (at < 0) return fail(response, 404, "nothing by that address");
      if (second === "pin") {
        node.roots[at].pinned = pinned;
        return json(response, node.roots[at]);
      }
      const [gone] = node.roots.splice(at, 1);
      return json(response, { cid: gone.cid, name: gone.name, freed_bytes: 0 });
    }
    case "GET content/…": {
      const found = node.contents.get(second);
      if (!found) return fail(response, 404, "nobody who has it was found", "ask whoever gave you the link to start their node");
      if (third === "video") {
        return json(response, { way: "direct", media_type: null, seconds: 60, what: "H.264 and AAC in MP4", reason: null });
      }
      return json(response, third === "pieces" ? pieces(found) : about(found));
    }
    case "POST uploads": {
      const id = String((begun += 1));
      uploads.set(id, { name: (await given(request)).name, files: [] });
      return json(response, { id });
    }
    case "PUT uploads/…": {
      const bytes = await body(request);
      uploads.get(second)?.files.push({ path: rest.join("/"), data: bytes });
      return response.writeHead(204).end();
    }
    case "DELETE uploads/…":
      uploads.delete(second);
      return response.writeHead(204).end();
    case "POST uploads/…":
      return finish(response, uploads.get(second));
    case "GET events":
      return listen(request, response);
    default:
      return fail(response, 404, `nothing at ${url.pathname}`);
  }
}

function setConfig(response, { key, value }) {
  const entry = node.config.find((it) => it.key === key);
  if (!entry) return fail(response, 400, `there is no setting '${key}'`);
  if (key.startsWith("limits.") && value === "fast") {
    return fail(response, 400, "'fast' is not a rate", "write for example 20MB/s, 512KiB or off");
  }
  entry.value = value ?? entry.default;
  if (!entry.live) node.report.restart_needed = true;
  return json(response, node.report);
}

function finish(response, upload) {
  if (!upload) return fail(response, 404, "no such upload");
  const bytes = upload.files.reduce((sum, it) => sum + it.data.length, 0);
  const only = upload.files.length === 1 && upload.files[0].path === upload.name;
  const made = node.addContent({
    name: upload.name,
    bytes,
    kind: only ? "file" : "folder",
    media_type: only ? "application/octet-stream" : null,
    files: upload.files.map((it) => ({ path: it.path, bytes: it.data.length, media_type: "text/plain", data: it.data })),
  });
  node.addRoot(made);
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  const line = (event) => response.write(`${JSON.stringify(event)}\n`);
  line({ event: "hashing", done_bytes: bytes / 2, total_bytes: bytes, done_files: 0, total_files: 1, rate: 1e9 });
  setTimeout(() => {
    const { cid, name } = made;
    line({ event: "shared", link: node.linkOf(made), cid, name, bytes, files: upload.files.length, seconds: 0.1 });
    response.end();
    tell("info", `${name} is shared`, { cid });
  }, 150);
}

function listen(request, response) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  listeners.add(response);
  request.on("close", () => listeners.delete(response));
  response.write(`event: status\ndata: ${JSON.stringify(node.status())}\n\n`);
  response.write(`event: downloads\ndata: ${JSON.stringify(list())}\n\n`);
}

function bytes(request, response, path, url) {
  const [, , cid, ...inner] = path.split("/").map(decodeURIComponent);
  const found = node.contents.get(cid) ?? [...node.contents.values()].find((it) => cid.includes(it.cid));
  const wanted = inner.filter((part) => part !== "").join("/");
  const file = wanted ? found?.files.find((it) => it.path === wanted) : found;
  if (!file) return fail(response, 404, "no such content");
  const disk = file.file ?? found.file;
  const size = disk ? statSync(disk).size : (file.data?.length ?? 0);
  const type = file.media_type ?? "application/octet-stream";
  const headers = {
    "Content-Type": type.startsWith("text/") ? `${type}; charset=utf-8` : type,
    "Accept-Ranges": "bytes",
    "Access-Control-Allow-Origin": pages,
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Security-Policy": `sandbox allow-same-origin; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline' 'self'; frame-ancestors 'self' ${pages}`,
    "X-Content-Type-Options": "nosniff",
  };
  if (url.searchParams.has("download")) headers["Content-Disposition"] = "attachment";
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Math.min(size - 1, Number(range[2])) : size - 1;
  headers["Content-Length"] = to - from + 1;
  if (range) headers["Content-Range"] = `bytes ${from}-${to}/${size}`;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD") return response.end();
  if (disk) return createReadStream(disk, { start: from, end: to }).pipe(response);
  return response.end(file.data?.subarray(from, to + 1));
}

function page(response, path) {
  const wanted = normalize(join(dist, path));
  const isFile = path !== "/" && wanted.startsWith(dist) && existsSync(wanted);
  const file = isFile ? wanted : join(dist, "index.html");
  response.writeHead(200, {
    "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(readFileSync(file));
}

/** `POTLUCK_MOCK_LOCKED=1`: as for a browser that was not let in. */
const isLocked = process.env.POTLUCK_MOCK_LOCKED === "1";

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", pages);
  const path = url.pathname;
  const work = async () => {
    if (path.startsWith("/api/v1")) {
      if (isLocked) return fail(response, 401, "missing or wrong token");
      return api(request, response, path.slice("/api/v1".length), url);
    }
    if (path.startsWith("/c/")) return bytes(request, response, path, url);
    return page(response, path);
  };
  work().catch((error) => fail(response, 500, String(error)));
});

lay();
setInterval(() => {
  if (node.step(0.5)) send("downloads", list());
}, 500);
setInterval(() => send("status", node.status()), 1000);
server.listen(port, "127.0.0.1", () => console.log(`${pages}/`));
