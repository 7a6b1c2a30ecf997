import { describe, expect, it } from "vitest";
import { afterHole, hereUntil } from "../src/lib/feed";

describe("what is here of a film", () => {
  const parts: [number, number][] = [
    [0.01, 10],
    [20, 30],
    [30.5, 31],
  ];
  it("reaches to the next hole", () => {
    expect(hereUntil(parts, 0)).toBe(10);
    expect(hereUntil(parts, 9.9)).toBe(10);
    expect(hereUntil(parts, 10)).toBe(10);
    expect(hereUntil(parts, 15)).toBe(15);
    expect(hereUntil(parts, 25)).toBe(30);
    expect(hereUntil([], 3)).toBe(3);
  });

  it("is gone on with behind a small hole, and not behind a large one", () => {
    expect(afterHole(parts, 5)).toBeNull();
    expect(afterHole(parts, 19.5)).toBe(20.01);
    expect(afterHole(parts, 30)).toBe(30.51);
    expect(afterHole(parts, 12)).toBeNull();
    expect(afterHole(parts, 40)).toBeNull();
  });
});
