import type { ContentFile } from "../api/types";

/** What lies straight in a folder. */
export interface Level {
  folders: { name: string; files: number; bytes: number }[];
  files: { name: string; file: ContentFile }[];
}

/** The files and folders straight within `folder` (its parts; none for the top). */
export function levelOf(files: readonly ContentFile[], folder: readonly string[]): Level {
  const prefix = folder.map((part) => `${part}/`).join("");
  const folders = new Map<string, { name: string; files: number; bytes: number }>();
  const here: Level["files"] = [];
  for (const file of files) {
    if (!file.path.startsWith(prefix)) continue;
    const rest = file.path.slice(prefix.length);
    const cut = rest.indexOf("/");
    if (cut < 0) {
      here.push({ name: rest, file });
      continue;
    }
    const name = rest.slice(0, cut);
    const found = folders.get(name) ?? { name, files: 0, bytes: 0 };
    found.files += 1;
    found.bytes += file.bytes;
    folders.set(name, found);
  }
  const order = (a: { name: string }, b: { name: string }) =>
    a.name.localeCompare(b.name, "en", { numeric: true });
  return { folders: [...folders.values()].sort(order), files: here.sort(order) };
}
