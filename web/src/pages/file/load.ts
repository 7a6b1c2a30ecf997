// What a file's page knows: asked once, and again while not all of it is here.

import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { Content, ErrorBody, Pieces } from "../../api/types";

export interface Loaded {
  content: Signal<Content | null>;
  pieces: Signal<Pieces | null>;
  error: Signal<ErrorBody | null>;
  /** Seconds that were spent looking for it. */
  waited: Signal<number>;
  retry: () => void;
}

/** Seconds the node looks for providers before the page says that there is none. */
const PATIENCE = 30;
const AGAIN_MS = 1500;

export function useContent(cid: string): Loaded {
  const loaded = useMemo(
    () => ({
      content: signal<Content | null>(null),
      pieces: signal<Pieces | null>(null),
      error: signal<ErrorBody | null>(null),
      waited: signal(0),
      attempt: signal(0),
    }),
    [cid],
  );
  const attempt = loaded.attempt.value;
  useEffect(() => {
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const clock = setInterval(() => (loaded.waited.value += 1), 1000);
    const look = async () => {
      try {
        const isFirst = loaded.content.value === null;
        const content = await api.content(cid, isFirst ? PATIENCE : 5, control.signal);
        loaded.content.value = content;
        clearInterval(clock);
        loaded.pieces.value = await api.pieces(content.cid, control.signal).catch(() => null);
        if (!content.complete) timer = setTimeout(() => void look(), AGAIN_MS);
      } catch (error) {
        if (control.signal.aborted) return;
        clearInterval(clock);
        // What was found once stays on the page; the connection's state is told elsewhere.
        if (loaded.content.value) timer = setTimeout(() => void look(), 3 * AGAIN_MS);
        else loaded.error.value = asError(error);
      }
    };
    void look();
    return () => {
      control.abort();
      clearInterval(clock);
      clearTimeout(timer);
    };
  }, [cid, attempt]);
  const retry = () => {
    loaded.error.value = null;
    loaded.waited.value = 0;
    loaded.attempt.value += 1;
  };
  return { ...loaded, retry };
}
