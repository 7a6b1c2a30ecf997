import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

/** A browser; `CHROMIUM` names another one than Debian's. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    // Root has no sandbox of its own; a click counts as one although nobody sits there.
    args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
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
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      errors.push(`${message.text()} (${message.location().url})`);
    }
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  return { context, page, errors };
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
