import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { ConfigReport, ErrorBody } from "../../api/types";
import { group } from "../../lib/settings";
import { link } from "../../state/store";
import { type Theme, theme } from "../../state/theme";
import { Failure } from "../../ui/bits";
import { Icon } from "../../ui/Icon";
import { Entry } from "./Entry";

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
  const groups = report.value ? group(report.value.entries) : [];
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
          {[["appearance", "Appearance"], ...groups.map((it) => [it.name, it.title])].map(
            ([name, title]) => (
              <a key={name} href={`#set-${name}`}>
                {title}
              </a>
            ),
          )}
        </nav>
        <div class="grow">
          <Appearance />
          {groups.map((it) => (
            <section key={it.name} id={`set-${it.name}`} aria-labelledby={`set-${it.name}-title`}>
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
