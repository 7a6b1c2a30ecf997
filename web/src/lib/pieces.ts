import type { Pieces } from "../api/types";

/** How full each of `cells` equal parts of the content is, 0 to 1. Never more cells than pieces. */
export function fill(pieces: Pieces, cells: number): number[] {
  const count = Math.min(cells, pieces.pieces);
  if (count <= 0) return [];
  const width = pieces.pieces / count;
  const full = new Array<number>(count).fill(0);
  for (const [from, to] of pieces.have) {
    const end = Math.min(to, pieces.pieces);
    const last = Math.min(count - 1, Math.ceil(end / width) - 1);
    for (let cell = Math.floor(from / width); cell <= last; cell += 1) {
      const inside = Math.min(end, (cell + 1) * width) - Math.max(from, cell * width);
      if (inside > 0) full[cell] = Math.min(1, (full[cell] ?? 0) + inside / width);
    }
  }
  return full;
}

/** A step of 0 (nothing) to 4 (all); only what is whole is 4, only what is empty is 0. */
export function level(part: number): number {
  if (part <= 0) return 0;
  if (part >= 1 - 1e-9) return 4;
  return 1 + Math.min(2, Math.floor(part * 3));
}

/** Pieces that are here. */
export function held(pieces: Pieces): number {
  return pieces.have.reduce((sum, [from, to]) => sum + Math.max(0, to - from), 0);
}

/** The map in words. */
export function describe(pieces: Pieces): string {
  const here = held(pieces);
  const of = `${here.toLocaleString("en")} of ${pieces.pieces.toLocaleString("en")}`;
  if (pieces.pieces === 1) return here > 0 ? "Its one piece is here." : "Its one piece is not here yet.";
  if (here >= pieces.pieces) return `All ${pieces.pieces.toLocaleString("en")} pieces are here.`;
  if (here === 0) return `None of ${pieces.pieces.toLocaleString("en")} pieces is here yet.`;
  const runs = pieces.have.length;
  return `${of} pieces are here, in ${runs === 1 ? "one run" : `${runs} runs`}.`;
}
