import { describe, expect, it } from "vitest";
import { describe as inWords, fill, held, level } from "../src/lib/pieces";

describe("the piece map", () => {
  it("has no more cells than pieces", () => {
    expect(fill({ pieces: 3, have: [[0, 1]] }, 100)).toEqual([1, 0, 0]);
    expect(fill({ pieces: 0, have: [] }, 100)).toEqual([]);
  });

  it("spreads many pieces over few cells", () => {
    expect(fill({ pieces: 100, have: [[5, 20]] }, 10)).toEqual([0.5, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("adds runs that meet in a cell", () => {
    const full = fill({ pieces: 10, have: [[0, 1], [2, 3]] }, 2);
    expect(full[0]).toBeCloseTo(0.4);
    expect(full[1]).toBe(0);
  });

  it("loses nothing where pieces do not divide evenly", () => {
    for (const [count, cells] of [[7, 3], [1000, 333], [97, 96]] as const) {
      const full = fill({ pieces: count, have: [[0, count]] }, cells);
      expect(full.length).toBe(cells);
      for (const part of full) expect(part).toBeCloseTo(1, 9);
      expect(full.map(level).every((step) => step === 4)).toBe(true);
    }
  });

  it("ignores what lies past the end", () => {
    expect(fill({ pieces: 2, have: [[1, 9]] }, 2)).toEqual([0, 1]);
  });

  it("is whole or empty only when it is", () => {
    expect([0, 0.001, 0.5, 0.999, 1].map(level)).toEqual([0, 1, 2, 3, 4]);
  });

  it("can be said", () => {
    expect(held({ pieces: 9, have: [[0, 2], [4, 5]] })).toBe(3);
    expect(inWords({ pieces: 9, have: [[0, 2], [4, 5]] })).toBe("3 of 9 pieces are here, in 2 runs.");
    expect(inWords({ pieces: 9, have: [] })).toBe("None of 9 pieces is here yet.");
    expect(inWords({ pieces: 9, have: [[0, 9]] })).toBe("All 9 pieces are here.");
    expect(inWords({ pieces: 1, have: [[0, 1]] })).toBe("Its one piece is here.");
  });
});
