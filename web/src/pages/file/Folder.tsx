import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api } from "../../api/client";
import type { Content, ContentFile } from "../../api/types";
import { bytes, count } from "../../lib/format";
import { exactly } from "../../lib/glob";
import { fileUrl, saveUrl } from "../../lib/media";
import { levelOf } from "../../lib/tree";
import { attempt, say } from "../../state/toast";
import { IconButton } from "../../ui/bits";
import { Icon } from "../../ui/Icon";
import { Viewer } from "./Viewer";

/** Rows that are drawn before "show all". */
const FIRST = 200;

/** A folder: where one is in it, what is there, and the file that was chosen. */
export function Folder({ content, link }: { content: Content; link: string }) {
  const at = useSignal<string[]>([]);
  const chosen = useSignal<ContentFile | null>(null);
  const all = useSignal(false);
  const shown = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // It is above the list, which may be long.
    if (chosen.value) shown.current?.scrollIntoView({ block: "nearest" });
  }, [chosen.value]);
  const level = levelOf(content.files, at.value);
  const enter = (folder: string[]) => {
    at.value = folder;
    chosen.value = null;
    all.value = false;
  };
  const part = (path: string, name: string) =>
    content.complete ? null : <FetchPart link={link} path={path} name={name} />;
  const files = all.value ? level.files : level.files.slice(0, FIRST);
  const total = content.file_count ?? content.files.length;
  return (
    <section aria-labelledby="files-title">
      <h2 id="files-title">Files</h2>
      <div ref={shown} class="shown">
        {chosen.value ? (
          <Viewer
            url={fileUrl(content.content_url, chosen.value.path)}
            name={chosen.value.path}
            mediaType={chosen.value.media_type}
            bytes={chosen.value.bytes}
            save={saveUrl(fileUrl(content.content_url, chosen.value.path))}
            link={content.cid}
            path={chosen.value.path}
          />
        ) : null}
      </div>
      <nav class="crumbs" aria-label="Folders above">
        <button type="button" onClick={() => enter([])}>
          {content.name}
        </button>
        {at.value.map((part, index) => (
          <span key={`${index} ${part}`}>
            {" / "}
            <button type="button" onClick={() => enter(at.value.slice(0, index + 1))}>
              {part}
            </button>
          </span>
        ))}
      </nav>
      <ul class="files">
        {level.folders.map((it) => (
          <li key={`${it.name}/`}>
            <button type="button" class="open" onClick={() => enter([...at.value, it.name])}>
              <Icon name="folder" />
              <span class="grow">{it.name}</span>
              <span class="hint">
                {count(it.files, "file")}, {bytes(it.bytes)}
              </span>
            </button>
            {part([...at.value, it.name].join("/"), it.name)}
          </li>
        ))}
        {files.map(({ name, file }) => (
          <li key={file.path} class={chosen.value?.path === file.path ? "chosen" : ""}>
            <button
              type="button"
              class="open"
              aria-pressed={chosen.value?.path === file.path}
              onClick={() => (chosen.value = file)}
            >
              <Icon name="file" />
              <span class="grow">{name}</span>
              <span class="hint">{bytes(file.bytes)}</span>
            </button>
            {part(file.path, name)}
            <a
              class="icon-button"
              href={saveUrl(fileUrl(content.content_url, file.path))}
              download={name}
              title={`Download ${name}`}
              aria-label={`Download ${name}`}
            >
              <Icon name="down" />
            </a>
          </li>
        ))}
      </ul>
      {files.length < level.files.length ? (
        <button type="button" class="button quiet" onClick={() => (all.value = true)}>
          Show all {level.files.length}
        </button>
      ) : null}
      {total > content.files.length ? (
        <p class="hint">
          The first {count(content.files.length, "file")} of {total.toLocaleString("en")} are listed.
        </p>
      ) : null}
    </section>
  );
}

/** Fetches one file or folder of what is not here wholly. */
function FetchPart({ link, path, name }: { link: string; path: string; name: string }) {
  const fetchIt = async () => {
    const files = [exactly(path)];
    if (await attempt(() => api.download({ link, files }))) say(`Fetching ${name}`);
  };
  return <IconButton icon="plus" label={`Fetch only ${name}`} onClick={() => void fetchIt()} />;
}
