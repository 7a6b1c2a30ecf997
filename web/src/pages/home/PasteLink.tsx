import { useSignal } from "@preact/signals";
import { api, asError } from "../../api/client";
import type { ErrorBody } from "../../api/types";
import { downloads } from "../../state/store";
import { say } from "../../state/toast";
import { Failure } from "../../ui/bits";
import { Icon } from "../../ui/Icon";

/** The field that takes every kind of link. */
export function PasteLink() {
  const text = useSignal("");
  const busy = useSignal(false);
  const error = useSignal<ErrorBody | null>(null);

  const fetchIt = async (event: Event) => {
    event.preventDefault();
    const link = text.value.trim();
    if (link === "" || busy.value) return;
    busy.value = true;
    error.value = null;
    try {
      const begun = await api.download({ link });
      // The node tells of it by itself; this only shows it at once.
      if (!downloads.value.some((it) => it.id === begun.id)) {
        downloads.value = [...downloads.value, begun];
      }
      text.value = "";
      say("Fetching: see 'Coming in'");
    } catch (failed) {
      error.value = asError(failed);
    } finally {
      busy.value = false;
    }
  };

  return (
    <form class="paste" onSubmit={fetchIt}>
      <label for="link">Fetch</label>
      <div class="paste-field">
        <Icon name="link" />
        <input
          id="link"
          type="text"
          placeholder="Paste any link"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={text.value}
          aria-describedby="link-kinds"
          onInput={(event) => {
            text.value = event.currentTarget.value;
            error.value = null;
          }}
        />
        <button type="submit" class="button" disabled={busy.value || text.value.trim() === ""}>
          <Icon name="down" size={18} />
          Fetch
        </button>
      </div>
      <p id="link-kinds" class="hint">
        potluck: or magnet: link, CID, infohash, or the address of a .torrent file
      </p>
      {error.value ? <Failure error={error.value} /> : null}
    </form>
  );
}
