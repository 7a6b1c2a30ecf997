import { useComputed, type ReadonlySignal } from "@preact/signals";
import type { Pieces } from "../../api/types";
import { describe, fill, level } from "../../lib/pieces";

const COLUMNS = 72;
const ROWS = 8;
const STEPS = [0, 1, 2, 3, 4];

/** Which parts of the content are here: a cell for each piece, or for a few of them. */
export function PieceMap({ pieces }: { pieces: ReadonlySignal<Pieces | null> }) {
  const map = useComputed(() => {
    const value = pieces.value;
    if (!value || value.pieces === 0) return null;
    const cells = fill(value, COLUMNS * ROWS).map(level);
    return { cells, words: describe(value), each: value.pieces / cells.length };
  });
  if (!map.value) return null;
  const { cells, words, each } = map.value;
  // Few pieces fill the width all the same.
  const columns = Math.min(COLUMNS, cells.length);
  const rows = Math.ceil(cells.length / columns);
  const paths = STEPS.map((step) =>
    cells
      .map((cell, at) => (cell === step ? square(at % columns, Math.floor(at / columns)) : ""))
      .join(""),
  );
  return (
    <section aria-labelledby="pieces-title">
      <h2 id="pieces-title">Pieces</h2>
      <svg
        class="pieces"
        viewBox={`0 0 ${Math.max(columns, 36)} ${rows}`}
        role="img"
        aria-label={words}
        preserveAspectRatio="xMinYMin meet"
      >
        {paths.map((path, step) => (path ? <path key={step} class={`step-${step}`} d={path} /> : null))}
      </svg>
      <p class="hint">
        {words}
        {each > 1 ? ` A square stands for about ${Math.round(each)} pieces.` : ""}
      </p>
    </section>
  );
}

function square(x: number, y: number): string {
  return `M${x + 0.08} ${y + 0.08}h.84v.84h-.84z`;
}
