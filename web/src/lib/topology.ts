import type { PeerStatus } from "../api/types";

/** Where a peer is drawn around the node in the middle. */
export interface Seat {
  peer: PeerStatus;
  x: number;
  y: number;
  /** Width of the line to it. */
  width: number;
}

/** Peers that are drawn; a table lists all of them. */
export const MOST_SEATS = 36;

/**
 * Seats peers around a table: one ring, or two when there are many. The order is by id, so that
 * nobody changes places while rates change.
 */
export function seat(peers: PeerStatus[], centre: number, radius: number): Seat[] {
  const drawn = [...peers]
    .sort((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1))
    .slice(0, MOST_SEATS)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const rings = drawn.length > 14 ? 2 : 1;
  return drawn.map((peer, index) => {
    const ring = index % rings;
    const angle = (index / drawn.length) * 2 * Math.PI - Math.PI / 2;
    const reach = radius * (ring === 0 ? 1 : 0.7);
    return {
      peer,
      x: centre + reach * Math.cos(angle),
      y: centre + reach * Math.sin(angle),
      width: lineWidth(peer.rates.down + peer.rates.up),
    };
  });
}

function weight(peer: PeerStatus): number {
  return (peer.connected ? 1 : 0) + (peer.banned ? 0.5 : 0);
}

/** 1.5 for nothing, then a step for each tenfold from 1 kB/s on, at most 9. */
export function lineWidth(rate: number): number {
  if (rate < 1000) return 1.5;
  return Math.min(9, 1.5 + 1.5 * Math.log10(rate / 100));
}

/** What kind of program a peer runs, by what it says of itself. */
export function program(agent: string | null): "potluck" | "torrent" | "ipfs" | "other" {
  const text = (agent ?? "").toLowerCase();
  if (text.startsWith("potluck")) return "potluck";
  if (/torrent|transmission|deluge|aria2|^-/.test(text)) return "torrent";
  if (/kubo|go-ipfs|helia|ipfs|rust-libp2p|js-libp2p/.test(text)) return "ipfs";
  return "other";
}
