/** Cuts a stream of text into JSON values, one a line, however the text was cut on its way. */
export class LineParser<T> {
  #rest = "";

  /** Takes more text; gives the values whose lines are complete. Throws on a line that is no JSON. */
  push(text: string): T[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as T);
  }

  /** The text has ended: what is left counts as a line. */
  end(): T[] {
    return this.push("\n");
  }
}

/** The values of a body that is one JSON object a line. */
export async function* readLines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  const parser = new LineParser<T>();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
    yield* parser.push(decoder.decode());
    yield* parser.end();
  } finally {
    // Who stops reading does not want the rest.
    await reader.cancel().catch(() => undefined);
  }
}
