// Numbers in words. Sizes are in SI units, as the command line shows them.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes, with three digits: `0 B`, `999 B`, `1.23 MB`, `45.6 GB`. */
export function bytes(value: number): string {
  if (!Number.isFinite(value) || value < 0) return "–";
  let unit = 0;
  let number = value;
  // 999.5 would be written as 1000.
  while (number >= (unit === 0 ? 1000 : 999.5) && unit < UNITS.length - 1) {
    number /= 1000;
    unit += 1;
  }
  if (unit === 0) return `${Math.round(number)} B`;
  const digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return `${number.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes a second. */
export function rate(value: number): string {
  return `${bytes(value)}/s`;
}

/** Seconds in the two largest units that fit: `8 s`, `3 min 20 s`, `2 h 5 min`, `3 d`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  const whole = Math.round(seconds);
  const units: [string, number][] = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0 s";
  const parts: string[] = [];
  let rest = whole;
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/** A share of a whole, 0 to 100, rounded down: it is 100 only when all is there. */
export function percent(done: number, total: number): number {
  if (total <= 0) return done > 0 || total === 0 ? 100 : 0;
  return Math.max(0, Math.min(100, Math.floor((done / total) * 100)));
}

/** How many of something: `1 file`, `1,204 files`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
}

/** An id or address, shortened in the middle. */
export function short(id: string, head = 6, tail = 6): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

/** A moment, relative to now: `just now`, `5 min ago`, then the date. */
export function ago(at: number, now: number): string {
  const passed = now - at;
  if (passed < 10) return "just now";
  if (passed < 86400) return `${duration(passed < 60 ? passed : passed - (passed % 60))} ago`;
  return new Date(at * 1000).toLocaleDateString(undefined, {
    year: "numeric",
    month: "short",
    day: "numeric",
  });
}

/** The time of day, after the date where that is not today's. */
export function clock(at: number, now: number): string {
  const moment = new Date(at * 1000);
  const time = moment.toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  if (moment.toDateString() === new Date(now * 1000).toDateString()) return time;
  return `${moment.toLocaleDateString(undefined, { month: "short", day: "numeric" })} ${time}`;
}
