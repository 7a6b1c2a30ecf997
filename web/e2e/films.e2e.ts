// Films that browsers do not play, watched on a second node while they come.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { enter, expectAccessible, launch, open, type Watched } from "./browser";
import { forget, isMock, type Node, startNode } from "./node";
import { untilPlaying } from "./video";

const SECONDS = 120;
/** Of the film's own pictures: what a browser may take to show the first after a click, or a leap. */
const SOON_MS = 12_000;

const linkIn = (printed: string) => /potluck:\S+/.exec(printed)?.[0] ?? printed;

/** Programs that convert for this node now. */
function converters(node: Node): number {
  // It ends with 1 where there is none.
  const { stdout } = spawnSync("ps", ["-o", "pid,stat,comm", "--ppid", String(node.process.pid)], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => /ffmpeg$/.test(line.trim()) && !/\sZ/.test(line)).length;
}

describe.skipIf(isMock)("a film that the browser does not play", () => {
  let browser: Browser;
  let giver: Node;
  let taker: Node;
  let folder: string;
  const make = (name: string, ...codecs: string[]) => {
    const path = join(folder, name);
    execFileSync("ffmpeg", [
      ...["-loglevel", "error", "-f", "lavfi", "-i", `testsrc2=size=640x360:rate=24:duration=${SECONDS}`],
      ...["-f", "lavfi", "-i", `sine=frequency=330:duration=${SECONDS}`, ...codecs, "-y", path],
    ]);
    return linkIn(giver.run("share", path));
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "potluck-web-films-"));
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

  /** Milliseconds until the film shows the right length, plays, and plays three quarters into it. */
  async function watch({ page }: Watched, name: string): Promise<void> {
    const video = page.locator("video[data-way]");
    await video.waitFor({ timeout: 30_000 });
    const started = await untilPlaying(page, "start");
    const length = await video.evaluate((it) => (it as HTMLVideoElement).duration);
    expect(Math.abs(length - SECONDS)).toBeLessThan(1);
    const leapt = await untilPlaying(page, "seek");
    const at = await video.evaluate((it) => (it as HTMLVideoElement).currentTime);
    console.log(`${name}: plays after ${Math.round(started)} ms, at 75 % after ${Math.round(leapt)} ms`);
    expect(started).toBeLessThan(SOON_MS);
    expect(leapt).toBeLessThan(SOON_MS);
    expect(Math.abs(at - SECONDS * 0.75)).toBeLessThan(3);
    // There are pictures, and they move.
    const frames = () =>
      video.evaluate((it) => (it as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames);
    const before = await frames();
    await expect.poll(frames, { timeout: 10_000 }).toBeGreaterThan(before + 10);
    // Back to what was shown before.
    await video.evaluate((it) => ((it as HTMLVideoElement).currentTime = 1));
    await expect
      .poll(() => video.evaluate((it) => (it as HTMLVideoElement).currentTime), { timeout: 10_000 })
      .toBeGreaterThan(1.2);
    if (process.env["POTLUCK_SHOTS"]) {
      await page.screenshot({ path: join(process.env["POTLUCK_SHOTS"], `film-${name}.png`) });
    }
    await expectAccessible(page, name);
  }

  it("Matroska with H.264 and AAC is put into MP4, plays and leaps", async () => {
    const link = make("evening.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "1M", "-g", "48", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac");
    taker.run("config", "set", "limits.down", "4MB/s");
    const at = await open(browser);
    await enter(at.page, taker.login(link));
    await watch(at, "remux");
    expect(await at.page.locator("video").getAttribute("data-way")).toBe("remux");
    taker.run("config", "set", "limits.down", "off");
    expect(at.errors).toEqual([]);
    await at.context.close();
  });

  it("AVI with MPEG-4 and MP3 is converted, and the program ends with its viewer", async () => {
    const link = make("old.avi", "-c:v", "mpeg4", "-b:v", "1500k", "-c:a", "libmp3lame");
    const at = await open(browser);
    await enter(at.page, taker.login(link));
    await watch(at, "transcode");
    expect(await at.page.locator("video").getAttribute("data-way")).toBe("transcode");
    await at.page.getByText("MPEG-4 Visual and MP3 in AVI").waitFor();
    expect(converters(taker)).toBeLessThanOrEqual(1);
    await at.page.getByRole("link", { name: "Home" }).click();
    await expect.poll(() => converters(taker), { timeout: 5000 }).toBe(0);
    expect(at.errors).toEqual([]);
    await at.context.close();
  });

  it("MP4 with AC-3, of which browsers show the pictures alone, is offered with its sound", async () => {
    const link = make("silent.mp4", "-t", "30", "-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-pix_fmt", "yuv420p", "-c:a", "ac3", "-movflags", "+faststart");
    const at = await open(browser);
    await enter(at.page, taker.login(link));
    await at.page.locator("video").waitFor({ timeout: 30_000 });
    await at.page.getByText("This is H.264 and AC-3 in MP4").waitFor();
    await expectAccessible(at.page, "a film without its sound");
    await at.page.getByRole("button", { name: "Convert it" }).click();
    await at.page.locator('video[data-way="transcode"]').waitFor();
    expect(await untilPlaying(at.page, "start")).toBeLessThan(SOON_MS);
    const sound = () =>
      at.page.locator("video").evaluate((it) => (it as unknown as { webkitAudioDecodedByteCount: number }).webkitAudioDecodedByteCount);
    await expect.poll(sound, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(at.errors).toEqual([]);
    await at.context.close();
  });

  it("says what to do where ffmpeg is not installed", async () => {
    const bare = await startNode("", { PATH: "/nowhere" });
    try {
      const link = make("older.avi", "-t", "2", "-c:v", "mpeg4", "-c:a", "libmp3lame");
      bare.run("connect", giver.addresses[0] ?? "");
      const at = await open(browser);
      await enter(at.page, bare.login(link));
      await at.page.getByText("This browser can't play films such as this one (video/x-msvideo)").waitFor({ timeout: 30_000 });
      await at.page.getByText("on the machine where the node runs, or download the film").waitFor();
      await expectAccessible(at.page, "no ffmpeg");
      if (process.env["POTLUCK_SHOTS"]) {
        await at.page.screenshot({ path: join(process.env["POTLUCK_SHOTS"], "film-none.png") });
      }
      const saved = at.page.waitForEvent("download");
      await at.page.getByRole("link", { name: "Download the film" }).click();
      expect((await saved).suggestedFilename()).toBe("older.avi");
      expect(at.errors).toEqual([]);
      await at.context.close();
    } finally {
      await bare.stop();
      forget(bare);
    }
  });
});
