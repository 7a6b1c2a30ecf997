import { running, status } from "../../state/store";
import { Incoming } from "./Incoming";
import { PasteLink } from "./PasteLink";
import { DropZone } from "./Drop";
import { Shared } from "./Shared";
import { Uploads } from "./Uploads";
import { Troubles } from "./Troubles";

export function Home() {
  const peers = status.value?.peers.filter((peer) => peer.connected).length;
  return (
    <>
      <h1 class="visually-hidden">Home</h1>
      <section class="hero" aria-label="Fetch and share">
        <PasteLink />
        <DropZone />
      </section>
      <Uploads />
      <Troubles />
      <Incoming />
      <Shared />
      <p class="foot" data-running={running.value.length}>
        {peers === undefined
          ? "Asking the node …"
          : peers === 0
            ? "No peer is connected yet. They come as soon as you share or fetch something, or when another node knows yours."
            : `${peers === 1 ? "One peer is" : `${peers} peers are`} at the table.`}
      </p>
    </>
  );
}
