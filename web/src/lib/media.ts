/** How a file is shown. */
export type Preview = "picture" | "video" | "audio" | "pdf" | "text" | "page" | "none";

const PICTURES = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/svg+xml",
  "image/bmp",
  "image/x-icon",
  "image/vnd.microsoft.icon",
]);

const TEXTS = new Set([
  "application/json",
  "application/toml",
  "application/x-toml",
  "application/xml",
  "application/javascript",
  "application/x-sh",
  "application/yaml",
  "application/x-yaml",
  "application/x-subrip",
  "application/sql",
]);

/** By its media type; `video/mp4; codecs=…` counts as `video/mp4`. */
export function previewOf(mediaType: string | null): Preview {
  const type = (mediaType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (PICTURES.has(type)) return "picture";
  if (type.startsWith("video/")) return "video";
  if (type.startsWith("audio/") || type === "application/ogg") return "audio";
  if (type === "application/pdf") return "pdf";
  if (type === "text/html" || type === "application/xhtml+xml") return "page";
  if (type.startsWith("text/") || TEXTS.has(type)) return "text";
  return "none";
}

/** Where a file of a folder is: each part of its path is escaped. */
export function fileUrl(contentUrl: string, path: string): string {
  const base = contentUrl.endsWith("/") ? contentUrl : `${contentUrl}/`;
  return base + path.split("/").map(encodeURIComponent).join("/");
}

/** Where a file that is the whole content is: its address without the slash of folders. */
export function wholeUrl(contentUrl: string): string {
  return contentUrl.replace(/\/$/, "");
}

/** Where a file is under its name: its CID alone tells none, its link does. */
export function namedUrl(contentUrl: string, link: string): string {
  return new URL(`/c/${encodeURIComponent(link)}`, contentUrl).href;
}

/** The address that makes the browser save instead of show. */
export function saveUrl(url: string): string {
  return `${url}?download`;
}

const FILMS = new Set(["video/mp4", "video/webm", "video/ogg", "video/quicktime"]);

/** Whether the browser plays films of this type from their own files, as far as the type tells. */
export function isPlayed(type: string): boolean {
  if (!FILMS.has(type)) return false;
  // QuickTime is MP4 by another name; browsers look into the file.
  return type === "video/quicktime" || document.createElement("video").canPlayType(type) !== "";
}
