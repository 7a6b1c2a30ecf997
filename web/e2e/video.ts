import type { Page } from "playwright-core";

/** Milliseconds from the click until the film moves: from where it is, or from three quarters of it. */
export function untilPlaying(page: Page, start: "start" | "seek"): Promise<number> {
  return page.evaluate(
    (what) =>
      new Promise<number>((resolve, reject) => {
        const video = document.querySelector("video");
        if (!video) return reject(new Error("no video"));
        const began = performance.now();
        if (what === "seek") video.currentTime = video.duration * 0.75;
        const from = what === "seek" ? video.duration * 0.75 : video.currentTime;
        const look = () => {
          const moves = !video.seeking && video.readyState >= 3 && video.currentTime > from;
          if (moves) return resolve(performance.now() - began);
          if (performance.now() - began > 20_000) {
            const { currentTime, readyState, error } = video;
            return reject(new Error(`stuck at ${currentTime} s, ready ${readyState}, ${error?.message}`));
          }
          requestAnimationFrame(look);
        };
        video.play().catch(reject);
        look();
      }),
    start,
  );
}
