// Files of each kind that pages show, from a real node.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { enter, expectAccessible, launch, open, type Watched } from "./browser";
import { film } from "./film";
import { forget, isMock, type Node, startNode } from "./node";
import { untilPlaying } from "./video";

/** The smallest PDF that a viewer takes: one page with a line of text. */
const PDF = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj
4 0 obj<</Length 44>>stream
BT /F1 24 Tf 40 100 Td (Bean stew) Tj ET    
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
`;
const PAGE = `<!doctype html><title>A page</title><h1>Hello from a page</h1>
<script>document.querySelector("h1").textContent = "a script ran"</script>
<img src="http://localhost:1/out.png">`;

describe.skipIf(isMock)("a file's page", () => {
  let browser: Browser;
  let node: Node;
  let at: Watched;
  let folder: string;

  beforeAll(async () => {
    folder = join(mkdtempSync(join(tmpdir(), "potluck-web-kinds-")), "All kinds");
    mkdirSync(folder);
    const make = (...args: string[]) => execFileSync("ffmpeg", ["-loglevel", "error", "-f", "lavfi", ...args]);
    make("-i", "gradients=size=320x200", "-frames:v", "1", join(folder, "picture.png"));
    make("-i", "sine=frequency=440:duration=20", join(folder, "sound.ogg"));
    film(join(folder, "film.mp4"), 60);
    writeFileSync(join(folder, "paper.pdf"), PDF);
    writeFileSync(join(folder, "page.html"), PAGE);
    writeFileSync(join(folder, "words.md"), "# Bread\n");
    writeFileSync(join(folder, "else.bin"), "\0\u0001");
    browser = await launch();
    node = await startNode();
    node.run("share", folder);
  });
  afterAll(async () => {
    await browser?.close();
    await node?.stop();
    forget(node);
    rmSync(join(folder, ".."), { recursive: true, force: true });
  });
  beforeEach(async () => {
    at = await open(browser);
    await enter(at.page, node.login());
    await at.page.getByRole("link", { name: "All kinds" }).click();
    await at.page.locator(".files").waitFor();
  });
  afterEach(async () => {
    expect(at.errors).toEqual([]);
    await at.context.close();
  });
  const choose = (name: string) => at.page.getByRole("button", { name: new RegExp(`^${name}`) }).click();

  it("shows a picture", async () => {
    await choose("picture");
    const width = () => at.page.locator(".viewer img").evaluate((it) => (it as HTMLImageElement).naturalWidth);
    await expect.poll(width).toBe(320);
    await expectAccessible(at.page, "a folder with a picture");
  });

  it("shows words", async () => {
    await choose("words");
    await at.page.locator("pre", { hasText: "# Bread" }).waitFor();
  });

  it("plays sound", async () => {
    await choose("sound");
    const length = () => at.page.locator("audio").evaluate((it) => (it as HTMLAudioElement).duration);
    await expect.poll(length).toBeGreaterThan(19);
  });

  it("plays a film, from anywhere in it", async () => {
    await choose("film");
    await at.page.locator("video").waitFor();
    expect(await untilPlaying(at.page, "start")).toBeLessThan(1500);
    expect(await untilPlaying(at.page, "seek")).toBeLessThan(1000);
  });

  it("shows a page of somebody else, whose scripts do not run", async () => {
    await choose("page");
    await at.page.frameLocator(".viewer iframe").getByText("Hello from a page").waitFor();
    // The browser tells that it ran no script, and fetched nothing from elsewhere.
    const refused = at.errors.filter((text) => /sandboxed|Content Security Policy/.test(text));
    expect(refused.length).toBe(at.errors.length);
    at.errors.length = 0;
  });

  it("shows a PDF", async () => {
    await choose("paper");
    const frame = at.page.locator(".viewer iframe");
    await frame.waitFor();
    await at.page.waitForTimeout(1500);
    if (process.env["POTLUCK_SHOTS"]) {
      await at.page.screenshot({ path: join(process.env["POTLUCK_SHOTS"], "pdf.png") });
    }
  });

  it("says when there is nothing to show, and saves it", async () => {
    await choose("else");
    await at.page.getByText("There is no preview").waitFor();
    const saved = at.page.waitForEvent("download");
    await at.page.getByRole("link", { name: "Download else.bin" }).click();
    expect((await saved).suggestedFilename()).toBe("else.bin");
  });
});
