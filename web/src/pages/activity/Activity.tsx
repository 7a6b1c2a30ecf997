import { useSignal } from "@preact/signals";
import type { Activity as Entry, ActivityLevel } from "../../api/types";
import { ago, clock, short } from "../../lib/format";
import { capital } from "../../lib/words";
import { activity, now } from "../../state/store";
import { Empty } from "../../ui/bits";

const FILTERS: { value: ActivityLevel | "all"; label: string }[] = [
  { value: "all", label: "Everything" },
  { value: "warning", label: "Warnings and errors" },
  { value: "error", label: "Errors" },
];

function passes(entry: Entry, filter: ActivityLevel | "all"): boolean {
  if (filter === "error") return entry.level === "error";
  return filter === "all" || entry.level !== "info";
}

export function Activity() {
  const filter = useSignal<ActivityLevel | "all">("all");
  const list = activity.value.filter((entry) => passes(entry, filter.value)).reverse();
  return (
    <>
      <div class="section-head">
        <h1>Activity</h1>
        <fieldset class="chips">
          <legend class="visually-hidden">Show</legend>
          {FILTERS.map(({ value, label }) => (
            <label key={value}>
              <input
                type="radio"
                name="level"
                checked={filter.value === value}
                onChange={() => (filter.value = value)}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
      </div>
      {list.length === 0 ? (
        <Empty title={filter.value === "all" ? "It is quiet." : "Nothing of that kind."}>
          <p>What this node does and what goes wrong is told here as it happens.</p>
        </Empty>
      ) : (
        <ol class="log">
          {list.map((entry, index) => (
            <Line key={`${entry.at} ${list.length - index}`} entry={entry} />
          ))}
        </ol>
      )}
    </>
  );
}

const NAMES: Record<ActivityLevel, string> = { info: "", warning: "Warning", error: "Error" };

function Line({ entry }: { entry: Entry }) {
  const name = NAMES[entry.level];
  return (
    <li class={`log-line ${entry.level}`}>
      <time dateTime={new Date(entry.at * 1000).toISOString()} title={ago(entry.at, now.value)}>
        {clock(entry.at, now.value)}
      </time>
      <div class="grow">
        <p>
          {name ? <span class={`tag ${entry.level}`}>{name}</span> : null}
          {capital(entry.text)}
        </p>
        {entry.cid || entry.peer ? (
          <p class="hint">
            {entry.cid ? <a href={`/file/${entry.cid}`}>{short(entry.cid, 10, 6)}</a> : null}
            {entry.cid && entry.peer ? " · " : null}
            {entry.peer ? <span title={entry.peer}>peer {short(entry.peer)}</span> : null}
          </p>
        ) : null}
      </div>
    </li>
  );
}
