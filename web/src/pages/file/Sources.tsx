import type { Download } from "../../api/types";
import { view } from "../../lib/download";
import { bytes, rate, short } from "../../lib/format";
import { capital } from "../../lib/words";
import { status } from "../../state/store";
import { Bar } from "../../ui/bits";
import { numbers } from "../home/Incoming";

const STATES = {
  active: "delivers",
  idle: "waits for a request",
  empty: "has nothing more that is wanted",
  stalled: "is silent",
};

/** The download of this content: how far it is, and from whom. */
export function Progress({ download }: { download: Download }) {
  const seen = view(download);
  const fastest = Math.max(1, ...seen.sources.map((source) => source.rate));
  return (
    <section aria-labelledby="progress-title" class="progress">
      <h2 id="progress-title">On its way</h2>
      <Bar
        done={seen.done}
        total={seen.total}
        label={`Fetching ${seen.title}`}
        tone={seen.waits ? "waits" : ""}
      />
      <p class="numbers">{seen.total > 0 ? numbers(seen) : ""}</p>
      <p class="hint words">{capital(seen.words)}</p>
      {seen.sources.length > 0 ? (
        <ul class="sources" aria-label="Sources">
          {seen.sources.map((source) => (
            <li key={`${source.kind} ${source.peer}`}>
              <span class="grow">
                <code title={source.peer}>{short(source.peer)}</code>{" "}
                <span class="hint">
                  {source.kind}, {source.path}; {STATES[source.state]}
                </span>
              </span>
              <span class="number">{bytes(source.bytes)}</span>
              <span class="number strong">{rate(source.rate)}</span>
              <Bar done={source.rate} total={fastest} label={`Rate of ${short(source.peer)}`} />
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  );
}

/** Whom this node sends it to, or took it from in the last download. */
export function Others({ cid, download }: { cid: string; download: Download | undefined }) {
  const sending = status.value?.transfers.filter((it) => it.cid === cid && it.direction === "up");
  const last = download?.last;
  const gave = last?.event === "done" ? last.sources : [];
  const list = sending ?? [];
  if (list.length === 0 && gave.length === 0) return null;
  return (
    <section aria-labelledby="others-title">
      <h2 id="others-title">Who has it</h2>
      <ul class="sources">
        {list.map((it) => (
          <li key={it.peers.join()}>
            <span class="grow">
              <code title={it.peers.join("\n")}>{it.peers.map((peer) => short(peer)).join(", ")}</code>{" "}
              <span class="hint">fetches it from here</span>
            </span>
            <span class="number">{bytes(it.done_bytes)}</span>
            <span class="number strong">{rate(it.rate)}</span>
          </li>
        ))}
        {gave.map((it) => (
          <li key={`${it.kind} ${it.peer}`}>
            <span class="grow">
              <code title={it.peer}>{short(it.peer)}</code>{" "}
              <span class="hint">{it.kind === "local" ? "was here already" : "it came from there"}</span>
            </span>
            <span class="number">{bytes(it.bytes)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
