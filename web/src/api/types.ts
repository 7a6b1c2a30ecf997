// The JSON of a node's API, as app/api/src writes it. Sizes are bytes, rates bytes a second, times
// seconds (since 1970 where a moment is meant) unless a name says otherwise.

export interface ErrorBody {
  code: number;
  message: string;
  hint?: string;
}

export type PathKind = "direct" | "relayed" | "lan";

export interface Rates {
  down: number;
  up: number;
  down_bytes: number;
  up_bytes: number;
}

export interface PeerStatus {
  id: string;
  address: string | null;
  path: PathKind | null;
  connected: boolean;
  lanes: number;
  rates: Rates;
  rtt_ms: number | null;
  agent: string | null;
  banned: boolean;
  reason: string | null;
}

export interface Limits {
  up: number | null;
  down: number | null;
  max_connections: number;
  max_memory_bytes: number;
  storage_bytes: number | null;
  /** What the rules come to now; without rules there is none. */
  schedule?: ScheduleStatus | null;
}

export interface ScheduleStatus {
  /** Which of the rules hold, from 0. */
  rules: number[];
  until: number | null;
  /** By the node's clock: `18:00`, or `Mon 08:00` on another day. */
  until_clock: string | null;
  clock: string;
}

export type Phase =
  | "queued"
  | "finding"
  | "manifest"
  | "resuming"
  | "copying"
  | "fetching"
  | "stalled"
  | "finishing";

export interface TransferStatus {
  direction: "down" | "up" | "partial";
  cid: string;
  name: string;
  done_bytes: number;
  total_bytes: number;
  rate: number;
  peers: string[];
  phase: Phase | null;
  path: string | null;
}

export interface Problem {
  path: string;
  what: string;
  hint: string;
}

export interface TorrentsStatus {
  stopped: { cid: string; name: string; reason: string }[];
  waiting: { cid: string; name: string; reason: string }[];
  watch: { folder: string; dest: string; troubles: { path: string; what: string }[] } | null;
  blocklist: { path: string; ranges: number; trouble: string | null } | null;
  port_mapping: {
    router: string | null;
    external_address: string | null;
    ports: { protocol: string; port: number; external_port: number }[];
    trouble: string | null;
  } | null;
}

export interface Status {
  peer_id: string;
  addresses: string[];
  reachability: "public" | "private" | "unknown";
  peers: PeerStatus[];
  transfers: TransferStatus[];
  tracker_troubles: { cid: string; name: string; tracker: string; what: string }[];
  limits: Limits;
  rates: Rates;
  roots: number;
  provided_bytes: number;
  stored_bytes: number;
  uptime: number;
  memory_bytes: number;
  data: string;
  version: string;
  problems: Problem[];
  private_network: string | null;
  torrents: TorrentsStatus;
}

export type Origin =
  | { kind: "shared"; paths: string[] }
  | { kind: "copied" }
  | { kind: "fetched"; path: string };

export interface RootSummary {
  cid: string;
  link: string;
  name: string;
  bytes: number;
  available_bytes: number;
  files: number;
  pinned: boolean;
  origin: Origin;
  created: number;
  problems: Problem[];
  note?: string;
}

export interface RootList {
  roots: RootSummary[];
  partials: TransferStatus[];
}

export interface RemoveResponse {
  cid: string;
  name: string;
  freed_bytes: number;
}

export type SourceState = "active" | "idle" | "empty" | "stalled";

export interface SourceProgress {
  peer: string;
  kind: string;
  path: PathKind;
  rate: number;
  bytes: number;
  state: SourceState;
}

export type GetEvent =
  | { event: "resolving"; cid: string; name: string | null }
  | {
      event: "waiting";
      phase: Phase;
      reason: string;
      asked: number;
      connected: number;
      seconds: number;
    }
  | {
      event: "found";
      name: string;
      bytes: number;
      files: number;
      have_bytes: number;
      path: string;
    }
  | {
      event: "progress";
      phase: Phase;
      done_bytes: number;
      total_bytes: number;
      rate: number;
      eta: number | null;
      reason?: string;
      sources: SourceProgress[];
      source_count: number;
    }
  | { event: "banned"; peer: string; reason: string }
  | { event: "notice"; message: string }
  | {
      event: "done";
      path: string;
      cid: string;
      bytes: number;
      files: number;
      fetched_bytes: number;
      wasted_bytes: number;
      seconds: number;
      sources: { peer: string; kind: string; bytes: number }[];
      serving: boolean;
    }
  | ({ event: "error" } & ErrorBody);

export type DownloadState = "running" | "done" | "failed" | "stopped";

export interface Download {
  id: string;
  link: string;
  cid: string | null;
  name: string | null;
  state: DownloadState;
  last: GetEvent | null;
  error: ErrorBody | null;
  started: number;
}

export interface DownloadList {
  downloads: Download[];
}

export interface DownloadRequest {
  link: string;
  files?: string[];
  sequential?: boolean;
  dest?: string | null;
}

export type ShareEvent =
  | { event: "scanning"; files: number; bytes: number }
  | {
      event: "hashing";
      done_bytes: number;
      total_bytes: number;
      done_files: number;
      total_files: number;
      rate: number;
    }
  | { event: "skipped"; path: string; reason: string }
  | {
      event: "shared";
      link: string;
      cid: string;
      name: string;
      bytes: number;
      files: number;
      seconds: number;
    }
  | ({ event: "error" } & ErrorBody);

export interface ContentFile {
  path: string;
  bytes: number;
  media_type: string;
}

export interface Content {
  cid: string;
  name: string;
  kind: "file" | "folder";
  bytes: number;
  media_type: string | null;
  files: ContentFile[];
  file_count?: number;
  have_bytes: number;
  complete: boolean;
  link: string;
  magnet: string | null;
  content_url: string;
}

export interface Pieces {
  pieces: number;
  have: [number, number][];
}

/** How a film gets into a browser. */
export interface Video {
  way: "direct" | "remux" | "transcode" | "none";
  /** Of the stream, with its codecs. */
  media_type: string | null;
  seconds: number | null;
  /** What it is, in words; empty when that is not known. */
  what: string;
  /** Why it can't be. */
  reason: string | null;
}

export type ActivityLevel = "info" | "warning" | "error";

export interface Activity {
  at: number;
  level: ActivityLevel;
  text: string;
  cid: string | null;
  peer: string | null;
}

export interface ConfigEntry {
  key: string;
  value: string;
  default: string;
  help: string;
  live: boolean;
}

export interface ConfigReport {
  path: string;
  entries: ConfigEntry[];
  restart_needed: boolean;
}
