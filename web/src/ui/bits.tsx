// Small parts that several pages use.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ErrorBody } from "../api/types";
import { percent } from "../lib/format";
import { sentence } from "../lib/words";
import { complain } from "../state/toast";
import { Icon, type IconName } from "./Icon";

/** A button that copies `text`, and says that it did; `small` leaves its words to screen readers. */
export function Copy(props: { text: string; label?: string; small?: boolean }) {
  const { text, label = "Copy link", small = false } = props;
  const copied = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.value = true;
      setTimeout(() => (copied.value = false), 2000);
    } catch {
      complain(new Error("the browser does not let this page copy; select the link and copy it"));
    }
  };
  return (
    <button
      type="button"
      class={small ? "icon-button" : "button quiet"}
      title={small ? label : undefined}
      onClick={copy}
    >
      <Icon name={copied.value ? "check" : "copy"} size={18} />
      <span class={small ? "visually-hidden" : ""} aria-live="polite">
        {copied.value ? "Copied" : label}
      </span>
    </button>
  );
}

/** A button that shows a pictogram alone; `label` is its name. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  pressed?: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      class="icon-button"
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.pressed}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** A bar. Screen readers read its value when they come to it; it does not call out. */
export function Bar(props: { done: number; total: number; label: string; tone?: string }) {
  const full = percent(props.done, props.total);
  const known = props.total > 0;
  return (
    <div
      class={`bar ${props.tone ?? ""} ${known ? "" : "unknown"}`}
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(known ? { "aria-valuenow": full } : {})}
    >
      {known ? <i style={{ width: `${Math.min(100, (props.done / props.total) * 100)}%` }} /> : <i />}
    </div>
  );
}

/** What stands where there is nothing yet, and what to do about it. */
export function Empty(props: { title: string; children: ComponentChildren }) {
  return (
    <div class="empty">
      <Plate />
      <p class="empty-title">{props.title}</p>
      <div class="empty-text">{props.children}</div>
    </div>
  );
}

function Plate() {
  return (
    <svg class="plate" viewBox="0 0 64 64" width="64" height="64" aria-hidden="true">
      <circle cx="32" cy="32" r="22" />
      <circle cx="32" cy="32" r="14.5" />
      <path d="M4 16v10c0 3 4 3 4 0V16M6 16v32M60 48V16c-4 3-4 12-4 17h4" />
    </svg>
  );
}

/** A failure: what happened, and what to do. It calls out, unless it is about something of the past. */
export function Failure({ error, past = false }: { error: ErrorBody; past?: boolean }) {
  return (
    <p class="failure" role={past ? undefined : "alert"}>
      <Icon name="warning" size={18} />
      <span>
        {sentence(error.message)}
        {error.hint ? <span class="hint"> {sentence(error.hint)}</span> : null}
      </span>
    </p>
  );
}

/** A question that has to be answered before something is undone for good. */
export function Confirm(props: {
  title: string;
  action: string;
  children: ComponentChildren;
  onYes: () => void;
  onNo: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="confirm-title" onClose={props.onNo}>
      <h2 id="confirm-title">{props.title}</h2>
      <div>{props.children}</div>
      <div class="row end">
        <button type="button" class="button quiet" onClick={() => dialog.current?.close()}>
          Keep it
        </button>
        <button type="button" class="button danger" onClick={props.onYes}>
          {props.action}
        </button>
      </div>
    </dialog>
  );
}
