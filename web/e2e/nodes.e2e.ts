// Two real nodes: one shares, the other fetches and plays. POTLUCK_BIN names the program.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drop, enter, launch, open } from "./browser";
import { film } from "./film";
import { forget, isMock, type Node, startNode } from "./node";
import { untilPlaying } from "./video";

const SECONDS = 180;

/** The link that `potluck share` printed. */
const linkIn = (printed: string) => /potluck:\S+/.exec(printed)?.[0] ?? printed;
const cidOf = (link: string) => /bafk?[a-z0-9]{50,}/.exec(link)?.[0] ?? link;

describe.skipIf(isMock)("two nodes", () => {
  let browser: Browser;
  let giver: Node;
  let taker: Node;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "potluck-web-files-"));
    browser = await launch();
    giver = await startNode();
    taker = await startNode();
    taker.run("connect", giver.addresses[0] ?? "");
  });
  afterAll(async () => {
    await browser?.close();
    await giver?.stop();
    await taker?.stop();
    forget(giver);
    forget(taker);
    rmSync(folder, { recursive: true, force: true });
  });

  it("what is dropped on one is fetched by the other, with live progress", async () => {
    const one = await open(browser);
    await enter(one.page, giver.login());
    await drop(one.page, [{ name: "soup.txt", text: "leek\n".repeat(1000) }]);
    const link = await one.page.getByLabel("Link of soup.txt").inputValue();

    const big = join(folder, "big.bin");
    writeFileSync(big, randomBytes(24_000_000));
    await one.page.locator("#choose-files").setInputFiles(big);
    const field = one.page.getByLabel("Link of big.bin");
    await field.waitFor({ timeout: 60_000 });
    const bigLink = await field.inputValue();

    const two = await open(browser);
    // Slow enough to be watched.
    taker.run("config", "set", "limits.down", "4MB/s");
    await enter(two.page, taker.login());
    for (const given of [link, bigLink]) {
      await two.page.getByLabel("Fetch", { exact: true }).fill(given);
      await two.page.getByRole("button", { name: "Fetch" }).click();
    }
    await two.page.locator('.card[data-state="done"]', { hasText: "soup.txt" }).waitFor();
    const card = two.page.locator(".card", { hasText: "big.bin" });
    const bar = card.getByRole("progressbar");
    const seen = new Set<string>();
    await expect
      .poll(
        async () => {
          const value = await bar.getAttribute("aria-valuenow", { timeout: 200 }).catch(() => null);
          if (value) seen.add(value);
          return await card.getAttribute("data-state");
        },
        { timeout: 60_000, interval: 100 },
      )
      .toBe("done");
    expect(seen.size).toBeGreaterThan(3);
    await two.page.locator(".item", { hasText: "big.bin" }).waitFor();
    expect([...one.errors, ...two.errors]).toEqual([]);
    taker.run("config", "set", "limits.down", "off");
    await one.context.close();
    await two.context.close();
  });

  it("a limit that is set on the page holds", async () => {
    const path = join(folder, "limited.bin");
    writeFileSync(path, randomBytes(12_000_000));
    const link = linkIn(giver.run("share", path));
    const { page, context, errors } = await open(browser);
    await enter(page, taker.login());
    await page.getByRole("link", { name: "Settings" }).click();
    const field = page.locator('[data-key="limits.down"]').getByRole("textbox");
    await field.fill("2MB/s");
    await field.press("Enter");
    await page.getByText("in force now").waitFor();
    await page.getByRole("link", { name: "Home" }).click();
    await page.getByLabel("Fetch", { exact: true }).fill(link);
    const began = Date.now();
    await page.getByRole("button", { name: "Fetch" }).click();
    const done = page.locator('.card[data-state="done"]', { hasText: "limited.bin" });
    await done.waitFor({ timeout: 60_000 });
    const seconds = (Date.now() - began) / 1000;
    // 12 MB at 2 MB/s; a bucket may be full at the start.
    expect(seconds).toBeGreaterThan(4);
    expect(seconds).toBeLessThan(15);
    expect(errors).toEqual([]);
    taker.run("config", "set", "limits.down", "off");
    await context.close();
  });

  it("a rule of the schedule that covers now holds, and no longer when it is gone", async () => {
    const path = join(folder, "scheduled.bin");
    writeFileSync(path, randomBytes(12_000_000));
    const link = linkIn(giver.run("share", path));
    const { page, context, errors } = await open(browser);
    await enter(page, taker.login());
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Add a rule" }).click();
    const rule = page.locator('[data-rule="1"]');
    for (const day of ["Saturday", "Sunday"]) await rule.getByRole("button", { name: day }).click();
    await rule.getByLabel("From").fill("00:00");
    await rule.getByLabel(/^To/).fill("00:00");
    await rule.getByLabel("Download").fill("2 MB/s");
    await page.getByRole("button", { name: "Save the schedule" }).click();
    await rule.getByText("in force").waitFor();
    await page.getByText(/Rule 1 in force.*download 2.00 MB\/s/).waitFor();
    expect(taker.run("config", "get", "limits.schedule")).toBe("daily 00:00-24:00 down 2MB/s");
    expect(taker.run("status")).toContain("rule 1 holds");
    await page.getByRole("link", { name: "Home" }).click();
    await page.getByLabel("Fetch", { exact: true }).fill(link);
    const began = Date.now();
    await page.getByRole("button", { name: "Fetch" }).click();
    const done = page.locator('.card[data-state="done"]', { hasText: "scheduled.bin" });
    await done.waitFor({ timeout: 60_000 });
    const seconds = (Date.now() - began) / 1000;
    console.log(`12 MB within a rule of 2 MB/s: ${seconds} s`);
    expect(seconds).toBeGreaterThan(4);
    expect(seconds).toBeLessThan(15);

    await page.getByRole("link", { name: "Settings" }).click();
    await rule.getByRole("button", { name: "Remove rule 1" }).click();
    await page.getByRole("button", { name: "Save the schedule" }).click();
    await page.getByText("upload no limit, download no limit").waitFor();
    expect(errors).toEqual([]);
    await context.close();
  });

  it("a film plays before a tenth of it is here, and goes on after a leap", async () => {
    const path = join(folder, "film.mp4");
    film(path, SECONDS);
    const bytes = statSync(path).size;
    const link = linkIn(giver.run("share", path));
    // Slow enough that all of it can't have come by then.
    taker.run("config", "set", "limits.down", "3MB/s");
    const { page, context, errors } = await open(browser);
    await enter(page, taker.login(link));
    const video = page.locator("video");
    await video.waitFor({ timeout: 30_000 });
    const started = await untilPlaying(page, "start");
    const have = await page.evaluate(async (cid) => {
      const response = await fetch(`/api/v1/content/${cid}`);
      return ((await response.json()) as { have_bytes: number }).have_bytes;
    }, cidOf(link));
    console.log(`plays after ${Math.round(started)} ms with ${have} of ${bytes} bytes here`);
    expect(have / bytes).toBeLessThan(0.1);
    expect(started).toBeLessThan(1500);
    await page.waitForTimeout(500);
    const leapt = await untilPlaying(page, "seek");
    console.log(`plays at 75 % after ${Math.round(leapt)} ms`);
    expect(leapt).toBeLessThan(1000);
    await page.locator(".pieces").waitFor();
    expect(errors).toEqual([]);
    await context.close();
  });
});
