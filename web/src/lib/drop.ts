/** A file with its path in what was dropped, `photos/2024/a.jpg`. */
export interface Named {
  path: string;
  file: File;
}

/** Something to share as one: a file, or a folder with what is in it. */
export interface Bundle {
  name: string;
  files: Named[];
  /** A folder; its files' paths leave its own name out. */
  isFolder: boolean;
}

/** Files of one folder that are read at most; more are better shared from the command line. */
export const MOST_FILES = 20_000;

/** What was dropped: each file and each folder is one thing to share. */
export async function fromDrop(data: DataTransfer): Promise<Bundle[]> {
  // The list is emptied as soon as the event's handler returns: take all of it at once.
  const items = [...data.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const bundles: Bundle[] = [];
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) {
      const files: Named[] = [];
      await walk(entry as FileSystemDirectoryEntry, "", files);
      bundles.push({ name: entry.name, files, isFolder: true });
    } else if (file) {
      bundles.push(single(file));
    }
  }
  return bundles;
}

/** What a file chooser gave; one for folders gives paths. */
export function fromChooser(files: FileList): Bundle[] {
  const bundles = new Map<string, Bundle>();
  for (const file of files) {
    const [top, ...rest] = file.webkitRelativePath.split("/");
    if (top === undefined || rest.length === 0) {
      bundles.set(`file ${bundles.size}`, single(file));
      continue;
    }
    const bundle = bundles.get(`folder ${top}`) ?? { name: top, files: [], isFolder: true };
    bundle.files.push({ path: rest.join("/"), file });
    bundles.set(`folder ${top}`, bundle);
  }
  return [...bundles.values()];
}

function single(file: File): Bundle {
  return { name: file.name, files: [{ path: file.name, file }], isFolder: false };
}

async function walk(folder: FileSystemDirectoryEntry, prefix: string, into: Named[]) {
  const reader = folder.createReader();
  for (;;) {
    // A reader gives a part at a time, and nothing at the end.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (part.length === 0) return;
    for (const entry of part) {
      if (into.length >= MOST_FILES) {
        throw new Error(
          `'${folder.name}' has more than ${MOST_FILES.toLocaleString("en")} files; share it with 'potluck share' in a terminal`,
        );
      }
      const path = prefix + entry.name;
      if (entry.isDirectory) {
        await walk(entry as FileSystemDirectoryEntry, `${path}/`, into);
      } else {
        const file = await new Promise<File>((resolve, reject) =>
          (entry as FileSystemFileEntry).file(resolve, reject),
        );
        into.push({ path, file });
      }
    }
  }
}
