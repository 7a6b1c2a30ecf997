// A short word about what was just done, or was not.

import { signal } from "@preact/signals";
import { asError } from "../api/client";

export interface Toast {
  text: string;
  hint: string;
  bad: boolean;
}

export const toast = signal<Toast | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

function show(value: Toast, milliseconds: number): void {
  clearTimeout(timer);
  toast.value = value;
  timer = setTimeout(() => (toast.value = null), milliseconds);
}

export function say(text: string): void {
  show({ text, hint: "", bad: false }, 4000);
}

export function complain(error: unknown): void {
  const body = asError(error);
  show({ text: body.message, hint: body.hint ?? "", bad: true }, 10_000);
}

/** Does something, and says so when it fails. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}
