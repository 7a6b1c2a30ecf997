/** A QR code as one SVG path, each dark module a unit square; null when the text is too long. */
export interface Qr {
  size: number;
  path: string;
}

/** Modules around it that stay light, as scanners want. */
const QUIET = 3;

/** Rows of modules as a path: one stroke for each run of dark ones. */
export function toPath(rows: readonly (readonly boolean[])[]): string {
  let path = "";
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue;
      const from = x;
      while (row[x + 1]) x += 1;
      path += `M${from} ${y}h${x - from + 1}v1H${from}z`;
    }
  });
  return path;
}

export async function qr(text: string): Promise<Qr | null> {
  const { encode } = await import("uqr");
  try {
    const code = encode(text, { ecc: "L", border: QUIET });
    return { size: code.size, path: toPath(code.data) };
  } catch {
    // More than a code can hold: 2953 bytes.
    return null;
  }
}
