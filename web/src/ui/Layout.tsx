import type { ComponentChildren } from "preact";
import { bytes, rate } from "../lib/format";
import { sentence } from "../lib/words";
import { link, status } from "../state/store";
import { route } from "../state/route";
import { toast } from "../state/toast";
import { Icon, type IconName } from "./Icon";
import logo from "./logo.svg";

const PAGES: { page: string; to: string; label: string; icon: IconName }[] = [
  { page: "home", to: "/", label: "Home", icon: "home" },
  { page: "peers", to: "/peers", label: "Peers", icon: "peers" },
  { page: "activity", to: "/activity", label: "Activity", icon: "activity" },
  { page: "settings", to: "/settings", label: "Settings", icon: "settings" },
];

export function Layout({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href="/">
          <img src={logo} alt="" width="34" height="34" />
          <span>Potluck</span>
        </a>
        <Navigation />
        <Meter />
      </header>
      <Banner />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Toaster />
    </>
  );
}

function Navigation() {
  const here = route.value.page;
  return (
    <nav aria-label="Pages">
      {PAGES.map((it) => (
        <a key={it.page} href={it.to} aria-current={it.page === here ? "page" : undefined}>
          <Icon name={it.icon} />
          <span>{it.label}</span>
        </a>
      ))}
    </nav>
  );
}

function Meter() {
  // What was so when the node was last heard is not so now.
  const rates = link.value === "lost" ? undefined : status.value?.rates;
  const title = rates
    ? `Received ${bytes(rates.down_bytes)} and sent ${bytes(rates.up_bytes)} since the node started`
    : "";
  return (
    <div class="meter" title={title} role="group" aria-label="Rates now">
      <span class="down">
        <Icon name="down" size={16} />
        <span class="visually-hidden">down </span>
        {rate(rates?.down ?? 0)}
      </span>
      <span class="up">
        <Icon name="up" size={16} />
        <span class="visually-hidden">up </span>
        {rate(rates?.up ?? 0)}
      </span>
    </div>
  );
}

function Banner() {
  return (
    <div role="status" aria-live="polite">
      {link.value === "lost" ? (
        <p class="banner">
          <Icon name="warning" size={18} />
          <span>
            The node does not answer. This page comes back by itself when it does; start it with{" "}
            <code>potluck up</code>.
          </span>
        </p>
      ) : null}
    </div>
  );
}

function Toaster() {
  const shown = toast.value;
  return (
    <div class="toaster" role="status" aria-live="polite">
      {shown ? (
        <p class={`toast ${shown.bad ? "bad" : ""}`}>
          <Icon name={shown.bad ? "warning" : "check"} size={18} />
          <span>
            {shown.bad ? sentence(shown.text) : shown.text}
            {shown.hint ? <span class="hint"> {sentence(shown.hint)}</span> : null}
          </span>
          <button
            type="button"
            class="icon-button"
            aria-label="Close"
            onClick={() => (toast.value = null)}
          >
            <Icon name="close" size={18} />
          </button>
        </p>
      ) : null}
    </div>
  );
}
