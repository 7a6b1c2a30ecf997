// Which page is shown: the path, kept in a signal.

import { computed, signal } from "@preact/signals";

const path = signal(location.pathname);

export type Route =
  | { page: "home" | "peers" | "activity" | "settings" | "unknown" }
  | { page: "file"; cid: string };

export function parse(pathname: string): Route {
  const parts = pathname.split("/").filter((part) => part !== "");
  const [first, ...rest] = parts;
  if (first === undefined) return { page: "home" };
  if (first === "file" && rest.length > 0) {
    return { page: "file", cid: decode(rest.join("/")) };
  }
  if (rest.length === 0 && (first === "peers" || first === "activity" || first === "settings")) {
    return { page: first };
  }
  return { page: "unknown" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = computed(() => parse(path.value));

/** Shows another page of this node. */
export function go(to: string): void {
  history.pushState(null, "", to);
  path.value = location.pathname;
  window.scrollTo(0, 0);
}

/** Lets plain clicks on links within these pages change the page without a new document. */
export function follow(): void {
  window.addEventListener("popstate", () => (path.value = location.pathname));
  document.addEventListener("click", (event) => {
    const isPlain =
      event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!isPlain || event.defaultPrevented || !anchor?.href) return;
    if (anchor.target || anchor.hasAttribute("download")) return;
    const to = new URL(anchor.href);
    const isHere = to.origin === location.origin && !to.pathname.startsWith("/api/");
    // A link to a place within the page is the browser's own business.
    if (!isHere || (to.hash !== "" && to.pathname === location.pathname)) return;
    event.preventDefault();
    go(to.pathname + to.search + to.hash);
  });
}
