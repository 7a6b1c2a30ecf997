import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type Bundle, fromChooser, fromDrop } from "../../lib/drop";
import { go, route } from "../../state/route";
import { attempt } from "../../state/toast";
import { upload } from "../../state/uploads";
import { Icon } from "../../ui/Icon";

function share(bundles: Bundle[]): void {
  upload(bundles);
  if (bundles.length > 0 && route.value.page !== "home") go("/");
}

/** Takes files that are dropped anywhere on the page, and shows that it would. */
export function DropAnywhere() {
  const over = useSignal(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    // Each element that is crossed enters and leaves; only the last leaving is one.
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      over.value = true;
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      over.value = depth > 0;
    };
    const hover = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      over.value = false;
      const data = event.dataTransfer;
      if (data) void attempt(async () => share(await fromDrop(data)));
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: hover, drop } as const;
    const all = Object.entries(listeners) as [string, (event: Event) => void][];
    for (const [name, listener] of all) window.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of all) window.removeEventListener(name, listener);
    };
  }, []);
  return over.value ? (
    <div class="drop-veil" aria-hidden="true">
      <div>
        <Icon name="plus" size={40} />
        <p>Let go to share</p>
      </div>
    </div>
  ) : null;
}

/** Where files are dropped, or chosen. */
export function DropZone() {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    if (input.files) share(fromChooser(input.files));
    input.value = "";
  };
  // Not a property that the types know; browsers have had it for years.
  const chooseFolder = { webkitdirectory: true };
  return (
    <div class="dropzone">
      <p class="dropzone-title">Bring something to the table</p>
      <p class="hint">Drop files or folders anywhere on this page, and get a link to give away.</p>
      <div class="row">
        <button type="button" class="button" onClick={() => files.current?.click()}>
          <Icon name="plus" size={18} />
          Share files
        </button>
        <button type="button" class="button quiet" onClick={() => folder.current?.click()}>
          <Icon name="folder" size={18} />
          A folder
        </button>
      </div>
      <input
        ref={files}
        id="choose-files"
        type="file"
        multiple
        hidden
        aria-label="Files to share"
        onChange={(event) => take(event.currentTarget)}
      />
      <input
        ref={folder}
        id="choose-folder"
        type="file"
        hidden
        aria-label="Folder to share"
        {...chooseFolder}
        onChange={(event) => take(event.currentTarget)}
      />
    </div>
  );
}
