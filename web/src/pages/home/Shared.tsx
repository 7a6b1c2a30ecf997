import { useSignal } from "@preact/signals";
import { api } from "../../api/client";
import type { RootSummary, TransferStatus } from "../../api/types";
import { ago, bytes, count, percent } from "../../lib/format";
import { capital, sentence } from "../../lib/words";
import { now, refreshRoots, roots, status } from "../../state/store";
import { attempt, say } from "../../state/toast";
import { Bar, Confirm, Copy, Empty, IconButton } from "../../ui/bits";
import { Icon } from "../../ui/Icon";

/** How many are listed before "show all". */
const FIRST = 50;

/** What this node holds and gives to others. */
export function Shared() {
  const all = useSignal(false);
  const list = roots.value?.roots ?? [];
  const shown = all.value ? list : list.slice(0, FIRST);
  return (
    <section aria-labelledby="shared-title">
      <div class="section-head">
        <h2 id="shared-title">What I share</h2>
        {status.value && list.length > 0 ? (
          <p class="hint">
            {count(list.length, "thing")}, {bytes(status.value.provided_bytes)}
          </p>
        ) : null}
      </div>
      {roots.value === null ? (
        <p class="hint">Asking the node …</p>
      ) : list.length === 0 ? (
        <Empty title="Your plate is empty.">
          <p>Drop a file or a folder anywhere on this page. What you fetch is shared too.</p>
        </Empty>
      ) : (
        <ul class="list">
          {shown.map((root) => (
            <Root key={root.cid} root={root} />
          ))}
        </ul>
      )}
      {shown.length < list.length ? (
        <button type="button" class="button quiet" onClick={() => (all.value = true)}>
          Show all {list.length}
        </button>
      ) : null}
      <Partials />
    </section>
  );
}

function where(root: RootSummary): string {
  switch (root.origin.kind) {
    case "shared":
      return root.origin.paths[0] ?? "";
    case "fetched":
      return root.origin.path;
    default:
      return "a copy in the node's own folder";
  }
}

function Root({ root }: { root: RootSummary }) {
  const asking = useSignal(false);
  const pin = () =>
    attempt(async () => {
      await api.pin(root.cid, !root.pinned);
      await refreshRoots();
    });
  const remove = () =>
    attempt(async () => {
      asking.value = false;
      const gone = await api.remove(root.cid);
      say(
        gone.freed_bytes > 0
          ? `${gone.name} is no longer shared; ${bytes(gone.freed_bytes)} are free again`
          : `${gone.name} is no longer shared`,
      );
      await refreshRoots();
    });
  const facts = [bytes(root.bytes)];
  if (root.files !== 1) facts.push(count(root.files, "file"));
  if (root.available_bytes < root.bytes) {
    facts.push(`${percent(root.available_bytes, root.bytes)} % of it here`);
  }
  facts.push(ago(root.created, now.value));
  return (
    <li class="item" data-cid={root.cid}>
      <span class="badge">
        <Icon name={root.files === 1 ? "file" : "folder"} size={18} />
      </span>
      <div class="grow">
        <p class="name">
          <a href={`/file/${root.cid}`}>{root.name}</a>
          {root.pinned ? <span class="tag">pinned</span> : null}
        </p>
        <p class="hint" title={where(root)}>
          {facts.join(" · ")}
        </p>
        {root.note ? <p class="note">{capital(root.note)}</p> : null}
        {root.problems.slice(0, 3).map((problem) => (
          <p class="note bad" key={problem.path}>
            {problem.path} is {problem.what}. {sentence(problem.hint)}
          </p>
        ))}
      </div>
      <div class="actions">
        <Copy text={root.link} />
        <IconButton
          icon="pin"
          label={root.pinned ? `Unpin ${root.name}` : `Pin ${root.name}: never make room of it`}
          pressed={root.pinned}
          onClick={() => void pin()}
        />
        <IconButton
          icon="trash"
          label={`Stop sharing ${root.name}`}
          onClick={() => (asking.value = true)}
        />
      </div>
      {asking.value ? (
        <Confirm
          title={`Stop sharing ${root.name}?`}
          action="Stop sharing"
          onYes={() => void remove()}
          onNo={() => (asking.value = false)}
        >
          <p>
            {root.origin.kind === "copied"
              ? "The node's copy of it is deleted."
              : "Your own files stay where they are."}{" "}
            Whoever has the link can no longer fetch it from you.
          </p>
        </Confirm>
      ) : null}
    </li>
  );
}

/** Downloads that were begun earlier, and wait for their link. */
function Partials() {
  const list = roots.value?.partials ?? [];
  if (list.length === 0) return null;
  return (
    <div class="partials">
      <h3>Begun earlier</h3>
      <ul class="list">
        {list.map((it) => (
          <Partial key={it.cid} partial={it} />
        ))}
      </ul>
    </div>
  );
}

function Partial({ partial }: { partial: TransferStatus }) {
  const resume = () =>
    attempt(() => api.download({ link: partial.cid, dest: partial.path }));
  return (
    <li class="item">
      <div class="grow">
        <p class="name">
          <a href={`/file/${partial.cid}`}>{partial.name || partial.cid}</a>
        </p>
        <Bar
          done={partial.done_bytes}
          total={partial.total_bytes}
          label={`Fetched of ${partial.name}`}
          tone="waits"
        />
        <p class="hint">
          {bytes(partial.done_bytes)} of {bytes(partial.total_bytes)} here
        </p>
      </div>
      <button type="button" class="button quiet" onClick={() => void resume()}>
        <Icon name="down" size={18} />
        Go on
      </button>
    </li>
  );
}
