// The whole appliance on one machine: hub or hubs, firmware bridge and node agent, in that order.
//
// AP1. No port is chosen in silence: a busy one ends the start with the variable that names it.
// AP2. The agent is enrolled once: with a one-time code that the hub makes for the owner's token.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Client, makeClient } from "@gantry/shared/client/client.ts";
import { type HubConfig, readConfig } from "@gantry/shared/contract/config.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { planHubs } from "./hubs.ts";
import { makeProgram, type Program, type ProgramPorts } from "./program.ts";

const READY_MS = 30_000;
const POLL_MS = 50;
const NODE_NAME = "local";

export interface Appliance {
  readonly url: string;
  /** Of every hub; `url` is the first. */
  readonly urls: readonly string[];
  readonly token: string;
  readonly tokenPath: string;
  readonly client: Client;
  /** Agent, bridge, hub: whoever depends on somebody goes first. */
  stop(): Promise<void>;
}

export interface ApplianceOptions {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** 1, 3 or 5; 1 where left out. */
  readonly hubs?: number;
  readonly onLine: ProgramPorts["onLine"];
  readonly signal: AbortSignal;
}

/** Starts everything and waits until the hub is ready. Throws bad_config, port_busy, timeout. */
export async function startAppliance(options: ApplianceOptions): Promise<Appliance> {
  const { root, env, clock, onLine } = options;
  const config = checkedConfig(env);
  const dataDir = resolve(config.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const plan = planHubs(options.hubs ?? 1, config, dataDir);
  for (const hub of plan.hubs)
    await assertPortsFree(readConfig("hub", { ...env, ...hub.env }, readText));

  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const ports: ProgramPorts = {
    root,
    logDir: join(dataDir, "logs"),
    clock,
    onLine,
    onHopeless: (program, code) =>
      failure.abort(
        new GantryError("unreachable", `The ${program} cannot run (exit code ${code}); see above`),
      ),
  };
  const shared = { ...env, GANTRY_DATA_DIR: dataDir, UV_THREADPOOL_SIZE: "16" };
  const program = (name: string, entry: string, own: NodeJS.ProcessEnv = {}): Program =>
    makeProgram({ name, entry, env: { ...shared, ...own } }, ports);
  const hubs = plan.hubs.map((hub) => program(hub.name, "hub/bin/hub.js", hub.env));
  const bridge = program("bridge", "firmware-bridge/bin/bridge.js");
  // Simulated heaters need nobody to look after them.
  const hasCable = env["GANTRY_PRINTERS"]?.includes("=serial:") === true;
  const supervisor = hasCable
    ? program("supervisor", "firmware-bridge/bin/supervisor.js")
    : undefined;
  const { GANTRY_HUBS: given } = env;
  const agentEnv = given === undefined ? plan.agentEnv : { GANTRY_HUBS: given };
  const agent = program("agent", "node-agent/bin/agent.js", agentEnv);
  const stop = async (): Promise<void> => {
    await agent.stop();
    await bridge.stop();
    await supervisor?.stop();
    await Promise.all(hubs.map((hub) => hub.stop()));
  };

  try {
    for (const hub of hubs) hub.start();
    bridge.start();
    supervisor?.start();
    const urls = plan.ports.map((httpPort) => urlOf({ ...config, httpPort }));
    const url = urls[0] ?? urlOf(config);
    const deadline = clock.timeout(READY_MS, signal);
    await until(() => isUp(`${url}/healthz`), "The hub does not answer", clock, deadline);
    const tokenPath = join(dataDir, "token");
    // The door answers before the log is open; the token is written after it.
    const hasToken = async (): Promise<boolean> =>
      config.token !== undefined || existsSync(tokenPath) || (await isUp(`${url}/readyz`));
    await until(hasToken, "The hub has made no token", clock, deadline);
    const token = ownerToken(config, tokenPath);
    const client = makeClient({ baseUrl: url, token, clock, random: Math.random });
    agent.start(await agentEnvironment(dataDir, client, deadline));
    for (const each of urls) {
      await until(() => isUp(`${each}/readyz`), `${each} is not ready`, clock, deadline);
    }
    return { url, urls, token, tokenPath, client, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** All faults of the environment at once, before anything is started. */
function checkedConfig(env: NodeJS.ProcessEnv): HubConfig {
  readConfig("agent", env, readText);
  readConfig("bridge", env, readText);
  return readConfig("hub", env, readText);
}

const readText = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, "utf8") : undefined;

/** AP1. */
async function assertPortsFree(config: HubConfig): Promise<void> {
  const wanted: readonly {
    readonly variable: string;
    readonly host: string;
    readonly port: number;
  }[] = [
    { variable: "GANTRY_HTTP_PORT", host: config.httpHost, port: config.httpPort },
    ...(config.mqttUrl === undefined && config.mqttPort !== "off"
      ? [{ variable: "GANTRY_MQTT_PORT", host: "127.0.0.1", port: config.mqttPort }]
      : []),
    ...bound("GANTRY_AGENT_BIND", config.agentBind),
  ];
  for (const { variable, host, port } of wanted) {
    if (await isFree(host, port)) continue;
    throw new GantryError(
      "port_busy",
      `Port ${port} of ${host} is in use by another program.\n` +
        `  Is Gantry running already? Otherwise choose another: ${variable}=... npm start`,
    );
  }
}

function bound(variable: string, url: string): { variable: string; host: string; port: number }[] {
  const found = /^tcp:\/\/\[?([^\]]+?)\]?:(\d+)$/.exec(url);
  if (found === null) return []; // ipc has no port
  const host = found[1] === "*" ? "0.0.0.0" : (found[1] ?? "");
  return [{ variable, host, port: Number(found[2]) }];
}

function isFree(host: string, port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(true);
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, host, () => server.close(() => done(true)));
  });
}

function urlOf(config: HubConfig): string {
  if (config.httpPort === 0) {
    throw new GantryError("bad_config", "GANTRY_HTTP_PORT must be a fixed port for npm start");
  }
  const scheme = config.tlsCert === undefined ? "http" : "https";
  const host = ["0.0.0.0", "::"].includes(config.httpHost) ? "127.0.0.1" : config.httpHost;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${config.httpPort}`;
}

const isUp = async (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (reply) => {
      await reply.body?.cancel();
      return reply.ok;
    },
    () => false,
  );

/** Looks every 50 ms. Throws `timeout` with `what`, or why the start was given up. */
export async function until(
  isTrue: () => Promise<boolean>,
  what: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!(await isTrue())) {
    try {
      await clock.sleep(POLL_MS, signal);
    } catch (cause) {
      if (cause instanceof GantryError && cause.code !== "timeout") throw cause;
      throw new GantryError("timeout", `${what} in time; see the lines above`, { cause });
    }
  }
}

/** The hub wrote it at its first start; one given from outside is used as it is. */
function ownerToken(config: HubConfig, path: string): string {
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  if (config.token !== undefined) return config.token;
  throw new GantryError("bad_config", `${path} is missing: give the owner's GANTRY_TOKEN`);
}

/** AP2. */
async function agentEnvironment(
  dataDir: string,
  client: Client,
  signal: AbortSignal,
): Promise<NodeJS.ProcessEnv> {
  if (isEnrolled(join(dataDir, "agent", "identity.json"))) return {};
  const { code } = await client.joinCodeMade({ body: { name: NODE_NAME }, signal });
  return { GANTRY_JOIN_CODE: code };
}

function isEnrolled(path: string): boolean {
  if (!existsSync(path)) return false;
  const identity: unknown = JSON.parse(readFileSync(path, "utf8"));
  return typeof identity === "object" && identity !== null && "node" in identity;
}
