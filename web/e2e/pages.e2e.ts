// What one node's pages do; against a real node, or the made-up one.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { drop, enter, expectAccessible, launch, open, type Watched } from "./browser";
import { forget, isMock, type Node, resume, startMock, startNode } from "./node";

const PORT = 4782;
let browser: Browser;
let node: Node;
let at: Watched;

beforeAll(async () => {
  browser = await launch();
  node = isMock ? await startMock(PORT) : await startNode();
});
afterAll(async () => {
  await browser?.close();
  await node?.stop();
  forget(node);
});
beforeEach(async () => {
  at = await open(browser);
  await enter(at.page, node.login());
  await at.page.locator("h1").waitFor();
});
afterEach(async () => {
  await at.context.close();
});

describe("sharing", () => {
  it("takes a file that is dropped anywhere, and gives its link", async () => {
    const { page, errors } = at;
    await page.getByRole("link", { name: "Activity" }).click();
    await drop(page, [{ name: "a list.txt", text: "bread\nwine\n" }]);
    const link = page.getByLabel("Link of a list.txt");
    await link.waitFor();
    expect(await link.inputValue()).toMatch(/^potluck:/);
    await page.locator(".card", { has: link }).getByRole("button", { name: "Copy link" }).click();
    await page.getByText("Copied").waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toBe(await link.inputValue());
    await page.locator(".item", { hasText: "a list.txt" }).waitFor();
    expect(errors).toEqual([]);
  });

  it("takes a folder that is chosen", async () => {
    const { page } = at;
    const { mkdtempSync, mkdirSync, writeFileSync, rmSync } = await import("node:fs");
    const { join } = await import("node:path");
    const { tmpdir } = await import("node:os");
    const top = mkdtempSync(join(tmpdir(), "potluck-web-folder-"));
    const folder = join(top, "Cake & tea");
    mkdirSync(join(folder, "inner"), { recursive: true });
    writeFileSync(join(folder, "one.txt"), "one");
    writeFileSync(join(folder, "inner", "twö #.txt"), "two");
    await page.locator("#choose-folder").setInputFiles(folder);
    await page.getByLabel("Link of Cake & tea").waitFor();
    rmSync(top, { recursive: true });
    await page.locator(".item").getByRole("link", { name: "Cake & tea" }).click();
    await page.getByRole("button", { name: /^one\.txt/ }).click();
    await page.locator("pre", { hasText: "one" }).waitFor();
    await page.getByRole("button", { name: /^inner/ }).click();
    await page.getByRole("button", { name: /twö #/ }).click();
    await page.locator("pre", { hasText: "two" }).waitFor();
    expect(at.errors).toEqual([]);
  });

  it("stops after a question", async () => {
    const { page } = at;
    await drop(page, [{ name: "to go.txt", text: "gone soon" }]);
    const item = page.locator(".item", { hasText: "to go.txt" });
    await item.waitFor();
    await item.getByRole("button", { name: /^Pin/ }).click();
    await item.getByText("pinned").waitFor();
    await item.getByRole("button", { name: /^Stop sharing/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await item.count()).toBe(1);
    await item.getByRole("button", { name: /^Stop sharing/ }).click();
    await expectAccessible(page, "the question");
    await page.getByRole("dialog").getByRole("button", { name: "Stop sharing" }).click();
    await item.waitFor({ state: "detached" });
    expect(at.errors).toEqual([]);
  });
});

describe("fetching", () => {
  it("says what is wrong with a text that is no link", async () => {
    const { page } = at;
    await page.getByLabel("Fetch", { exact: true }).fill("no link at all");
    await page.getByRole("button", { name: "Fetch" }).click();
    const failure = page.locator(".failure").first();
    await failure.waitFor();
    expect(((await failure.textContent()) ?? "").length).toBeGreaterThan(10);
  });

  it("tells what it waits for, and stops", async () => {
    const { page } = at;
    const magnet = `magnet:?xt=urn:btih:${"5".repeat(40)}&dn=Nobody+has+it`;
    await page.getByLabel("Fetch", { exact: true }).fill(magnet);
    await page.getByLabel("Fetch", { exact: true }).press("Enter");
    const card = page.locator(".card", { hasText: "Nobody has it" });
    await card.locator(".words").waitFor();
    await card.getByRole("button", { name: /^Stop/ }).click();
    await card.getByText(/stopped/i).waitFor();
    await card.getByRole("button", { name: /^Take/ }).click();
    await card.waitFor({ state: "detached" });
    expect(at.errors).toEqual([]);
  });
});

describe("settings", () => {
  it("change a limit that holds at once, refuse nonsense, and go back", async () => {
    const { page } = at;
    await page.getByRole("link", { name: "Settings" }).click();
    const entry = page.locator('[data-key="limits.down"]');
    const field = entry.getByRole("textbox");
    await field.fill("fast");
    await entry.getByRole("button", { name: "Save" }).click();
    await entry.locator(".failure").waitFor();
    await field.fill("3MB/s");
    await field.press("Enter");
    await page.getByText("in force now").waitFor();
    await page.reload();
    expect(await field.inputValue()).toBe("3MB/s");
    await entry.getByRole("button", { name: /^Back to the default/ }).click();
    await expect.poll(() => field.inputValue()).toBe("off");
    // What was refused is told by the browser too.
    expect(at.errors.filter((text) => !text.includes("400"))).toEqual([]);
  });

  it("take rules of a schedule, tell what is wrong with them, and show them again", async () => {
    const { page } = at;
    await page.goto(new URL("/settings", page.url()).href);
    const section = page.locator("#set-schedule");
    const add = section.getByRole("button", { name: "Add a rule" });
    await add.waitFor();
    while ((await section.locator(".rule").count()) > 0) {
      await section.getByRole("button", { name: "Remove rule 1" }).click();
    }
    await add.click();
    const first = section.locator('[data-rule="1"]');
    // The new rule is where the keyboard goes on.
    await expect.poll(() => first.evaluate((it) => it.contains(document.activeElement))).toBe(true);
    const save = section.getByRole("button", { name: "Save the schedule" });
    await save.click();
    await first.getByText("Give a rate for one of both").waitFor();
    await expectAccessible(page, "a rule with a fault");
    await first.getByLabel("Upload").fill("much");
    await first.getByText("Write for example").waitFor();
    await first.getByLabel("Upload").fill("500 kB/s");
    await first.getByRole("button", { name: "Saturday" }).press("Space");
    await add.click();
    const second = section.locator('[data-rule="2"]');
    await second.getByLabel("From").fill("23:00");
    await second.getByLabel(/^To/).fill("07:00");
    await second.getByText("To, the next day").waitFor();
    await second.getByLabel("What holds").selectOption("pause");
    await second.getByRole("button", { name: "Move rule 2 up" }).click();
    expect(await first.getByLabel("What holds").inputValue()).toBe("pause");
    await save.click();
    await save.waitFor({ state: "detached" });
    await page.reload();
    await section.locator('[data-rule="2"]').waitFor();
    expect(await first.getByLabel("What holds").inputValue()).toBe("pause");
    expect(await second.getByLabel("Upload").inputValue()).toMatch(/^500 ?kB\/s$/);
    const saturday = second.getByRole("button", { name: "Saturday" });
    expect(await saturday.getAttribute("aria-pressed")).toBe("true");
    await expectAccessible(page, "a schedule");
    for (let left = 2; left > 0; left -= 1) await section.getByRole("button", { name: "Remove rule 1" }).click();
    await save.click();
    await save.waitFor({ state: "detached" });
    expect(at.errors).toEqual([]);
  });

  it("say when a restart is needed", async () => {
    const { page } = at;
    await page.goto(new URL("/settings", page.url()).href);
    const entry = page.locator('[data-key="net.lan"]');
    const lan = entry.getByRole("switch");
    await lan.click();
    await page.getByText(/after a restart of the node/).waitFor();
    await lan.click();
  });

  it("keep the colours that were chosen", async () => {
    const { page } = at;
    await page.goto(new URL("/settings", page.url()).href);
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await paper();
    await page.getByRole("radio", { name: "Dark" }).check({ force: true });
    await expect.poll(paper).not.toBe(light);
    await page.reload();
    expect(await paper()).not.toBe(light);
  });
});

describe("every page", () => {
  it.for(["/", "/peers", "/activity", "/settings", "/nowhere"])(
    "%s has no complaints, neither from the browser nor from axe",
    async (path) => {
      const { page, errors } = at;
      for (const scheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.goto(new URL(path, page.url()).href);
        await page.locator("h1").waitFor();
        await page.waitForTimeout(300);
        await expectAccessible(page, `${path} ${scheme}`);
      }
      expect(errors.filter((text) => path !== "/nowhere" || !text.includes("404"))).toEqual([]);
    },
  );

  it("can be reached with the keyboard alone", async () => {
    const { page } = at;
    await page.keyboard.press("Tab");
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());
    expect(await focused()).toBe("Skip to the page");
    for (const name of ["Potluck", "Home", "Peers"]) {
      await page.keyboard.press("Tab");
      expect(await focused()).toBe(name);
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Peers", level: 1 }).waitFor();
  });

  it("does not scroll sideways on a phone", async () => {
    const { page } = at;
    await page.setViewportSize({ width: 360, height: 740 });
    for (const path of ["/", "/peers", "/activity", "/settings"]) {
      await page.goto(new URL(path, page.url()).href);
      await page.locator("h1").waitFor();
      await page.waitForTimeout(200);
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(over, path).toBeLessThanOrEqual(0);
    }
  });
});

describe("a node that goes away", () => {
  it("is missed, and welcomed back without a reload", async () => {
    const { page } = at;
    await page.evaluate(() => ((window as unknown as { same: boolean }).same = true));
    await node.stop();
    await page.getByText("The node does not answer").waitFor();
    node = isMock ? await startMock(PORT) : await resume(node.data);
    await page.getByText("The node does not answer").waitFor({ state: "detached", timeout: 30_000 });
    const isSame = await page.evaluate(() => (window as unknown as { same?: boolean }).same);
    expect(isSame).toBe(true);
  });
});

describe("a browser that was not let in", () => {
  it("is told how to get in", async () => {
    const locked = isMock ? await startMock(4783, { POTLUCK_MOCK_LOCKED: "1" }) : node;
    const stranger = await open(browser);
    await stranger.page.goto(new URL("/peers", locked.login()).href);
    await stranger.page.getByText("potluck open").waitFor();
    await stranger.context.close();
    if (isMock) await locked.stop();
  });
});
