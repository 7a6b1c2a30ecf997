// Files that this page hands over to the node to be shared.

import { signal } from "@preact/signals";
import { api, asError, putFile } from "../api/client";
import type { ErrorBody } from "../api/types";
import type { Bundle } from "../lib/drop";
import { refreshRoots } from "./store";

export interface UploadJob {
  key: number;
  name: string;
  files: number;
  phase: "waiting" | "sending" | "hashing" | "shared" | "failed" | "stopped";
  done: number;
  total: number;
  skipped: string[];
  /** Once it is shared. */
  link: string | null;
  cid: string | null;
  error: ErrorBody | null;
  stop: () => void;
}

export const uploads = signal<UploadJob[]>([]);

/** A page that is closed takes what it was handing over with it. */
window.addEventListener("beforeunload", (event) => {
  if (uploads.value.some((job) => job.phase === "waiting" || job.phase === "sending")) {
    event.preventDefault();
  }
});

let made = 0;
let queue: Promise<void> = Promise.resolve();

function change(key: number, part: Partial<UploadJob>): void {
  uploads.value = uploads.value.map((job) => (job.key === key ? { ...job, ...part } : job));
}

/** Hands these over, one after the other. */
export function upload(bundles: Bundle[]): void {
  for (const bundle of bundles) {
    const key = (made += 1);
    const control = new AbortController();
    const job: UploadJob = {
      key,
      name: bundle.name,
      files: bundle.files.length,
      phase: "waiting",
      done: 0,
      total: bundle.files.reduce((sum, { file }) => sum + file.size, 0),
      skipped: [],
      link: null,
      cid: null,
      error: null,
      stop: () => {
        control.abort();
        change(key, { phase: "stopped" });
      },
    };
    uploads.value = [job, ...uploads.value];
    queue = queue.then(() => send(key, bundle, control.signal));
  }
}

/** Takes a job that has ended off the list. */
export function dismiss(key: number): void {
  uploads.value = uploads.value.filter((job) => job.key !== key);
}

async function send(key: number, bundle: Bundle, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let id: string | null = null;
  try {
    if (bundle.files.length === 0) throw new Error(`there is no file in '${bundle.name}'`);
    id = (await api.beginUpload(bundle.name)).id;
    change(key, { phase: "sending" });
    await sendFiles(key, id, bundle, signal);
    change(key, { phase: "hashing", done: 0 });
    await finish(key, id, signal);
    await refreshRoots();
  } catch (error) {
    if (!signal.aborted) change(key, { phase: "failed", error: asError(error) });
    if (id !== null) await api.dropUpload(id).catch(() => undefined);
  }
}

async function sendFiles(key: number, id: string, bundle: Bundle, signal: AbortSignal) {
  let before = 0;
  let shown = 0;
  for (const { path, file } of bundle.files) {
    signal.throwIfAborted();
    const show = (sent: number) => {
      // A folder of small files would otherwise draw the page anew for each of them.
      if (performance.now() - shown < 100) return;
      shown = performance.now();
      change(key, { done: before + Math.min(sent, file.size) });
    };
    await putFile(id, path, file, show, signal);
    before += file.size;
  }
}

async function finish(key: number, id: string, signal: AbortSignal): Promise<void> {
  for await (const event of api.finishUpload(id, signal)) {
    switch (event.event) {
      case "hashing":
        change(key, { done: event.done_bytes, total: event.total_bytes });
        break;
      case "skipped": {
        const skipped = uploads.value.find((job) => job.key === key)?.skipped ?? [];
        change(key, { skipped: [...skipped, `${event.path}: ${event.reason}`] });
        break;
      }
      case "shared":
        change(key, { phase: "shared", link: event.link, cid: event.cid, done: event.bytes });
        return;
      case "error":
        throw Object.assign(new Error(event.message), { hint: event.hint });
      default:
    }
  }
  throw new Error("the node stopped before it was shared");
}
