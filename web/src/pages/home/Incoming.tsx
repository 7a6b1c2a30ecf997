import { useRef } from "preact/hooks";
import { api } from "../../api/client";
import type { Download } from "../../api/types";
import { view, type View } from "../../lib/download";
import { bytes, count, duration, percent, rate, short } from "../../lib/format";
import { capital } from "../../lib/words";
import { downloads } from "../../state/store";
import { attempt } from "../../state/toast";
import { Bar, Empty, Failure, IconButton } from "../../ui/bits";
import { Icon } from "../../ui/Icon";

/** Downloads: those that run first, newest first. */
export function Incoming() {
  const order = (it: Download) => (it.state === "running" ? 1 : 0);
  const list = [...downloads.value].reverse().sort((a, b) => order(b) - order(a));
  return (
    <section aria-labelledby="incoming-title">
      <h2 id="incoming-title">Coming in</h2>
      {list.length === 0 ? (
        <Empty title="Nothing is on its way.">
          <p>Paste a link above: this node asks everybody who has it, and takes a part from each.</p>
        </Empty>
      ) : (
        <ul class="cards">
          {list.map((it) => (
            <Card key={it.id} download={it} />
          ))}
        </ul>
      )}
    </section>
  );
}

export function numbers(seen: View): string {
  const parts = [`${bytes(seen.done)} of ${bytes(seen.total)}`];
  if (seen.rate > 0) parts.push(rate(seen.rate));
  if (seen.eta !== null && seen.rate > 0) parts.push(`${duration(seen.eta)} left`);
  if (seen.sourceCount > 0) parts.push(count(seen.sourceCount, "source"));
  return parts.join(" · ");
}

function Card({ download }: { download: Download }) {
  const before = useRef<View>(undefined);
  const seen = view(download, before.current);
  before.current = seen;
  const isRunning = download.state === "running";
  const name = download.cid ? (
    <a href={`/file/${download.cid}`}>{seen.title}</a>
  ) : (
    <span title={download.link}>{short(seen.title, 40, 12)}</span>
  );
  return (
    <li class="card" data-state={download.state} data-id={download.id}>
      <div class="card-head">
        <span class={`badge ${download.state === "done" ? "good" : ""}`}>
          <Icon name={download.state === "done" ? "check" : "down"} size={18} />
        </span>
        <div class="grow">
          <p class="name">{name}</p>
          <p class="hint words">{capital(seen.words)}</p>
        </div>
        {isRunning && seen.total > 0 ? (
          <span class="big-percent">{percent(seen.done, seen.total)} %</span>
        ) : null}
        <IconButton
          icon={isRunning ? "stop" : "close"}
          label={isRunning ? `Stop ${seen.title}` : `Take ${seen.title} off this list`}
          onClick={() => void attempt(() => api.stopDownload(download.id))}
        />
      </div>
      {isRunning ? (
        <>
          <Bar
            done={seen.done}
            total={seen.total}
            label={`Fetching ${seen.title}`}
            tone={seen.waits ? "waits" : ""}
          />
          {seen.total > 0 ? <p class="numbers">{numbers(seen)}</p> : null}
        </>
      ) : null}
      {download.error ? <Failure error={download.error} past /> : null}
    </li>
  );
}
