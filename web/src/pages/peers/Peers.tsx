import type { ComponentChildren } from "preact";
import type { PeerStatus, Status } from "../../api/types";
import { bytes, count, duration, rate, short } from "../../lib/format";
import { capital } from "../../lib/words";
import { status } from "../../state/store";
import { Copy, Empty } from "../../ui/bits";
import { Table } from "./Table";

const REACH: Record<string, string> = {
  public: "Others can reach this node.",
  private: "Others can reach this node only through a relay, or when it calls them.",
  unknown: "It is not known yet whether others can reach this node.",
};

export function Peers() {
  const seen = status.value;
  if (!seen) return <h1>Peers</h1>;
  const connected = seen.peers.filter((peer) => peer.connected);
  const others = seen.peers.filter((peer) => !peer.connected);
  return (
    <>
      <div class="section-head">
        <h1>Peers</h1>
        <p class="hint">
          {count(connected.length, "peer")} connected · {REACH[seen.reachability] ?? ""}
        </p>
      </div>
      <div class="table-top">
        <Table status={seen} />
        <Me status={seen} />
      </div>
      <section aria-labelledby="list-title">
        <h2 id="list-title">Who is there</h2>
        {seen.peers.length === 0 ? (
          <Empty title="Nobody else is at the table yet.">
            <p>
              Give one of this node's addresses to somebody: <code>potluck connect ADDRESS</code>. Or
              fetch something: whoever has it comes by.
            </p>
          </Empty>
        ) : (
          <PeerTable peers={[...connected, ...others]} />
        )}
      </section>
    </>
  );
}

function Me({ status }: { status: Status }) {
  return (
    <section aria-labelledby="me-title">
      <h2 id="me-title">This node</h2>
      <dl class="facts">
        <Fact name="Up for">{duration(status.uptime)}</Fact>
        <Fact name="Gives">
          {count(status.roots, "thing")}, {bytes(status.provided_bytes)}
        </Fact>
        <Fact name="Memory">{bytes(status.memory_bytes)}</Fact>
        <Fact name="Version">{status.version}</Fact>
        {status.private_network ? (
          <Fact name="Private network">
            <code>{status.private_network}</code>
          </Fact>
        ) : null}
        <Fact name="Id">
          <code class="wrap">{status.peer_id}</code>
        </Fact>
        <Fact name="Addresses">
          {status.addresses.map((address) => (
            <div class="address" key={address}>
              <code class="wrap">{breakable(address.replace(/\/p2p\/[^/]+$/, ""))}</code>
              <Copy text={address} label={`Copy the address ${address.slice(0, 40)}`} small />
            </div>
          ))}
        </Fact>
      </dl>
    </section>
  );
}

/** An address that breaks ahead of its slashes. */
function breakable(address: string): ComponentChildren {
  return address.split(/(?=\/)/).map((part, index) => (
    <span key={index}>
      {part}
      <wbr />
    </span>
  ));
}

function Fact(props: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function PeerTable({ peers }: { peers: PeerStatus[] }) {
  return (
    <div class="scroll" role="region" aria-labelledby="list-title" tabIndex={0}>
      <table class="peers">
        <thead>
          <tr>
            <th scope="col">Peer</th>
            <th scope="col">Program</th>
            <th scope="col">Path</th>
            <th scope="col" class="number">
              Latency
            </th>
            <th scope="col" class="number">
              Down
            </th>
            <th scope="col" class="number">
              Up
            </th>
            <th scope="col" class="number">
              Lanes
            </th>
          </tr>
        </thead>
        <tbody>
          {peers.map((peer) => (
            <Row key={peer.id} peer={peer} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ peer }: { peer: PeerStatus }) {
  const traffic = `received ${bytes(peer.rates.down_bytes)}, sent ${bytes(peer.rates.up_bytes)}`;
  return (
    <tr class={peer.banned ? "banned" : peer.connected ? "" : "gone"} data-peer={peer.id}>
      <th scope="row">
        <code title={`${peer.id}${peer.address ? `\n${peer.address}` : ""}`}>{short(peer.id)}</code>
        {peer.banned ? <span class="tag error">banned</span> : null}
        {peer.reason ? <p class="note">{capital(peer.reason)}</p> : null}
      </th>
      <td>{peer.agent ?? "–"}</td>
      <td>
        {peer.connected && peer.path ? (
          <span class={`path ${peer.path}`}>{peer.path}</span>
        ) : (
          "not connected"
        )}
      </td>
      <td class="number">{peer.rtt_ms === null ? "–" : `${peer.rtt_ms.toFixed(0)} ms`}</td>
      <td class="number" title={traffic}>
        {rate(peer.rates.down)}
      </td>
      <td class="number" title={traffic}>
        {rate(peer.rates.up)}
      </td>
      <td class="number">{peer.lanes}</td>
    </tr>
  );
}
