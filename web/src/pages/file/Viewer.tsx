import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { bytes } from "../../lib/format";
import { previewOf } from "../../lib/media";
import { Icon } from "../../ui/Icon";
import { Film } from "./Film";

/** Bytes of a text that are shown. */
const TEXT_BYTES = 256 * 1024;

interface Shown {
  url: string;
  name: string;
  mediaType: string | null;
  bytes: number;
  /** Where it is saved from. */
  save: string;
  /** CID or link, and the path in a folder; empty for a file by itself. */
  link: string;
  path: string;
}

/** A file as it is: a picture, a film, words. Its bytes come from the content's own origin. */
export function Viewer(props: Shown) {
  const type = useType(props);
  const kind = previewOf(type);
  const failed = useSignal(false);
  useEffect(() => {
    failed.value = false;
  }, [props.url]);
  if (failed.value) return <NoPreview {...props} words="The browser can't show this file." />;
  const onError = () => {
    failed.value = true;
  };
  switch (kind) {
    case "picture":
      return (
        <div class="viewer">
          <img src={props.url} alt={props.name} onError={onError} />
        </div>
      );
    case "video":
      return <Film key={props.url} {...props} mediaType={type} />;
    case "audio":
      return (
        <div class="viewer sound">
          <audio
            key={props.url}
            src={props.url}
            controls
            preload="metadata"
            aria-label={props.name}
            onError={onError}
          />
        </div>
      );
    case "pdf":
    case "page":
      return (
        <div class="viewer">
          <iframe key={props.url} src={props.url} title={props.name} />
        </div>
      );
    case "text":
      return <Text key={props.url} {...props} onError={onError} />;
    default:
      return <NoPreview {...props} words="There is no preview of this kind of file." />;
  }
}

/**
 * The media type; where the name tells none, as of something that was opened by its address alone,
 * the one that its first bytes tell the node.
 */
function useType({ url, mediaType }: Shown): string | null {
  const told = useSignal<string | null>(null);
  const isKnown = mediaType !== null && !mediaType.startsWith("application/octet-stream");
  useEffect(() => {
    told.value = null;
    if (isKnown) return undefined;
    const control = new AbortController();
    fetch(url, { method: "HEAD", signal: control.signal, credentials: "omit" }).then(
      (response) => {
        if (response.ok) told.value = response.headers.get("Content-Type");
      },
      // Then it stays a file of which nothing is shown.
      () => undefined,
    );
    return () => control.abort();
  }, [url, isKnown]);
  return isKnown ? mediaType : told.value;
}

function NoPreview({ url, words }: Shown & { words: string }) {
  return (
    <div class="viewer none">
      <Icon name="file" size={44} />
      <p>{words}</p>
      <p>
        <a href={url} target="_blank" rel="noopener">
          Open it by itself <Icon name="open" size={16} />
        </a>
      </p>
    </div>
  );
}

function Text(props: Shown & { onError: () => void }) {
  const text = useSignal<string | null>(null);
  useEffect(() => {
    const control = new AbortController();
    beginning(props.url, control.signal).then(
      (value) => (text.value = value),
      () => {
        if (!control.signal.aborted) props.onError();
      },
    );
    return () => control.abort();
  }, [props.url]);
  return (
    <div class="viewer text">
      {text.value === null ? (
        <p class="hint">Reading …</p>
      ) : (
        // A place that scrolls must be reachable with the keyboard.
        <pre tabIndex={0} aria-label={`Text of ${props.name}`}>
          {text.value}
        </pre>
      )}
      {props.bytes > TEXT_BYTES ? (
        <p class="hint">The first {bytes(TEXT_BYTES)} are shown.</p>
      ) : null}
    </div>
  );
}

/** The first bytes as text. The rest is not even fetched: reading ends, and the node notices. */
async function beginning(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, { signal, credentials: "omit" });
  if (!response.ok || !response.body) throw new Error(`answered ${response.status}`);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let left = TEXT_BYTES;
  while (left > 0) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value.subarray(0, left), { stream: true });
    left -= value.length;
  }
  await reader.cancel();
  return text;
}
