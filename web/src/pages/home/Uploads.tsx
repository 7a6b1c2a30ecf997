import { bytes, count, percent } from "../../lib/format";
import { dismiss, type UploadJob, uploads } from "../../state/uploads";
import { Bar, Copy, Failure, IconButton } from "../../ui/bits";
import { Icon } from "../../ui/Icon";

/** What this page is handing over, and the links that came of it. */
export function Uploads() {
  if (uploads.value.length === 0) return null;
  return (
    <section aria-labelledby="uploads-title">
      <h2 id="uploads-title">Going out</h2>
      <ul class="cards">
        {uploads.value.map((job) => (
          <Job key={job.key} job={job} />
        ))}
      </ul>
    </section>
  );
}

function words(job: UploadJob): string {
  const full = `${percent(job.done, job.total)} %`;
  switch (job.phase) {
    case "waiting":
      return "waits for those before it";
    case "sending":
      return `handing it to the node, ${full} of ${bytes(job.total)}`;
    case "hashing":
      return `computing its address, ${full}`;
    case "shared":
      return `${count(job.files, "file")}, ${bytes(job.total)}; anybody with the link can fetch it`;
    case "stopped":
      return "stopped";
    default:
      return "not shared";
  }
}

function Job({ job }: { job: UploadJob }) {
  const busy = job.phase === "sending" || job.phase === "hashing" || job.phase === "waiting";
  return (
    <li class="card" data-phase={job.phase}>
      <div class="card-head">
        <span class={`badge ${job.phase === "shared" ? "good" : ""}`}>
          <Icon name={job.phase === "shared" ? "check" : "up"} size={18} />
        </span>
        <div class="grow">
          <p class="name">{job.cid ? <a href={`/file/${job.cid}`}>{job.name}</a> : job.name}</p>
          <p class="hint">{words(job)}</p>
        </div>
        {busy ? (
          <IconButton icon="stop" label={`Stop sharing ${job.name}`} onClick={job.stop} />
        ) : (
          <IconButton
            icon="close"
            label={`Take ${job.name} off this list`}
            onClick={() => dismiss(job.key)}
          />
        )}
      </div>
      {busy ? (
        <Bar done={job.done} total={Math.max(1, job.total)} label={`Sharing ${job.name}`} />
      ) : null}
      {job.link ? (
        <div class="link-row">
          <input
            class="link-text"
            type="text"
            readOnly
            value={job.link}
            aria-label={`Link of ${job.name}`}
            onFocus={(event) => event.currentTarget.select()}
          />
          <Copy text={job.link} />
        </div>
      ) : null}
      {job.error ? <Failure error={job.error} /> : null}
      {job.skipped.length > 0 ? (
        <details class="hint">
          <summary>{count(job.skipped.length, "file")} left out</summary>
          <ul>
            {job.skipped.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      ) : null}
    </li>
  );
}
