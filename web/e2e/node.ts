// Nodes to test against: real ones (POTLUCK_BIN), or the made-up one (POTLUCK_MOCK=1).

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const isMock = process.env["POTLUCK_MOCK"] === "1";
const binary = process.env["POTLUCK_BIN"] ?? "potluck";

export interface Node {
  data: string;
  /** Address that lets a browser in, to see a link or the first page; it works once. */
  login: (link?: string) => string;
  /** Runs the command with this node, gives what it prints. */
  run: (...args: string[]) => string;
  addresses: string[];
  process: ChildProcess;
  stop: () => Promise<void>;
}

function firstLine(child: ChildProcess, what: (line: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const complaints: string[] = [];
    child.stderr?.on("data", (text) => complaints.push(String(text)));
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${complaints.join("")}`)));
    if (!child.stdout) return reject(new Error("no output"));
    createInterface(child.stdout).on("line", (line) => {
      if (what(line)) resolve(line);
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = setTimeout(() => child.kill("SIGKILL"), 8000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

/** Starts a node of its own on loopback; `config` is its `potluck.toml` section `[net]` and more. */
export async function startNode(extra = "", env: Record<string, string> = {}): Promise<Node> {
  const data = mkdtempSync(join(tmpdir(), "potluck-web-"));
  const config = `[net]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\nlan = false\n[bittorrent]\nport = 0\ndht = false\nlsd = false\n${extra}`;
  writeFileSync(join(data, "config.toml"), config);
  return await resume(data, env);
}

/** Starts the node of a data directory, again. */
export async function resume(data: string, env: Record<string, string> = {}): Promise<Node> {
  const child = spawn(binary, ["up", "--data", data, "--json"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const line = await firstLine(child, (text) => text.includes('"ready"'));
  const { addresses } = JSON.parse(line) as { addresses: string[] };
  const run = (...args: string[]) =>
    execFileSync(binary, [...args, "--data", data], { encoding: "utf8" }).trim();
  return {
    data,
    addresses,
    process: child,
    run,
    login: (link) => {
      const printed = run("open", ...(link ? [link] : []), "--print");
      const url = /http:\/\/localhost:\d+\/\S+/.exec(printed)?.[0];
      if (!url) throw new Error(`'potluck open --print' printed ${printed}`);
      return url;
    },
    stop: () => ended(child),
  };
}

/** Starts the made-up node. */
export async function startMock(port: number, env: Record<string, string> = {}): Promise<Node> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "..", "mock", "server.mjs")], {
    env: { ...process.env, PORT: String(port), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const url = await firstLine(child, (text) => text.startsWith("http://"));
  return {
    data: "",
    addresses: [],
    process: child,
    run: () => "",
    login: (link) => (link ? `${url}file/${encodeURIComponent(link)}` : url),
    stop: () => ended(child),
  };
}

export function forget(node: Node | undefined): void {
  if (node?.data) rmSync(node.data, { recursive: true, force: true });
}
