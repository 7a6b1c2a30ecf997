import { readLines } from "./ndjson";
import type {
  Activity,
  ConfigReport,
  Content,
  Download,
  DownloadList,
  DownloadRequest,
  ErrorBody,
  Pieces,
  RemoveResponse,
  RootList,
  RootSummary,
  ShareEvent,
  Status,
  Video,
} from "./types";

const BASE = "/api/v1";

/** What the node answered when it did not do what was asked; or that it did not answer. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
  ) {
    super(body.message);
    this.name = "ApiFailure";
  }

  /** What to do about it; empty when there is nothing to add. */
  get hint(): string {
    return this.body.hint ?? "";
  }
}

/** Called when the node no longer knows this browser. */
let onLocked: () => void = () => undefined;

export function whenLocked(callback: () => void): void {
  onLocked = callback;
}

/** What went wrong, as something to show. */
export function asError(error: unknown): ErrorBody {
  if (error instanceof ApiFailure) return error.body;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 1, message };
}

async function failure(response: Response): Promise<ApiFailure> {
  if (response.status === 401) onLocked();
  let body: ErrorBody = {
    code: 1,
    message: `the node answered ${response.status} ${response.statusText}`.trim(),
  };
  try {
    const given = (await response.json()) as Partial<ErrorBody>;
    if (typeof given.message === "string") body = { ...body, ...given };
  } catch {
    // Not one of the node's own answers; the status says what there is to say.
  }
  return new ApiFailure(response.status, body);
}

async function call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { method, ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiFailure(0, {
      code: 5,
      message: "the node does not answer",
      hint: "start it with 'potluck up'",
    });
  }
  if (!response.ok) throw await failure(response);
  return response;
}

function json(value: unknown): RequestInit {
  return { body: JSON.stringify(value), headers: { "Content-Type": "application/json" } };
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await call("GET", path, signal ? { signal } : {});
  return (await response.json()) as T;
}

async function post<T>(path: string, value: unknown): Promise<T> {
  const response = await call("POST", path, json(value));
  return (await response.json()) as T;
}

const part = encodeURIComponent;

export const api = {
  status: () => get<Status>("/status"),
  roots: () => get<RootList>("/roots"),
  remove: (target: string) => post<RemoveResponse>("/roots/remove", { target }),
  pin: (target: string, pinned: boolean) => post<RootSummary>("/roots/pin", { target, pinned }),
  config: () => get<ConfigReport>("/config"),
  /** Changes a setting; `null` goes back to the default. */
  setConfig: (key: string, value: string | null) => post<ConfigReport>("/config", { key, value }),
  activity: () => get<{ entries: Activity[] }>("/activity"),
  downloads: () => get<DownloadList>("/downloads"),
  download: (request: DownloadRequest) => post<Download>("/downloads", request),
  /** Stops a download that runs, forgets one that has ended. */
  stopDownload: (id: string) => call("DELETE", `/downloads/${part(id)}`),
  /** About a CID or a link; the node looks for it as long as `timeout` seconds. */
  content: (link: string, timeout: number, signal?: AbortSignal) =>
    get<Content>(`/content/${part(link)}?timeout=${timeout}`, signal),
  pieces: (cid: string, signal?: AbortSignal) =>
    get<Pieces>(`/content/${part(cid)}/pieces`, signal),
  /** How a film gets into a browser; `convert`: this one turned it down. */
  video: (link: string, path: string, convert: boolean) =>
    get<Video>(`/content/${part(link)}/video?path=${part(path)}&convert=${convert}`),
  /** Where the film is from a second on. */
  videoUrl: (link: string, path: string, start: number, convert: boolean) =>
    `${BASE}/content/${part(link)}/video/stream?path=${part(path)}&convert=${convert}&start=${start.toFixed(3)}`,
  beginUpload: (name: string) => post<{ id: string }>("/uploads", { name }),
  dropUpload: (id: string) => call("DELETE", `/uploads/${part(id)}`),
  async *finishUpload(id: string, signal: AbortSignal): AsyncGenerator<ShareEvent> {
    const response = await call("POST", `/uploads/${part(id)}/finish`, { signal });
    if (response.body) yield* readLines<ShareEvent>(response.body);
  },
};

/**
 * Hands a file over. `XMLHttpRequest`, because `fetch` does not tell how much it has sent.
 * `onSent` gets the bytes of this file that are on their way.
 */
export function putFile(
  upload: string,
  path: string,
  file: Blob,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const where = path.split("/").map(part).join("/");
    request.open("PUT", `${BASE}/uploads/${part(upload)}/files/${where}`);
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      const response = new Response(request.responseText, {
        status: request.status,
        statusText: request.statusText,
      });
      void failure(response).then(reject);
    };
    request.onerror = () =>
      reject(new ApiFailure(0, { code: 5, message: "the node does not answer any more" }));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
