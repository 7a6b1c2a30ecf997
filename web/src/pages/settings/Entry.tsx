import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { ConfigEntry, ConfigReport, ErrorBody } from "../../api/types";
import { kindOf, label, usage } from "../../lib/settings";
import { status } from "../../state/store";
import { say } from "../../state/toast";
import { Failure, IconButton } from "../../ui/bits";

/** One setting: its name, what it does, its value. */
export function Entry(props: { entry: ConfigEntry; onChanged: (report: ConfigReport) => void }) {
  const { entry } = props;
  const text = useSignal(entry.value);
  const busy = useSignal(false);
  const error = useSignal<ErrorBody | null>(null);
  useEffect(() => {
    text.value = entry.value;
  }, [entry.value]);

  const set = async (value: string | null) => {
    if (busy.value) return;
    busy.value = true;
    error.value = null;
    try {
      props.onChanged(await api.setConfig(entry.key, value));
      say(entry.live ? `${label(entry.key)}: in force now` : `${label(entry.key)}: saved`);
    } catch (failed) {
      error.value = asError(failed);
      // A switch that was refused shows what holds.
      if (kindOf(entry).kind !== "text") text.value = entry.value;
    } finally {
      busy.value = false;
    }
  };

  const id = `key-${entry.key}`;
  const changed = entry.value !== entry.default;
  const use = status.value ? usage(entry.key, status.value) : null;
  return (
    <div class="entry" data-key={entry.key}>
      <div class="entry-words">
        <label for={id}>{label(entry.key)}</label>
        <code>{entry.key}</code>
        <p class="hint" id={`${id}-help`}>
          {entry.help}
          {entry.live ? "" : " (after a restart)"}
        </p>
      </div>
      <div class="entry-value">
        <Field id={id} entry={entry} text={text} busy={busy.value} set={(value) => void set(value)} />
        {changed ? (
          <IconButton
            icon="reset"
            label={`Back to the default of ${label(entry.key)}`}
            onClick={() => void set(null)}
          />
        ) : null}
        <p class="default">
          {changed ? `default: ${entry.default === "" ? "none" : entry.default}` : "the default"}
          {use ? ` · ${use}` : ""}
        </p>
      </div>
      {error.value ? <Failure error={error.value} /> : null}
    </div>
  );
}

function Field(props: {
  id: string;
  entry: ConfigEntry;
  text: { value: string };
  busy: boolean;
  set: (value: string) => void;
}) {
  const { id, entry, text, set } = props;
  const kind = kindOf(entry);
  const shared = { id, disabled: props.busy, "aria-describedby": `${id}-help` };
  if (kind.kind === "switch") {
    return (
      <input
        {...shared}
        type="checkbox"
        role="switch"
        class="switch"
        checked={text.value === "true"}
        onChange={(event) => {
          text.value = String(event.currentTarget.checked);
          set(text.value);
        }}
      />
    );
  }
  if (kind.kind === "choice") {
    return (
      <select
        {...shared}
        value={text.value}
        onChange={(event) => {
          text.value = event.currentTarget.value;
          set(text.value);
        }}
      >
        {kind.options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    );
  }
  return (
    <form
      class="entry-form"
      onSubmit={(event) => {
        event.preventDefault();
        set(text.value.trim());
      }}
    >
      <input
        {...shared}
        type="text"
        spellcheck={false}
        autocomplete="off"
        value={text.value}
        placeholder={entry.default || "none"}
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      {text.value !== entry.value ? (
        <button type="submit" class="button" disabled={props.busy}>
          Save
        </button>
      ) : null}
    </form>
  );
}
