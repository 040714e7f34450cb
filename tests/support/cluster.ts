// Test equipment: several real hubs as processes, each with its own folder and ports: on loopback, or
// each in a host of its own (netns.ts) whose links can be cut.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { freePort, ROOT, until } from "./appliance.ts";
import type { Hosts } from "./netns.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");
const TOKEN = "gt_cluster_of_a_test_that_nobody_else_knows";

export interface ClusterHub {
  readonly id: string;
  readonly url: string;
  readonly dataDir: string;
  readonly peerAddress: string;
  readonly agentAddress: string;
  readonly pid: number;
  readonly isRunning: boolean;
  output(): string;
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Waits for its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any; // eslint-disable-line typescript/no-explicit-any
}

export interface TestCluster extends AsyncDisposable {
  readonly folder: string;
  readonly token: string;
  readonly hubs: readonly ClusterHub[];
  hub(id: string): ClusterHub;
  /** Waits until a hub leads and all running ones follow it. */
  leader(): Promise<ClusterHub>;
  followers(): Promise<readonly ClusterHub[]>;
  /** One more hub, not started; it is given `env` at its start. */
  addHub(id: string): Promise<ClusterHub>;
}

export interface ClusterOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly witnesses?: readonly string[];
  /** Founds nothing: one hub alone. */
  readonly isAlone?: boolean;
  /** `hub-1` runs in the first of these, and so on; without, all hubs are on loopback. */
  readonly hosts?: Hosts;
}

/** What hubs said is kept here, a file each, where this is set. */
const LOGS_DIR = process.env["CLUSTER_LOGS"];

async function keepOutput(hub: ClusterHub): Promise<void> {
  if (LOGS_DIR === undefined) return;
  const { id, dataDir } = hub;
  await mkdir(LOGS_DIR, { recursive: true });
  await writeFile(join(LOGS_DIR, `${basename(dirname(dataDir))}-${id}.log`), hub.output());
}

/** Below the ports of outgoing connections; a host has them for itself. */
const HOST_PORTS = { http: 7_080, peer: 7_700, agent: 7_600 };

export async function startCluster(
  size: number,
  options: ClusterOptions = {},
): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-cluster-"));
  const witnesses = options.witnesses ?? [];
  const hubs: ClusterHub[] = [];
  const founders: Record<string, string> = {};

  async function makeHub(id: string): Promise<ClusterHub> {
    const host = options.hosts?.hosts[hubs.length];
    const { http, peer, agent } =
      host === undefined
        ? { http: await freePort(), peer: await freePort(), agent: await freePort() }
        : HOST_PORTS;
    const address = host?.address ?? "127.0.0.1";
    const dataDir = join(folder, id);
    const url = `http://${host?.controlAddress ?? address}:${http}`;
    const peerAddress = `tcp://${address}:${peer}`;
    const command = [NODE, "--disable-warning=ExperimentalWarning", join(ROOT, "hub/bin/hub.js")];
    const [program = NODE, ...args] =
      host === undefined ? command : (options.hosts?.inside(host.number, command) ?? command);
    let child: ChildProcess | undefined;
    let output = "";
    const hub: ClusterHub = {
      id,
      url,
      dataDir,
      peerAddress,
      agentAddress: `tcp://${address}:${agent}`,
      get pid() {
        return child?.pid ?? -1;
      },
      get isRunning() {
        return child !== undefined && child.exitCode === null && child.signalCode === null;
      },
      output: () => output,
      async start(env = {}) {
        const peers = Object.entries(founders)
          .filter(([other]) => other !== id)
          .map(([other, address]) => `${other}=${address}`);
        child = spawn(program, args, {
          cwd: ROOT,
          env: {
            PATH: process.env["PATH"] ?? "",
            HOME: process.env["HOME"] ?? "",
            UV_THREADPOOL_SIZE: "16",
            GANTRY_HUB_ID: id,
            GANTRY_DATA_DIR: dataDir,
            GANTRY_HTTP_PORT: String(http),
            ...(host === undefined
              ? {}
              : { GANTRY_HTTP_HOST: "0.0.0.0", GANTRY_ALLOW_PLAIN_HTTP: "1" }),
            GANTRY_PEER_BIND: peerAddress,
            GANTRY_AGENT_BIND: hub.agentAddress,
            GANTRY_MQTT_PORT: "off",
            GANTRY_TOKEN: TOKEN,
            ...(founders[id] === undefined || size === 1 ? {} : { GANTRY_PEERS: peers.join(",") }),
            ...(witnesses.length === 0 ? {} : { GANTRY_WITNESSES: witnesses.join(",") }),
            ...options.env,
            ...env,
          },
        });
        for (const stream of [child.stdout, child.stderr]) {
          stream?.on("data", (chunk: Buffer) => {
            output = `${output}${chunk.toString()}`.slice(-2_000_000);
          });
        }
        await until(`${id} to live`, async () => {
          if (!hub.isRunning) throw new Error(`${id} ended: ${output.slice(-2_000)}`);
          const reply = await fetch(`${url}/healthz`).catch(() => undefined);
          return reply?.status === 200;
        });
      },
      async kill(signal) {
        const dying = child;
        if (dying === undefined || !hub.isRunning) return;
        const ended = new Promise((resolve) => dying.once("exit", resolve));
        dying.kill(signal);
        await ended;
      },
      signal: (signal) => void child?.kill(signal),
      async api(method, path, body, headers = {}) {
        const reply = await fetch(`${url}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${TOKEN}`,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await reply.text();
        const parsed: unknown = text.startsWith("{") ? JSON.parse(text) : text;
        return { status: reply.status, headers: reply.headers, body: parsed };
      },
    };
    hubs.push(hub);
    return hub;
  }

  const self: TestCluster = {
    folder,
    token: TOKEN,
    hubs,
    hub(id) {
      const found = hubs.find((each) => each.id === id);
      if (found === undefined) throw new Error(`there is no ${id}`);
      return found;
    },
    leader: () =>
      until("a hub that leads, and all others following it", async () => {
        const running = hubs.filter(({ isRunning, id }) => isRunning && !witnesses.includes(id));
        const states = await Promise.all(
          running.map(
            async (hub) => (await hub.api("GET", "/readyz").catch(() => undefined))?.body,
          ),
        );
        const notes = states.map((state) => String(state?.parts?.log?.note ?? ""));
        const leading = running.filter((_, place) => notes[place] === "leads");
        const [leader] = leading;
        if (leader === undefined || leading.length > 1) return undefined;
        const isAgreed = notes.every((note) => note === "leads" || note === `follows ${leader.id}`);
        return isAgreed ? leader : undefined;
      }),
    async followers() {
      const leader = await self.leader();
      return hubs.filter((hub) => hub.isRunning && hub !== leader && !witnesses.includes(hub.id));
    },
    addHub: makeHub,
    async [Symbol.asyncDispose]() {
      for (const hub of hubs) {
        hub.signal("SIGCONT");
        await hub.kill("SIGKILL");
        await keepOutput(hub);
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };

  try {
    for (let number = 1; number <= size; number += 1) {
      const hub = await makeHub(`hub-${number}`);
      founders[hub.id] = hub.peerAddress;
    }
    await Promise.all(hubs.filter(({ id }) => !witnesses.includes(id)).map((hub) => hub.start()));
    for (const id of witnesses) await self.hub(id).start();
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
  return self;
}
