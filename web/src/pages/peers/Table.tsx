// The node and its peers, seated around a table. The table of rows below it says the same in words.

import { useSignal } from "@preact/signals";
import type { PathKind, PeerStatus, Status } from "../../api/types";
import { bytes, rate, short } from "../../lib/format";
import { MOST_SEATS, program, seat, type Seat } from "../../lib/topology";

const SIZE = 640;
const HALF = SIZE / 2;
const RADIUS = 238;
const POT = 58;

export function Table({ status }: { status: Status }) {
  const chosen = useSignal<string | null>(null);
  const seats = seat(status.peers, HALF, RADIUS);
  const shown = seats.find((it) => it.peer.id === chosen.value);
  const left = status.peers.length - Math.min(status.peers.length, MOST_SEATS);
  return (
    <figure class="topology">
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={words(status)}>
        <circle class="cloth" cx={HALF} cy={HALF} r={HALF - 6} />
        <circle class="cloth-edge" cx={HALF} cy={HALF} r={HALF - 18} />
        {seats.map((it) => (
          <Line key={it.peer.id} at={it} />
        ))}
        <g class="pot">
          <circle cx={HALF} cy={HALF} r={POT} />
          <circle class="pot-rim" cx={HALF} cy={HALF} r={POT - 9} />
          <text x={HALF} y={HALF - 5}>
            this node
          </text>
          <text class="small" x={HALF} y={HALF + 14}>
            {short(status.peer_id, 4, 4)}
          </text>
        </g>
        {seats.map((it) => (
          <PeerPlate
            key={it.peer.id}
            at={it}
            chosen={chosen.value === it.peer.id}
            onChoose={() => (chosen.value = it.peer.id)}
            onLeave={() => (chosen.value = null)}
          />
        ))}
        {shown ? <Tip at={shown} /> : null}
      </svg>
      <figcaption>
        <Key name="direct" text="direct" />
        <Key name="lan" text="local network" />
        <Key name="relayed" text="relayed" />
        <span class="hint">the thicker the line, the more moves</span>
        {left > 0 ? <span class="hint">{left} more are in the list</span> : null}
      </figcaption>
    </figure>
  );
}

function words(status: Status): string {
  const connected = status.peers.filter((peer) => peer.connected);
  const by = (path: string) => connected.filter((peer) => peer.path === path).length;
  return `${connected.length} peers around this node: ${by("direct")} direct, ${by("lan")} on the local network, ${by("relayed")} relayed. The table below lists them.`;
}

function Line({ at }: { at: Seat }) {
  if (!at.peer.connected) return null;
  const moves = at.peer.rates.down + at.peer.rates.up >= 1000;
  const inward = at.peer.rates.down >= at.peer.rates.up;
  return (
    <g class={`line ${at.peer.path ?? "direct"}`}>
      <line
        x1={HALF}
        y1={HALF}
        x2={at.x}
        y2={at.y}
        stroke-width={at.width}
        stroke-dasharray={dashes(at.peer.path, at.width)}
      />
      {moves ? (
        <line
          class={`flow ${inward ? "inward" : "outward"}`}
          x1={HALF}
          y1={HALF}
          x2={at.x}
          y2={at.y}
          stroke-width={Math.max(2, at.width * 0.45)}
        />
      ) : null}
    </g>
  );
}

/** Dots for the local network, dashes for a relay; as far apart as they are thick. */
function dashes(path: PathKind | null, width: number): string | undefined {
  if (path === "lan") return `0.1 ${width * 1.7 + 2}`;
  if (path === "relayed") return `${width * 2 + 4} ${width * 1.7 + 4}`;
  return undefined;
}

function PeerPlate(props: {
  at: Seat;
  chosen: boolean;
  onChoose: () => void;
  onLeave: () => void;
}) {
  const { peer, x, y } = props.at;
  const state = peer.banned ? "banned" : peer.connected ? "" : "gone";
  return (
    <g
      class={`seat ${state} ${props.chosen ? "chosen" : ""}`}
      onPointerEnter={props.onChoose}
      onPointerLeave={props.onLeave}
    >
      <circle cx={x} cy={y} r={26} />
      <circle class="rim" cx={x} cy={y} r={19} />
      {peer.banned ? (
        <path d={`M${x - 8} ${y - 8}l16 16m0 -16l-16 16`} />
      ) : (
        <circle class={`food ${program(peer.agent)}`} cx={x} cy={y} r={11} />
      )}
      <text x={x} y={y < HALF - 1 ? y - 33 : y + 43}>
        {peer.id.slice(-4)}
      </text>
    </g>
  );
}

function lines(peer: PeerStatus): string[] {
  const list = [short(peer.id, 8, 8), peer.agent ?? "unknown program"];
  if (peer.connected) {
    const latency = peer.rtt_ms === null ? "" : `, ${peer.rtt_ms.toFixed(0)} ms`;
    list.push(`${peer.path ?? "connected"}${latency}`);
    list.push(`↓ ${rate(peer.rates.down)}  ↑ ${rate(peer.rates.up)}`);
  } else {
    list.push(`not connected, ${bytes(peer.rates.down_bytes)} received`);
  }
  if (peer.reason) list.push(peer.reason.slice(0, 40));
  return list;
}

function Tip({ at }: { at: Seat }) {
  const text = lines(at.peer);
  const width = 40 + Math.max(...text.map((line) => line.length)) * 7.4;
  const height = 22 + text.length * 20;
  const x = Math.max(8, Math.min(SIZE - width - 8, at.x - width / 2));
  const y = at.y > HALF ? at.y - height - 34 : at.y + 34;
  return (
    <g class="tip">
      <rect x={x} y={y} width={width} height={height} rx={10} />
      {text.map((line, index) => (
        <text key={line} x={x + 16} y={y + 28 + index * 20}>
          {line}
        </text>
      ))}
    </g>
  );
}

function Key({ name, text }: { name: PathKind; text: string }) {
  return (
    <span class={`key line ${name}`}>
      <svg width="34" height="10" viewBox="0 0 34 10" aria-hidden="true">
        <line x1="2" y1="5" x2="32" y2="5" stroke-width="4" stroke-dasharray={dashes(name, 4)} />
      </svg>
      {text}
    </span>
  );
}
