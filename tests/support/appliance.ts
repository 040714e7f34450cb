// Test equipment: the real hub, agent and bridge as processes on loopback, with free ports and a data
// folder of their own. Each can be killed and started again; all are gone when the test ends.

import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..", "..");
export const MODELS = join(ROOT, "..", "shared", "models");
const NODE = join(ROOT, "node_modules", ".bin", "node");

export type Part = "hub" | "agent" | "bridge";

const ENTRY: Readonly<Record<Part, string>> = {
  hub: "hub/bin/hub.js",
  agent: "node-agent/bin/agent.js",
  bridge: "firmware-bridge/bin/bridge.js",
};

export interface ApplianceOptions {
  /** Added to every process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly parts?: readonly Part[];
}

export interface Appliance extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly token: string;
  readonly mqttPort: number;
  readonly agentEndpoint: string;
  /** What the agents were enrolled with, for tests that look for leaked secrets. */
  readonly joinCodes: readonly string[];
  pid(part: Part): number;
  /** Resolves when the process that runs now has ended, at once where none does. */
  ended(part: Part): Promise<void>;
  /** What a part has written so far, for messages of failed tests. */
  output(part: Part): string;
  start(part: Part): Promise<void>;
  /** Waits for its end. */
  kill(part: Part, signal: NodeJS.Signals): Promise<number | null>;
  /** JSON in, JSON out; the owner's token unless another is given. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: any }>; // eslint-disable-line typescript/no-explicit-any
}

/** Ports that this process was given: none is given twice. */
const given = new Set<number>();
/** Test files run side by side in processes of their own: each takes ports of its own slice. */
const SLICE = 1_500;
const slice = (Number(process.env["VITEST_POOL_ID"] ?? 0) % 8) * SLICE;

/**
 * A port below those that the kernel gives to outgoing connections (32,768 and up on Linux): one of
 * these could be taken by any client between this look and the start of the process.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + slice + randomInt(0, SLICE);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Polls until `read` gives something other than undefined or false. */
export async function until<T>(
  what: string,
  read: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function startAppliance(options: ApplianceOptions = {}): Promise<Appliance> {
  const dataDir = await mkdtemp(join(tmpdir(), "gantry-"));
  const [httpPort, agentPort, mqttPort] = [await freePort(), await freePort(), await freePort()];
  const running = new Map<Part, ChildProcess>();
  const outputs = new Map<Part, string>();
  const joinCodes: string[] = [];
  const url = `http://127.0.0.1:${httpPort}`;
  const env: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "",
    GANTRY_DATA_DIR: dataDir,
    GANTRY_HTTP_PORT: String(httpPort),
    GANTRY_AGENT_BIND: `tcp://127.0.0.1:${agentPort}`,
    GANTRY_HUBS: `tcp://127.0.0.1:${agentPort}`,
    // The two exclude each other.
    ...(options.env?.["GANTRY_MQTT_URL"] === undefined && { GANTRY_MQTT_PORT: String(mqttPort) }),
    GANTRY_NODE_NAME: "bench",
    GANTRY_PRINTERS: "sim=sim:?speed=30",
    UV_THREADPOOL_SIZE: "16",
    ...options.env,
  };

  async function launch(part: Part, extra: Record<string, string> = {}): Promise<void> {
    const child = spawn(NODE, ["--disable-warning=ExperimentalWarning", join(ROOT, ENTRY[part])], {
      env: { ...env, ...extra },
      cwd: ROOT,
    });
    running.set(part, child);
    const keep = (chunk: Buffer): void =>
      void outputs.set(part, `${outputs.get(part) ?? ""}${chunk.toString()}`.slice(-200_000));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
  }

  const self: Appliance = {
    url,
    dataDir,
    get token() {
      return readFileSync(join(dataDir, "token"), "utf8").trim();
    },
    mqttPort,
    agentEndpoint: `tcp://127.0.0.1:${agentPort}`,
    joinCodes,
    pid: (part) => running.get(part)?.pid ?? -1,
    async ended(part) {
      const child = running.get(part);
      if (child !== undefined && !hasEnded(child))
        await new Promise((resolve) => child.once("exit", resolve));
    },
    output: (part) => outputs.get(part) ?? "",
    async start(part) {
      if (part === "hub") {
        await launch(part);
        await until("the hub to be ready", async () => {
          if (hasEnded(running.get("hub"))) throw new Error(`the hub ended: ${self.output("hub")}`);
          const reply = await fetch(`${url}/readyz`).catch(() => undefined);
          return reply?.status === 200;
        });
        return;
      }
      if (part === "agent" && !existsSync(join(dataDir, "agent", "identity.json"))) {
        const { body } = await self.api("POST", "/api/nodes/join-codes", { name: "bench" });
        joinCodes.push(body.code);
        await launch(part, { GANTRY_JOIN_CODE: body.code });
      } else {
        await launch(part);
      }
    },
    async kill(part, signal) {
      const child = running.get(part);
      running.delete(part);
      if (child === undefined || hasEnded(child)) return child?.exitCode ?? null;
      const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
      child.kill(signal);
      return ended;
    },
    async api(method, path, body, headers = {}) {
      const reply = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${self.token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }).catch((cause: unknown) => {
        const state = hasEnded(running.get("hub")) ? "has ended" : "runs";
        const said = self.output("hub").slice(-2_000);
        throw new Error(`${method} ${path}: no answer; the hub ${state}: ${said}`, { cause });
      });
      const text = await reply.text();
      try {
        return { status: reply.status, body: JSON.parse(text) };
      } catch {
        return { status: reply.status, body: text };
      }
    },
    async [Symbol.asyncDispose]() {
      for (const part of ["agent", "bridge", "hub"] as const) await self.kill(part, "SIGKILL");
      endSimulators(dataDir);
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
  try {
    for (const part of options.parts ?? ["hub", "bridge", "agent"]) await self.start(part);
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
  return self;
}

/** By itself or by a signal. */
const hasEnded = (child: ChildProcess | undefined): boolean =>
  child === undefined || child.exitCode !== null || child.signalCode !== null;

/** The simulated printers outlive a killed bridge, as real ones would: ended by their pid files. */
function endSimulators(dataDir: string): void {
  const folder = join(dataDir, "sim");
  if (!existsSync(folder)) return;
  for (const name of ["sim"]) {
    const path = join(folder, `${name}.pid`);
    if (!existsSync(path)) continue;
    try {
      process.kill(Number.parseInt(readFileSync(path, "utf8"), 10), "SIGKILL");
    } catch {
      // it had ended already
    }
  }
}
