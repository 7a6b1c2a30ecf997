import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { ConfigEntry, ConfigReport, ErrorBody } from "../../api/types";
import { DAY_NAMES, faults, fresh, inForce, MOST_RULES, read, type Rule, write } from "../../lib/schedule";
import { status } from "../../state/store";
import { say } from "../../state/toast";
import { Failure, IconButton } from "../../ui/bits";
import { Icon } from "../../ui/Icon";
import { Entry } from "./Entry";

/** Rates by the time of day and week. */
export function Schedule(props: { entry: ConfigEntry; onChanged: (report: ConfigReport) => void }) {
  const { entry } = props;
  const rules = read(entry.value);
  return (
    <section id="set-schedule" aria-labelledby="set-schedule-title">
      <h2 id="set-schedule-title">Schedule</h2>
      <p class="hint">
        Other rates at some times, by the clock of the machine where the node runs. Where two rules say something of
        the same time, the later one in this list counts.
      </p>
      <Now />
      {rules ? (
        <Rules key={entry.value} rules={rules} onChanged={props.onChanged} />
      ) : (
        // Written by hand, or by a newer node: as text.
        <div class="entries">
          <Entry entry={entry} onChanged={props.onChanged} />
        </div>
      )}
    </section>
  );
}

function Now() {
  const limits = status.value?.limits;
  if (!limits) return null;
  return (
    <p class="in-force">
      <Icon name="activity" size={18} />
      <span>
        {inForce(limits)}
        {limits.schedule ? <span class="hint"> · the clock there shows {limits.schedule.clock}</span> : null}
      </span>
    </p>
  );
}

function Rules(props: { rules: Rule[]; onChanged: (report: ConfigReport) => void }) {
  const draft = useSignal(props.rules);
  const error = useSignal<ErrorBody | null>(null);
  const busy = useSignal(false);
  const asked = useSignal(false);
  const list = useRef<HTMLOListElement>(null);
  const focus = useSignal<number | null>(null);
  const rules = draft.value;
  const isChanged = rules.map(write).join() !== props.rules.map(write).join();
  const isWrong = rules.some((rule) => Object.keys(faults(rule)).length > 0);
  const holding = isChanged ? undefined : status.value?.limits.schedule;

  // A new rule is where one goes on.
  useEffect(() => {
    if (focus.value === null) return;
    const rows = list.current?.querySelectorAll<HTMLElement>(".rule");
    rows?.[focus.value]?.querySelector<HTMLElement>("button")?.focus();
    focus.value = null;
  }, [focus.value]);

  const put = (at: number, rule: Rule) => (draft.value = rules.map((old, index) => (index === at ? rule : old)));
  const lift = (at: number) => {
    const moved = [...rules];
    moved.splice(at - 1, 0, ...moved.splice(at, 1));
    draft.value = moved;
  };
  const save = async () => {
    asked.value = true;
    if (isWrong || busy.value) return;
    busy.value = true;
    error.value = null;
    try {
      const value = rules.length > 0 ? rules.map(write).join(", ") : null;
      props.onChanged(await api.setConfig("limits.schedule", value));
      say("Schedule: in force now");
    } catch (failed) {
      error.value = asError(failed);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="schedule"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <ol class="rules" ref={list}>
        {rules.map((rule, at) => (
          <Row
            key={at}
            number={at + 1}
            rule={rule}
            isHolding={holding?.rules.includes(at) ?? false}
            isTold={asked.value}
            onChange={(changed) => put(at, changed)}
            onLift={at > 0 ? () => lift(at) : undefined}
            onRemove={() => (draft.value = rules.filter((_, index) => index !== at))}
          />
        ))}
      </ol>
      {error.value ? <Failure error={error.value} /> : null}
      <div class="row">
        <button
          type="button"
          class="button quiet"
          disabled={rules.length >= MOST_RULES}
          onClick={() => {
            draft.value = [...rules, fresh()];
            asked.value = false;
            focus.value = rules.length;
          }}
        >
          <Icon name="plus" size={18} />
          Add a rule
        </button>
        {isChanged ? (
          <>
            <button type="submit" class="button" disabled={busy.value}>
              Save the schedule
            </button>
            <button type="button" class="button quiet" onClick={() => (draft.value = props.rules)}>
              Discard changes
            </button>
          </>
        ) : null}
      </div>
    </form>
  );
}

function Row(props: {
  number: number;
  rule: Rule;
  isHolding: boolean;
  isTold: boolean;
  onChange: (rule: Rule) => void;
  onLift: (() => void) | undefined;
  onRemove: () => void;
}) {
  const { number, rule, onChange } = props;
  const name = `Rule ${number}`;
  const id = `rule-${number}`;
  const wrong = props.isTold ? faults(rule) : {};
  const words = Object.values(wrong);
  const set = (part: Partial<Rule>) => onChange({ ...rule, ...part });
  return (
    <li class={`rule ${props.isHolding ? "holds" : ""}`} data-rule={number}>
      <div class="rule-head">
        <h3 id={id}>{name}</h3>
        {props.isHolding ? <span class="holding">in force</span> : null}
        <span class="grow" />
        {props.onLift ? <IconButton icon="up" label={`Move ${name.toLowerCase()} up`} onClick={props.onLift} /> : null}
        <IconButton icon="trash" label={`Remove ${name.toLowerCase()}`} onClick={props.onRemove} />
      </div>
      <div class="days" role="group" aria-label={`Days of ${name.toLowerCase()}`}>
        {DAY_NAMES.map((day, at) => (
          <button
            key={day}
            type="button"
            aria-pressed={rule.days[at] ?? false}
            aria-label={day}
            onClick={() => set({ days: rule.days.map((on, index) => (index === at ? !on : on)) })}
          >
            {day.slice(0, 3)}
          </button>
        ))}
      </div>
      <div class="rule-fields" role="group" aria-labelledby={id}>
        <Field label="From">
          <input
            type="time"
            value={rule.from}
            aria-invalid={wrong.times !== undefined}
            onInput={(event) => set({ from: event.currentTarget.value })}
          />
        </Field>
        <Field label={rule.to < rule.from && rule.to !== "00:00" ? "To, the next day" : "To"}>
          <input
            type="time"
            value={rule.to}
            aria-invalid={wrong.times !== undefined}
            onInput={(event) => set({ to: event.currentTarget.value })}
          />
        </Field>
        <Field label="What holds">
          <select
            value={rule.pause ? "pause" : "rates"}
            onChange={(event) => set({ pause: event.currentTarget.value === "pause" })}
          >
            <option value="rates">These rates</option>
            <option value="pause">A pause</option>
          </select>
        </Field>
        {rule.pause
          ? null
          : (["up", "down"] as const).map((way) => (
              <Field key={way} label={way === "up" ? "Upload" : "Download"}>
                <input
                  type="text"
                  spellcheck={false}
                  autocomplete="off"
                  placeholder="as usual"
                  value={rule[way]}
                  aria-invalid={wrong[way] !== undefined}
                  onInput={(event) => set({ [way]: event.currentTarget.value })}
                />
              </Field>
            ))}
      </div>
      {words.length > 0 ? (
        <p class="failure" role="alert">
          <Icon name="warning" size={18} />
          <span>{[...new Set(words)].join(" ")}</span>
        </p>
      ) : null}
    </li>
  );
}

function Field(props: { label: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{props.label}</span>
      {props.children}
    </label>
  );
}
