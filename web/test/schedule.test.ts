import { describe, expect, it } from "vitest";
import type { Limits } from "../src/api/types";
import { faults, fresh, inForce, isRate, read, type Rule, write } from "../src/lib/schedule";

const rule = (part: Partial<Rule>): Rule => ({ ...fresh(), up: "1MB/s", ...part });

describe("rules", () => {
  it("are read as the node writes them, and written so that it reads them", () => {
    const value = "mon-fri 08:00-18:00 up 500kB/s down 2MB/s, daily 23:00-07:30 pause, sat sun 00:00-24:00 down off";
    const rules = read(value) ?? [];
    expect(rules.length).toBe(3);
    expect(rules[0]).toEqual({
      days: [true, true, true, true, true, false, false],
      from: "08:00", to: "18:00", pause: false, up: "500kB/s", down: "2MB/s",
    });
    expect(rules[1]?.pause).toBe(true);
    expect(rules[2]).toMatchObject({ to: "00:00", up: "", down: "off" });
    expect(rules.map(write)).toEqual([
      "mon tue wed thu fri 08:00-18:00 up 500kB/s down 2MB/s",
      "daily 23:00-07:30 pause",
      "sat sun 00:00-00:00 down off",
    ]);
    expect(read("")).toEqual([]);
    expect(read(rules.map(write).join(", "))).toEqual(rules);
    expect(read("fri-mon 01:00-02:00 up 0")?.[0]?.days).toEqual([true, false, false, false, true, true, true]);
  });

  it("of a kind that is not known are left to the text field", () => {
    for (const value of ["every 08:00-09:00 pause", "mon 08:00-09:00 sideways 1MB/s", "mon 8-9 pause", "mon 08:00-09:00 up"]) {
      expect(read(value), value).toBeNull();
    }
  });

  it("say what is wrong with them", () => {
    expect(faults(rule({}))).toEqual({});
    expect(faults(rule({ from: "00:00", to: "00:00" }))).toEqual({});
    expect(faults(rule({ from: "22:00", to: "06:00", pause: true, up: "" }))).toEqual({});
    expect(Object.keys(faults(rule({ days: Array(7).fill(false) })))).toEqual(["days"]);
    expect(Object.keys(faults(rule({ from: "" })))).toEqual(["times"]);
    expect(Object.keys(faults(rule({ from: "09:00", to: "09:00" })))).toEqual(["times"]);
    expect(Object.keys(faults(rule({ up: " " })))).toEqual(["up"]);
    expect(Object.keys(faults(rule({ down: "fast" })))).toEqual(["down"]);
  });
});

describe("rates", () => {
  it("are those that the node takes", () => {
    for (const text of ["500 kB/s", "2MB/s", "512KiB", "1.5G", "4096", "10mbps", "off", "0", "2 mib/s"]) {
      expect(isRate(text), text).toBe(true);
    }
    for (const text of ["", "fast", "-1MB", "1TB/h", "1000", "1..2M", "12XB", "2000 GB/s", "1ib"]) {
      expect(isRate(text), text).toBe(false);
    }
  });
});

describe("what is in force", () => {
  const limits = (part: Partial<Limits>): Limits => ({
    up: null, down: null, max_connections: 1, max_memory_bytes: 1, storage_bytes: null, ...part,
  });
  it("is told with its end", () => {
    expect(inForce(limits({ up: 5e5 }))).toBe("upload 500 kB/s, download no limit");
    const schedule = { rules: [0, 2], until: 1, until_clock: "18:00", clock: "Tue 15:20" };
    expect(inForce(limits({ down: 0, schedule }))).toBe(
      "Rules 1 and 3 in force until 18:00: upload no limit, download paused",
    );
    const none = { ...schedule, rules: [], until: null, until_clock: null };
    expect(inForce(limits({ schedule: none }))).toBe("No rule in force: upload no limit, download no limit");
  });
});
