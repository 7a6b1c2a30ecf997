// A film that the node converts, fed to a `<video>` as it comes: from any second on.

/** Seconds that are fetched ahead; then the node is let go, and its program ends. */
const AHEAD = 40;
/** Seconds ahead at which more is asked for. */
const LOW = 15;
/** Seconds behind that are kept when there is no more room. */
const BEHIND = 20;
/** A film is asked for from a little before where it is to be shown, as pictures don't begin everywhere. */
const BEFORE = 0.5;
/** A hole of so many seconds is leapt over. */
const HOLE = 1.5;
/** How often in a row a stream that breaks off is asked for again without anything new. */
const TRIES = 3;
/** Who drags along the film leaps many times; the last one counts. */
const SETTLE_MS = 120;

export interface Feed {
  /** Address of the film from a second on. */
  url: (start: number) => string;
  mediaType: string;
  seconds: number | null;
}

/** A part of a film: from a second to a second. */
type Run = [number, number];

export function runs(ranges: TimeRanges): Run[] {
  return Array.from({ length: ranges.length }, (_, at) => [ranges.start(at), ranges.end(at)]);
}

/** Until which second the film is here without a hole, from `time` on; `time` itself when it isn't. */
export function hereUntil(parts: Run[], time: number): number {
  const found = parts.find(([from, to]) => from - 0.02 <= time && time < to);
  return found ? found[1] : time;
}

/** Where to go on when there is nothing at `time` and something soon after. */
export function afterHole(parts: Run[], time: number): number | null {
  if (hereUntil(parts, time) > time) return null;
  const next = parts.find(([from]) => from > time && from - time <= HOLE);
  return next ? next[0] + 0.01 : null;
}

/**
 * Plays a film in `video` until the returned function is called. `failed` gets what to say, once.
 */
export function feed(video: HTMLVideoElement, film: Feed, failed: (words: string) => void): () => void {
  const source = new MediaSource();
  const url = URL.createObjectURL(source);
  let fetching: AbortController | null = null;
  let buffer: SourceBuffer | null = null;
  let isOver = false;
  let tries = 0;
  /** Until where the film was here when a stream ended or broke off. */
  let reached = -1;
  let settling: ReturnType<typeof setTimeout> | undefined;

  const end = () => {
    isOver = true;
    fetching?.abort();
    clearTimeout(settling);
    video.removeEventListener("error", broken);
    video.removeEventListener("seeking", leap);
    video.removeEventListener("timeupdate", look);
    video.removeEventListener("waiting", look);
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  };
  const fail = (words: string) => {
    if (isOver) return;
    fetching?.abort();
    clearTimeout(settling);
    isOver = true;
    failed(words);
  };
  const broken = () => fail("the browser can't play what it was converted to");
  const here = () => (buffer && source.readyState !== "closed" ? runs(buffer.buffered) : []);
  const ahead = () => hereUntil(here(), video.currentTime) - video.currentTime;
  const isWhole = () => {
    const length = source.duration;
    return Number.isFinite(length) && hereUntil(here(), video.currentTime) >= length - 1;
  };

  /** The buffer has taken what it was given. */
  const idle = (of: SourceBuffer) =>
    new Promise<void>((resolve) => {
      if (!of.updating) return resolve();
      of.addEventListener("updateend", () => resolve(), { once: true });
    });

  /**
   * Puts bytes in, unless they are not wanted any more; where there is no room, what was shown goes. `false`
   * when that is not enough: so much is ahead that more has to wait.
   */
  const put = async (of: SourceBuffer, bytes: BufferSource, signal: AbortSignal) => {
    for (let attempt = 0; ; attempt += 1) {
      await idle(of);
      if (signal.aborted || source.readyState === "closed") return true;
      try {
        of.appendBuffer(bytes);
        await idle(of);
        return true;
      } catch (error) {
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        const until = video.currentTime - BEHIND;
        if (!isFull) throw error;
        if (attempt > 0 || until <= 0) return false;
        of.remove(0, until);
      }
    }
  };

  /** Goes on where the film that is here ends; `false` when that did not help before. */
  const goOn = () => {
    const until = hereUntil(here(), video.currentTime);
    tries = until > reached + 0.5 ? 0 : tries + 1;
    reached = until;
    if (tries >= TRIES) return false;
    void run(until);
    return true;
  };

  const run = async (from: number) => {
    fetching?.abort();
    const control = new AbortController();
    fetching = control;
    const of = buffer;
    if (!of || isOver) return;
    try {
      const response = await fetch(film.url(Math.max(0, from - BEFORE)), { signal: control.signal });
      if (!response.ok || !response.body) {
        const told = (await response.json().catch(() => null)) as { message?: string } | null;
        return fail(told?.message ?? `the node answered ${response.status}`);
      }
      await idle(of);
      if (control.signal.aborted || source.readyState === "closed") return;
      // Half a fragment of another part is not gone on with.
      if (source.readyState === "open") of.abort();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (control.signal.aborted) return;
        if (done) break;
        const hasRoom = await put(of, value, control.signal);
        if (control.signal.aborted) return;
        look();
        if (!hasRoom || ahead() > AHEAD) {
          fetching = null;
          control.abort();
          return;
        }
      }
      fetching = null;
      ended();
    } catch (error) {
      if (control.signal.aborted || isOver) return;
      fetching = null;
      if (!goOn()) fail(error instanceof Error ? error.message : String(error));
    }
  };

  /** The node has given all that there is; or it broke off, or the film is shorter than it says. */
  const ended = () => {
    if (source.readyState !== "open" || !buffer) return;
    if (film.seconds !== null && !isWhole() && goOn()) return;
    source.endOfStream();
  };

  const leap = () => {
    if (hereUntil(here(), video.currentTime) > video.currentTime + 0.2) return look();
    if (source.readyState === "ended" && isWhole()) return;
    clearTimeout(settling);
    settling = setTimeout(() => {
      [tries, reached] = [0, -1];
      void run(video.currentTime);
    }, SETTLE_MS);
  };

  /** Asks for more in time, and does not stop at a small hole. */
  const look = () => {
    if (isOver) return;
    const next = afterHole(here(), video.currentTime);
    if (next !== null && !video.seeking) video.currentTime = next;
    if (fetching === null && !isWhole() && source.readyState === "open" && ahead() < LOW) {
      void run(hereUntil(here(), video.currentTime));
    }
  };

  source.addEventListener(
    "sourceopen",
    () => {
      if (isOver) return;
      try {
        buffer = source.addSourceBuffer(film.mediaType);
        if (film.seconds !== null) source.duration = film.seconds;
      } catch (error) {
        return fail(error instanceof Error ? error.message : String(error));
      }
      video.addEventListener("error", broken);
      video.addEventListener("seeking", leap);
      video.addEventListener("timeupdate", look);
      video.addEventListener("waiting", look);
      void run(video.currentTime);
    },
    { once: true },
  );
  video.src = url;
  return end;
}
