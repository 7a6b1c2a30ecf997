import { describe, expect, it } from "vitest";
import { LineParser, readLines } from "../src/api/ndjson";

function body(parts: Uint8Array[], onCancel: () => void = () => undefined) {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = parts[at++];
      if (part) controller.enqueue(part);
      else controller.close();
    },
    cancel: onCancel,
  });
}

describe("JSON lines", () => {
  it("come whole however they were cut", () => {
    const text = '{"a":1}\n\n{"a":"ä\\n"}\r\n{"a":3}';
    for (let size = 1; size < text.length; size += 1) {
      const parser = new LineParser<{ a: unknown }>();
      const found: unknown[] = [];
      for (let at = 0; at < text.length; at += size) {
        found.push(...parser.push(text.slice(at, at + size)));
      }
      found.push(...parser.end());
      expect(found).toEqual([{ a: 1 }, { a: "ä\n" }, { a: 3 }]);
    }
  });

  it("are read from a body that is cut within a character", async () => {
    const bytes = new TextEncoder().encode('{"name":"Käse 🧀"}\n{"last":true}');
    const parts = [...bytes].map((byte) => new Uint8Array([byte]));
    const found: unknown[] = [];
    for await (const value of readLines(body(parts))) found.push(value);
    expect(found).toEqual([{ name: "Käse 🧀" }, { last: true }]);
  });

  it("let the sender know that nobody reads on", async () => {
    let cancelled = false;
    const parts = [new TextEncoder().encode("1\n2\n"), new TextEncoder().encode("3\n")];
    for await (const value of readLines(body(parts, () => (cancelled = true)))) {
      if (value === 1) break;
    }
    expect(cancelled).toBe(true);
  });

  it("do not pass what is no JSON", () => {
    expect(() => new LineParser().push("<html>\n")).toThrow();
  });
});
