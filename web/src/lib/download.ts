import type { Download, GetEvent, Phase, SourceProgress } from "../api/types";
import { count, duration } from "./format";

/** A download as a card shows it. */
export interface View {
  title: string;
  /** One line: what it is doing, or why it waits. */
  words: string;
  done: number;
  total: number;
  rate: number;
  eta: number | null;
  sources: SourceProgress[];
  sourceCount: number;
  waits: boolean;
}

const PHASES: Record<Phase, string> = {
  queued: "waits until fewer others are fetched",
  finding: "looking for somebody who has it",
  manifest: "fetching the list of files",
  resuming: "checking what an earlier run left",
  copying: "copying what is here already",
  fetching: "fetching",
  stalled: "nothing is coming in",
  finishing: "writing it to its place",
};

/** What a download looks like now; `before` is what it looked like, for events that tell only a part. */
export function view(download: Download, before?: View): View {
  const base: View = {
    title: title(download),
    words: "asking the node",
    done: before?.done ?? 0,
    total: before?.total ?? 0,
    rate: 0,
    eta: null,
    sources: [],
    sourceCount: 0,
    waits: true,
  };
  const seen = download.last ? { ...base, ...told(download.last) } : base;
  switch (download.state) {
    case "running":
      return seen;
    case "done":
      return { ...seen, waits: false, rate: 0 };
    case "stopped":
      return {
        ...seen,
        rate: 0,
        eta: null,
        words: "stopped; what was fetched stays, and the same link goes on from there",
      };
    default:
      return { ...seen, rate: 0, eta: null, words: "failed" };
  }
}

function title(download: Download): string {
  if (download.name) return download.name;
  const name = /[?&](?:dn|name)=([^&]+)/.exec(download.link)?.[1];
  if (name) {
    try {
      return decodeURIComponent(name.replaceAll("+", " "));
    } catch {
      return name;
    }
  }
  return download.cid ?? download.link;
}

function told(event: GetEvent): Partial<View> {
  switch (event.event) {
    case "resolving":
      return { words: PHASES.finding };
    case "waiting": {
      const asked = event.asked > 0 ? `; asked ${count(event.asked, "peer")}` : "";
      const since = event.seconds >= 3 ? `, for ${duration(event.seconds)}` : "";
      return { words: `${event.reason || PHASES[event.phase]}${asked}${since}` };
    }
    case "found":
      return { words: PHASES.fetching, done: event.have_bytes, total: event.bytes };
    case "progress":
      return {
        words: event.reason ?? PHASES[event.phase],
        done: event.done_bytes,
        total: event.total_bytes,
        rate: event.rate,
        eta: event.eta,
        sources: event.sources,
        sourceCount: event.source_count,
        waits: event.rate === 0,
      };
    case "done": {
      const took = event.seconds >= 1 ? ` in ${duration(event.seconds)}` : "";
      return { words: `here${took}: ${event.path}`, done: event.bytes, total: event.bytes };
    }
    case "banned":
      return { words: `refused a peer: ${event.reason}` };
    case "notice":
      return { words: event.message };
    case "error":
      return { words: event.message };
  }
}
