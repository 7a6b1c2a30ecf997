// What the pages know about the node, kept up to date by its events. One store for all pages.

import { computed, signal } from "@preact/signals";
import { ApiFailure, api, whenLocked } from "../api/client";
import type { Activity, Download, DownloadList, RootList, Status } from "../api/types";

/** `locked`: the node does not know this browser. `lost`: it does not answer. */
export type Link = "connecting" | "live" | "lost" | "locked";

export const link = signal<Link>("connecting");
export const status = signal<Status | null>(null);
export const downloads = signal<Download[]>([]);
export const roots = signal<RootList | null>(null);
export const activity = signal<Activity[]>([]);
/** Seconds since 1970, once a second while a page is looked at. */
export const now = signal(Date.now() / 1000);

export const running = computed(() => downloads.value.filter((it) => it.state === "running"));

/** Events that are kept; the node keeps as many. */
const MOST_ACTIVITY = 500;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;
const REST_AFTER_MS = 20_000;

let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
let sleep: ReturnType<typeof setTimeout> | undefined;
let wait = FIRST_RETRY_MS;

/** Begins to listen to the node; it goes on by itself from then on. */
export function start(): void {
  whenLocked(lock);
  setInterval(() => {
    if (!document.hidden) now.value = Date.now() / 1000;
  }, 1000);
  document.addEventListener("visibilitychange", rest);
  listen();
}

/**
 * A tab that nobody looks at stops listening after a while: browsers open six connections to a
 * host in all tabs together, and each that listens takes one.
 */
function rest(): void {
  clearTimeout(sleep);
  if (!document.hidden) {
    now.value = Date.now() / 1000;
    if (source === null) listen();
    return;
  }
  sleep = setTimeout(() => {
    clearTimeout(retry);
    source?.close();
    source = null;
  }, REST_AFTER_MS);
}

function lock(): void {
  link.value = "locked";
  source?.close();
  source = null;
  // Another tab may have been let in meanwhile.
  again(LAST_RETRY_MS);
}

function again(milliseconds: number): void {
  clearTimeout(retry);
  retry = setTimeout(listen, milliseconds);
}

function listen(): void {
  source?.close();
  const events = new EventSource("/api/v1/events");
  source = events;
  events.onopen = () => {
    wait = FIRST_RETRY_MS;
    link.value = "live";
    // What happened while nobody listened.
    void refresh();
  };
  events.onerror = () => {
    if (source !== events) return;
    events.close();
    source = null;
    void diagnose();
  };
  on<Status>(events, "status", (value) => {
    const before = status.value;
    status.value = value;
    const moved =
      before && (before.roots !== value.roots || before.provided_bytes !== value.provided_bytes);
    if (moved) void refreshRoots();
  });
  on<DownloadList>(events, "downloads", (value) => takeDownloads(value.downloads));
  on<Activity>(events, "activity", (entry) => {
    activity.value = [...activity.value, entry].slice(-MOST_ACTIVITY);
  });
}

function on<T>(events: EventSource, name: string, take: (value: T) => void): void {
  events.addEventListener(name, (event) => {
    try {
      take(JSON.parse((event as MessageEvent<string>).data) as T);
    } catch (error) {
      // One event that can't be read is no reason to stop listening.
      console.warn(`event '${name}' of the node`, error);
    }
  });
}

function takeDownloads(list: Download[]): void {
  const ended = (all: Download[]) => all.filter((it) => it.state !== "running").length;
  const changed = ended(list) !== ended(downloads.value);
  downloads.value = list;
  if (changed) void refreshRoots();
}

/** An `EventSource` does not tell why it ended; a plain request does. */
async function diagnose(): Promise<void> {
  try {
    status.value = await api.status();
    again(wait);
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 401) return;
    link.value = "lost";
    again(wait);
  }
  wait = Math.min(LAST_RETRY_MS, wait * 2);
}

async function refresh(): Promise<void> {
  const asked = [
    api.status().then((value) => (status.value = value)),
    api.downloads().then((value) => takeDownloads(value.downloads)),
    api.activity().then((value) => (activity.value = value.entries)),
    refreshRoots(),
  ];
  await Promise.allSettled(asked);
}

/** Asks again what the node holds. */
export async function refreshRoots(): Promise<void> {
  try {
    roots.value = await api.roots();
  } catch {
    // The connection's own state tells; the old list is better than none.
  }
}
