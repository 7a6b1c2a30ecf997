/** A pattern that matches this path alone: what patterns give a meaning to stands for itself. */
export function exactly(path: string): string {
  return path.replace(/[[\]{}*?\\]/g, (sign) => `[${sign}]`);
}
