import { AxeBuilder } from "@axe-core/playwright";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

const isDist = process.env["POTLUCK_DIST"] === "1";

/** A browser; `CHROMIUM` names another one than Debian's. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    // Root has no sandbox of its own; a click counts as one although nobody sits there.
    args: [
      "--no-sandbox",
      "--autoplay-policy=no-user-gesture-required",
      // A document that did not come over the network counts as one from afar.
      ...(isDist ? ["--disable-features=LocalNetworkAccessChecks"] : []),
    ],
  });
}

export interface Watched {
  context: BrowserContext;
  page: Page;
  /** What the page complained of in the console. */
  errors: string[];
}

export interface Look {
  scheme?: "light" | "dark";
  width?: number;
  height?: number;
}

/** A page whose complaints are written down. */
export async function open(browser: Browser, look: Look = {}): Promise<Watched> {
  const context = await browser.newContext({
    colorScheme: look.scheme ?? "light",
    viewport: { width: look.width ?? 1280, height: look.height ?? 900 },
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  if (isDist) await useDist(context);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      errors.push(`${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  return { context, page, errors };
}

/**
 * Pages from dist/ in the place of those in the program, with the headers that it gives them: to try
 * a change without building the program again.
 */
async function useDist(context: BrowserContext): Promise<void> {
  const dist = join(import.meta.dirname, "..", "dist");
  const isPage = /^http:\/\/localhost:\d+\/(?!api\/|c\/|login)/;
  await context.route(isPage, async (route) => {
    const { pathname } = new URL(route.request().url());
    const asset = join(dist, pathname);
    if (pathname.startsWith("/assets/")) {
      // The document that a redirect leads to came from the program, and asks for what is in it.
      return existsSync(asset) ? route.fulfill({ path: asset }) : route.continue();
    }
    const response = await route.fetch();
    if (response.status() === 401) return route.fulfill({ response });
    return route.fulfill({ response, body: readFileSync(join(dist, "index.html")) });
  });
}

/** Goes in by an address that works once. */
export async function enter(page: Page, login: string): Promise<void> {
  await page.goto(login);
  // Where a redirect leads is not routed: that document came from the program itself.
  if (isDist) await page.goto(page.url());
}

/** No finding of axe that is serious or worse. */
export async function expectAccessible(page: Page, name: string): Promise<void> {
  const builder = new AxeBuilder({ page }).exclude("iframe");
  const { violations } = await builder.analyze();
  const serious = violations
    .filter((it) => it.impact === "serious" || it.impact === "critical")
    .flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.html.slice(0, 160)}`));
  expect(serious, `axe on ${name}`).toEqual([]);
}

/** Drops files on the page, as a hand would. */
export async function drop(page: Page, files: { name: string; text: string }[]): Promise<void> {
  const data = await page.evaluateHandle((given) => {
    const transfer = new DataTransfer();
    for (const { name, text } of given) transfer.items.add(new File([text], name));
    return transfer;
  }, files);
  for (const event of ["dragenter", "dragover", "drop"]) {
    await page.dispatchEvent("body", event, { dataTransfer: data });
  }
}
