import { execFileSync } from "node:child_process";

/** Makes a film of about 2 Mbit/s, with a key frame each second. */
export function film(path: string, seconds: number): void {
  execFileSync("ffmpeg", [
    ...["-loglevel", "error", "-f", "lavfi", "-i", `testsrc2=size=640x360:rate=24:duration=${seconds}`],
    ...["-f", "lavfi", "-i", `sine=frequency=330:duration=${seconds}`],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-minrate", "2M", "-bufsize", "2M"],
    ...["-g", "24", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart", "-y", path],
  ]);
}
