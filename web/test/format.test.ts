import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, percent, short } from "../src/lib/format";
import { capital, sentence } from "../src/lib/words";

describe("sizes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [9994, "9.99 kB"],
    [9996, "10.0 kB"],
    [99_960, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [1_234_567, "1.23 MB"],
    [45_600_000_000, "45.6 GB"],
    [3e18, "3000 PB"],
    [-1, "–"],
    [NaN, "–"],
  ])("%d is %s", (value, text) => expect(bytes(value)).toBe(text));
});

describe("times", () => {
  it.each([
    [0, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [200, "3 min 20 s"],
    [7500, "2 h 5 min"],
    [86_400 * 3, "3 d"],
    [86_400 + 59, "1 d"],
    [Infinity, "–"],
  ])("%d is %s", (value, text) => expect(duration(value)).toBe(text));

  it("says how long ago", () => {
    expect(ago(100, 105)).toBe("just now");
    expect(ago(100, 130)).toBe("30 s ago");
    expect(ago(100, 100 + 3725)).toBe("1 h 2 min ago");
  });
});

describe("shares of a whole", () => {
  it("is whole only when all is there", () => {
    expect(percent(999_999, 1_000_000)).toBe(99);
    expect(percent(5, 5)).toBe(100);
    expect(percent(6, 5)).toBe(100);
    expect(percent(0, 0)).toBe(100);
  });
});

describe("words", () => {
  it("counts", () => {
    expect(count(1, "file")).toBe("1 file");
    expect(count(1204, "file")).toBe("1,204 files");
  });

  it("shortens ids and leaves short ones", () => {
    expect(short("12D3KooWEucv3rM44zyX")).toBe("12D3Ko…M44zyX");
    expect(short("abcdefghijklm")).toBe("abcdefghijklm");
  });

  it("begins sentences, and leaves addresses", () => {
    expect(capital("the node is up")).toBe("The node is up");
    expect(capital("https://example.org answered 404")).toBe("https://example.org answered 404");
    expect(capital("magnet: is no link")).toBe("Magnet: is no link");
    expect(capital("bafkr4i is not here")).toBe("bafkr4i is not here");
    expect(sentence("start it again")).toBe("Start it again.");
    expect(sentence("looking …")).toBe("Looking …");
  });
});
