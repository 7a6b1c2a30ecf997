import { sentence } from "../../lib/words";
import { status } from "../../state/store";
import { Icon } from "../../ui/Icon";

/** How many are shown at once. */
const MOST = 5;

/** What the owner should look at: files that changed, trackers, the watched folder. */
export function Troubles() {
  const seen = status.value;
  if (!seen) return null;
  const lines = [
    ...seen.problems.map((it) => `${it.path} is ${it.what}. ${sentence(it.hint)}`),
    ...seen.tracker_troubles.map((it) => `Tracker ${it.tracker} of ${it.name || it.cid}: ${it.what}`),
    ...(seen.torrents.watch?.troubles ?? []).map((it) => `${it.path}: ${it.what}`),
    ...(seen.torrents.blocklist?.trouble ? [`Blocklist: ${seen.torrents.blocklist.trouble}`] : []),
  ];
  if (lines.length === 0) return null;
  return (
    <section class="troubles" aria-labelledby="troubles-title">
      <h2 id="troubles-title">
        <Icon name="warning" size={20} /> Worth a look
      </h2>
      <ul>
        {lines.slice(0, MOST).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {lines.length > MOST ? (
        <p class="hint">
          and {lines.length - MOST} more; <code>potluck doctor</code> lists all
        </p>
      ) : null}
    </section>
  );
}
