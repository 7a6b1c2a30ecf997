// Pictures of each page, for the documents: made of the made-up node, so that they show the same.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { enter, expectAccessible, launch, type Look, open } from "./browser";
import { isMock, type Node, startMock } from "./node";

const folder =
  process.env["POTLUCK_SHOTS"] ?? join(import.meta.dirname, "..", "..", "docs", "images");
const LOOKS: Record<string, Look> = {
  light: { scheme: "light" },
  dark: { scheme: "dark" },
  phone: { scheme: "light", width: 390, height: 844 },
};

describe.runIf(isMock)("pictures", () => {
  let browser: Browser;
  let node: Node;
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    browser = await launch();
    node = await startMock(4781);
  });
  afterAll(async () => {
    await browser?.close();
    await node?.stop();
  });

  it.for(Object.entries(LOOKS))("%s", async ([name, look]) => {
    const { context, page, errors } = await open(browser, look);
    const shot = async (what: string) => {
      await page.waitForTimeout(1200);
      await page.screenshot({ path: join(folder, `web-${what}-${name}.png`) });
      await expectAccessible(page, `${what} ${name}`);
    };
    await enter(page, node.login());
    await page.locator("[data-cid]").first().waitFor();
    await shot("home");
    await page.getByRole("link", { name: "A long evening.mp4" }).click();
    await page.locator(".pieces").waitFor();
    await shot("file");
    await enter(page, node.login());
    await page.getByRole("link", { name: "Holiday pictures" }).click();
    await page.getByRole("button", { name: /2026/ }).click();
    await page.getByRole("button", { name: /summer/ }).click();
    await page.getByRole("button", { name: /lake/ }).click();
    await shot("folder");
    for (const what of ["peers", "activity", "settings"]) {
      await page.goto(new URL(what, node.login()).href);
      await page.locator("h1").waitFor();
      await shot(what);
    }
    await page.locator("#set-schedule").scrollIntoViewIfNeeded();
    await page.locator("#set-schedule").evaluate((it) => it.scrollIntoView());
    await page.evaluate(() => window.scrollBy(0, -80));
    await shot("schedule");
    expect(errors).toEqual([]);
    await context.close();
  });
});
