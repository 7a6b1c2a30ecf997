// Rules of `limits.schedule`: as the node writes them, and as the editor shows them.

import type { Limits } from "../api/types";
import { rate } from "./format";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export const DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
/** Rules that the node takes. */
export const MOST_RULES = 64;

export interface Rule {
  /** Monday first. */
  days: boolean[];
  /** `HH:MM`; an end before the start is on the next day, and `00:00` is midnight at its end. */
  from: string;
  to: string;
  pause: boolean;
  /** Rates; empty: as at other times. */
  up: string;
  down: string;
}

/** What is wrong with a rule, by its parts. */
export type Faults = Partial<Record<"days" | "times" | "up" | "down", string>>;

/** The setting's value as rules; `null` when one of them is of a kind that is not known here. */
export function read(value: string): Rule[] | null {
  const texts = value.split(",").map((text) => text.trim());
  const rules = texts.filter((text) => text !== "").map(readOne);
  return rules.every((rule) => rule !== null) ? rules : null;
}

function readOne(text: string): Rule | null {
  const [, days = "", from = "", to = "", rest = ""] =
    /^([a-z\s-]+?)\s+(\d\d:\d\d)-(\d\d:\d\d)\s+(.+)$/.exec(text) ?? [];
  const marked = readDays(days.split(/\s+/));
  if (!marked) return null;
  const rule = { days: marked, from, to: to === "24:00" ? "00:00" : to, pause: false, up: "", down: "" };
  if (rest === "pause") return { ...rule, pause: true };
  const words = rest.split(/\s+/);
  for (let at = 0; at < words.length; at += 2) {
    const [direction, bound] = [words[at], words[at + 1]];
    if ((direction !== "up" && direction !== "down") || bound === undefined) return null;
    rule[direction] = bound;
  }
  return rule;
}

function readDays(words: string[]): boolean[] | null {
  const marked = DAYS.map(() => false);
  for (const word of words) {
    if (word === "daily") return marked.map(() => true);
    const [first = "", last = first] = word.split("-");
    const [from, to] = [DAYS.findIndex((day) => day === first), DAYS.findIndex((day) => day === last)];
    if (from < 0 || to < 0) return null;
    for (let step = 0; step <= (to + 7 - from) % 7; step += 1) marked[(from + step) % 7] = true;
  }
  return marked;
}

/** A rule as the node reads it. */
export function write(rule: Rule): string {
  const days = rule.days.every(Boolean) ? "daily" : DAYS.filter((_, at) => rule.days[at]).join(" ");
  const rates = (["up", "down"] as const).flatMap((way) => {
    const bare = rule[way].replace(/\s+/g, "");
    return bare ? [`${way} ${bare}`] : [];
  });
  const bounds = rule.pause ? ["pause"] : rates;
  return `${days} ${rule.from}-${rule.to} ${bounds.join(" ")}`;
}

/** What a new rule begins as. */
export function fresh(): Rule {
  return { days: DAYS.map((_, at) => at < 5), from: "08:00", to: "18:00", pause: false, up: "", down: "" };
}

/** Whether the node would take it, as far as can be told here. */
export function faults(rule: Rule): Faults {
  const found: Faults = {};
  if (!rule.days.some(Boolean)) found.days = "Choose a day at least.";
  const isTime = (text: string) => /^\d\d:\d\d$/.test(text);
  if (!isTime(rule.from) || !isTime(rule.to)) found.times = "Give both times.";
  else if (rule.from === rule.to && rule.from !== "00:00") {
    found.times = "It ends when it begins; 00:00 to 00:00 is the whole day.";
  }
  if (rule.pause) return found;
  if (!rule.up.trim() && !rule.down.trim()) found.up = "Give a rate for one of both, or choose the pause.";
  for (const way of ["up", "down"] as const) {
    if (rule[way].trim() && !isRate(rule[way])) found[way] = "Write for example 500 kB/s, 2 MB/s, 0 or off.";
  }
  return found;
}

/** Whether this is a rate, of 1 KiB/s at least, `0`, or `off`. */
export function isRate(text: string): boolean {
  const bare = text.trim().toLowerCase();
  if (bare === "off" || bare === "0") return true;
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmg]?(?:i?b|i)?)(?:\/s|ps)?$/.exec(bare) ?? [];
  const power = { k: 1, m: 2, g: 3 }[unit.charAt(0)] ?? 0;
  if (power === 0 && unit !== "" && unit !== "b") return false;
  const value = Number(number) * (unit.includes("i") ? 1024 : 1000) ** power;
  return number !== "" && value >= 1024 && value <= 1e12;
}

/** `Rule 1`, `Rules 1 and 3`. */
export function named(rules: number[]): string {
  const numbers = rules.map((at) => at + 1);
  return numbers.length === 1 ? `Rule ${numbers[0]}` : `Rules ${numbers.join(" and ")}`;
}

/** What holds now, in words. */
export function inForce(limits: Limits): string {
  const bound = (value: number | null) => (value === null ? "no limit" : value === 0 ? "paused" : rate(value));
  const both = `upload ${bound(limits.up)}, download ${bound(limits.down)}`;
  const now = limits.schedule;
  if (!now) return both;
  const who = now.rules.length > 0 ? `${named(now.rules)} in force` : "No rule in force";
  return `${who}${now.until_clock ? ` until ${now.until_clock}` : ""}: ${both}`;
}
