import { useSignal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { ConfigReport, ErrorBody } from "../../api/types";
import { group } from "../../lib/settings";
import { link } from "../../state/store";
import { type Theme, theme } from "../../state/theme";
import { Failure } from "../../ui/bits";
import { Icon } from "../../ui/Icon";
import { Entry } from "./Entry";
import { Schedule } from "./Schedule";

const SCHEDULE = "limits.schedule";

export function Settings() {
  const report = useSignal<ConfigReport | null>(null);
  const error = useSignal<ErrorBody | null>(null);
  const waiting = useSignal<string[]>([]);
  useEffect(() => {
    api.config().then(
      (value) => (report.value = value),
      (failed) => (error.value = asError(failed)),
    );
    // Asked again when the node comes back.
  }, [link.value]);
  const all = report.value?.entries ?? [];
  const schedule = all.find((entry) => entry.key === SCHEDULE);
  const groups = group(all.filter((entry) => entry !== schedule));
  const titles = groups.map((it): [string, string] => [it.name, it.title]);
  const contents: [string, string][] = [["appearance", "Appearance"], ...titles];
  if (schedule) contents.splice(1 + titles.findIndex(([name]) => name === "limits") + 1, 0, ["schedule", "Schedule"]);
  const restart = report.value?.restart_needed || waiting.value.length > 0;
  return (
    <>
      <div>
        <h1>Settings</h1>
        <div role="status">
        {restart ? (
          <p class="banner inline">
            <Icon name="warning" size={18} />
            <span>
              {waiting.value.length > 0 ? `${waiting.value.join(", ")}: ` : ""}in force after a restart
              of the node. Stop <code>potluck up</code> and start it again.
            </span>
          </p>
        ) : null}
        </div>
      </div>
      {error.value ? <Failure error={error.value} /> : null}
      <div class="settings">
        <nav class="contents" aria-label="Groups of settings">
          {contents.map(([name, title]) => (
            <a key={name} href={`#set-${name}`}>
              {title}
            </a>
          ))}
        </nav>
        <div class="grow">
          <Appearance />
          {groups.map((it) => (
            <Fragment key={it.name}>
            <section id={`set-${it.name}`} aria-labelledby={`set-${it.name}-title`}>
              <h2 id={`set-${it.name}-title`}>{it.title}</h2>
              {it.about ? <p class="hint">{it.about}</p> : null}
              <div class="entries">
                {it.entries.map((entry) => (
                  <Entry
                    key={entry.key}
                    entry={entry}
                    onChanged={(value) => {
                      report.value = value;
                      const isLate = !entry.live && value.restart_needed;
                      if (isLate && !waiting.value.includes(entry.key)) {
                        waiting.value = [...waiting.value, entry.key];
                      }
                    }}
                  />
                ))}
              </div>
            </section>
            {it.name === "limits" && schedule ? (
              <Schedule entry={schedule} onChanged={(value) => (report.value = value)} />
            ) : null}
            </Fragment>
          ))}
          {report.value ? (
            <p class="foot">
              All of it is kept in <code class="wrap">{report.value.path}</code>.
            </p>
          ) : null}
        </div>
      </div>
    </>
  );
}

const THEMES: { value: Theme; label: string }[] = [
  { value: "system", label: "As the system" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

function Appearance() {
  return (
    <section id="set-appearance" aria-labelledby="set-appearance-title">
      <h2 id="set-appearance-title">Appearance</h2>
      <p class="hint">Kept in this browser alone.</p>
      <fieldset class="chips">
        <legend class="visually-hidden">Colours</legend>
        {THEMES.map(({ value, label }) => (
          <label key={value}>
            <input
              type="radio"
              name="theme"
              checked={theme.value === value}
              onChange={() => (theme.value = value)}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}
