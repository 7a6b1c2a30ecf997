import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, asError } from "../../api/client";
import type { Video } from "../../api/types";
import { feed } from "../../lib/feed";
import { isPlayed } from "../../lib/media";
import { sentence } from "../../lib/words";
import { Icon } from "../../ui/Icon";

export interface Shown {
  url: string;
  name: string;
  mediaType: string | null;
  /** Where it is saved from. */
  save: string;
  /** CID or link, and the path in a folder: by these the API knows it. */
  link: string;
  path: string;
}

/** How long a film that seems to play is left alone before it is asked whether its sound does. */
const LATER_MS = 4000;

/**
 * A film: from its own file where the browser plays that, else as the node converts it, else with words
 * that say what to do.
 */
export function Film(props: Shown) {
  const { url, link, path } = props;
  const type = (props.mediaType ?? "").split(";")[0] ?? "";
  const video = useSignal<Video | null>(null);
  const state = useSignal<"direct" | "asking" | "converted" | "failed">(isPlayed(type) ? "direct" : "asking");
  const reason = useSignal("");
  /** The browser turned down what browsers are said to play. */
  const convert = useSignal(false);

  const ask = async (isRefused: boolean) => {
    state.value = "asking";
    try {
      let told = await api.video(link, path, isRefused);
      if (told.way === "direct" && !isPlayed(type)) {
        // Matroska with what WebM has in it, for one.
        video.value = told;
        state.value = "direct";
        return;
      }
      if (told.media_type && !MediaSource.isTypeSupported(told.media_type)) {
        told = await api.video(link, path, true);
        convert.value = true;
      } else {
        convert.value = isRefused;
      }
      video.value = told;
      const can = told.media_type !== null && MediaSource.isTypeSupported(told.media_type);
      reason.value = told.reason ?? "";
      state.value = can ? "converted" : "failed";
    } catch (error) {
      reason.value = asError(error).message;
      state.value = "failed";
    }
  };
  useEffect(() => {
    video.value = null;
    convert.value = false;
    state.value = isPlayed(type) ? "direct" : "asking";
    if (state.value === "asking") void ask(false);
  }, [url]);

  switch (state.value) {
    case "direct":
      return <Direct {...props} onRefused={() => void ask(true)} onSilent={() => void ask(false)} />;
    case "asking":
      return (
        <div class="viewer none">
          <p role="status">Looking at the film …</p>
        </div>
      );
    case "converted":
      return (
        <Converted
          {...props}
          video={video.value}
          convert={convert.value}
          onFailed={(words) => {
            reason.value = words;
            state.value = "failed";
          }}
        />
      );
    case "failed":
      return (
        <Unplayable
          {...props}
          what={video.value?.what ?? ""}
          reason={reason.value}
          onRetry={() => void ask(convert.value)}
        />
      );
  }
}

function Direct(props: Shown & { onRefused: () => void; onSilent: () => void }) {
  const { url, name, link, path } = props;
  const later = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const isStrange = useSignal("");
  useEffect(() => () => clearTimeout(later.current), [url]);
  const onMetadata = (event: { currentTarget: HTMLVideoElement }) => {
    // Sound without the pictures: the browser knows one of both only.
    if (event.currentTarget.videoWidth === 0) return props.onRefused();
    clearTimeout(later.current);
    if (!/mp4|quicktime/.test(props.mediaType ?? "")) return;
    // Pictures without the sound is something that browsers don't tell of.
    later.current = setTimeout(() => {
      api.video(link, path, false).then(
        (told) => {
          if (told.way === "transcode") isStrange.value = told.what;
        },
        // It plays; nobody needs to know.
        () => undefined,
      );
    }, LATER_MS);
  };
  return (
    <div class="viewer dark">
      <video
        key={url}
        src={url}
        controls
        playsInline
        preload="metadata"
        aria-label={name}
        onError={props.onRefused}
        onLoadedMetadata={onMetadata}
      />
      {isStrange.value ? (
        <p class="under-film">
          <span>This is {isStrange.value}; something of it may be missing here.</span>
          <button type="button" class="button quiet" onClick={props.onSilent}>
            Convert it
          </button>
        </p>
      ) : null}
    </div>
  );
}

function Converted(
  props: Shown & { video: Video | null; convert: boolean; onFailed: (words: string) => void },
) {
  const { video, link, path, convert } = props;
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!element.current || !video?.media_type) return undefined;
    const film = {
      url: (start: number) => api.videoUrl(link, path, start, convert),
      mediaType: video.media_type,
      seconds: video.seconds,
    };
    return feed(element.current, film, props.onFailed);
  }, [props.url, video, convert]);
  return (
    <div class="viewer dark">
      <video key={props.url} ref={element} controls playsInline aria-label={props.name} data-way={video?.way} />
      <p class="under-film">
        {video?.what}
        {video?.way === "remux"
          ? ": put into a form that browsers play, while you watch."
          : ": converted on this node while you watch."}
      </p>
    </div>
  );
}

function Unplayable(props: Shown & { what: string; reason: string; onRetry: () => void }) {
  const isMissing = props.reason.startsWith("ffmpeg is not installed");
  const type = (props.mediaType ?? "").split(";")[0];
  const kind = props.what || `films such as this one${type ? ` (${type})` : ""}`;
  return (
    <div class="viewer none">
      <Icon name="file" size={44} />
      <p>
        This browser can't play {kind}
        {isMissing ? (
          <>
            . Install <code>ffmpeg</code> on the machine where the node runs, or download the film.
          </>
        ) : (
          `: ${sentence(props.reason)} Download it, and play it with another program.`
        )}
      </p>
      <p class="row">
        <button type="button" class="button quiet" onClick={props.onRetry}>
          <Icon name="reset" size={18} />
          Try again
        </button>
        <a class="button quiet" href={props.save} download={props.name}>
          <Icon name="down" size={18} />
          Download the film
        </a>
      </p>
    </div>
  );
}
