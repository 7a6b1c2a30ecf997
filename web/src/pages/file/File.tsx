import { api } from "../../api/client";
import type { Content, Download } from "../../api/types";
import { bytes, count, percent } from "../../lib/format";
import { namedUrl, saveUrl, wholeUrl } from "../../lib/media";
import { downloads } from "../../state/store";
import { attempt } from "../../state/toast";
import { Copy, Failure } from "../../ui/bits";
import { Icon } from "../../ui/Icon";
import { Folder } from "./Folder";
import { useContent } from "./load";
import { PieceMap } from "./PieceMap";
import { QrCode } from "./Qr";
import { Others, Progress } from "./Sources";
import { Viewer } from "./Viewer";

export function File({ cid }: { cid: string }) {
  const loaded = useContent(cid);
  const content = loaded.content.value;
  if (loaded.error.value) {
    return (
      <>
        <h1>Not found</h1>
        <p class="wrap">
          <code>{cid}</code>
        </p>
        <Failure error={loaded.error.value} />
        <button type="button" class="button" onClick={loaded.retry}>
          Look again
        </button>
      </>
    );
  }
  if (!content) return <Looking cid={cid} seconds={loaded.waited.value} />;
  // A link that was opened says where to ask; an address alone does not.
  const link = cid.includes(":") ? cid : content.cid;
  const mine = downloads.value.filter((it) => it.cid === content.cid);
  const download = mine.find((it) => it.state === "running") ?? mine.at(-1);
  return (
    <>
      <Head content={content} link={link} download={download} />
      <div class="file-columns">
        <div class="file-main">
          {content.kind === "file" ? (
            <Viewer
              url={wholeUrl(content.content_url)}
              name={content.name}
              mediaType={content.media_type}
              bytes={content.bytes}
              save={saveUrl(namedUrl(content.content_url, content.link))}
              link={content.cid}
              path=""
            />
          ) : (
            <Folder content={content} link={link} />
          )}
          <PieceMap pieces={loaded.pieces} />
        </div>
        <aside class="file-side">
          {download?.state === "running" ? <Progress download={download} /> : null}
          <Others cid={content.cid} download={download} />
          <Links content={content} />
        </aside>
      </div>
    </>
  );
}

function Looking({ cid, seconds }: { cid: string; seconds: number }) {
  return (
    <>
      <h1>Looking for it</h1>
      <p class="wrap">
        <code>{cid}</code>
      </p>
      <p>
        <span role="status">Asking peers who has it</span>
        {seconds >= 2 ? `, for ${seconds} s; after 30 s it gives up` : ""} …
      </p>
    </>
  );
}

function Head(props: { content: Content; link: string; download: Download | undefined }) {
  const { content, link, download } = props;
  const isRunning = download?.state === "running";
  const facts = [bytes(content.bytes)];
  if (content.kind === "folder") {
    facts.push(count(content.file_count ?? content.files.length, "file"));
  } else if (content.media_type) {
    facts.push(content.media_type);
  }
  facts.push(
    content.complete
      ? "all of it is here"
      : `${percent(content.have_bytes, content.bytes)} % of it is here`,
  );
  const fetchIt = () => attempt(() => api.download({ link }));
  return (
    <header class="file-head">
      <div class="grow">
        <h1>{content.name}</h1>
        <p class="hint">{facts.join(" · ")}</p>
      </div>
      <div class="row">
        {content.complete ? null : isRunning ? (
          <button
            type="button"
            class="button quiet"
            onClick={() => void attempt(() => api.stopDownload(download.id))}
          >
            <Icon name="stop" size={18} />
            Stop
          </button>
        ) : (
          <button type="button" class="button" onClick={() => void fetchIt()}>
            <Icon name="down" size={18} />
            Fetch
          </button>
        )}
        {content.kind === "file" ? (
          <a
            class="button quiet"
            href={saveUrl(namedUrl(content.content_url, content.link))}
            download={content.name}
          >
            <Icon name="file" size={18} />
            Download
          </a>
        ) : (
          <a class="button quiet" href={content.content_url} target="_blank" rel="noopener">
            <Icon name="open" size={18} />
            Open the folder
          </a>
        )}
      </div>
    </header>
  );
}

function Links({ content }: { content: Content }) {
  return (
    <section aria-labelledby="links-title">
      <h2 id="links-title">Give it away</h2>
      <QrCode text={content.link} name={content.name} />
      <div class="row">
        <Copy text={content.link} />
        {content.magnet ? <Copy text={content.magnet} label="Copy magnet" /> : null}
        <Copy text={content.cid} label="Copy CID" />
      </div>
      <p class="wrap hint">
        <code>{content.cid}</code>
      </p>
    </section>
  );
}
