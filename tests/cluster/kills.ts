// Many kill -9, one after the other, of hubs and agents at random moments under load; and how long each
// took until the registry worked again.
//
// KR1. A round begins when one hub leads, all others follow it and every agent is registered.
// KR2. `writeMs`: until the end of the first acknowledged write that a client began after the kill.
//      `registerMs`: until every agent that has to be registered anew is. Both from the moment of the kill,
//      election and start of what was killed included.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Operation } from "../lincheck/history.ts";
import { ROOT, until } from "../support/appliance.ts";
import type { ClusterHub, TestCluster } from "../support/cluster.ts";
import { nowNs } from "./workload.ts";

export const KILLS = ["leader", "any hub", "agent", "all hubs"] as const;
export type Kill = (typeof KILLS)[number];

export interface Round {
  readonly kill: Kill;
  readonly atNs: number;
  /** Undefined where nobody had to: a hub that did not lead was killed. */
  readonly registerMs: number | undefined;
}

/** As systemd has it (systemd/*.service): what was killed is started again after this. */
const RESTART_MS = 500;
/** Longest pause before a kill. */
const BETWEEN_MS = 1_500;
/** How often each is drawn, of 20. */
const DRAWN: Readonly<Record<Kill, number>> = { leader: 9, "any hub": 4, agent: 5, "all hubs": 2 };

export interface TestAgent extends AsyncDisposable {
  readonly name: string;
  start(): void;
  kill(): Promise<void>;
  /** Wall clock, ms, of the first registration that was accepted after `sinceMs`. */
  registeredAt(sinceMs: number): number | undefined;
}

const NODE = join(ROOT, "node_modules", ".bin", "node");

export interface AgentOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Puts its command line into a host of its own. */
  readonly inside?: (command: readonly string[]) => readonly string[];
}

export async function addAgent(
  cluster: TestCluster,
  name: string,
  { env = {}, inside = (command) => command }: AgentOptions = {},
): Promise<TestAgent> {
  const leader = await cluster.leader();
  const { body } = await leader.api("POST", "/api/nodes/join-codes", { name });
  let child: ChildProcess | undefined;
  let output = "";
  async function kill(): Promise<void> {
    const dying = child;
    child = undefined;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    const ended = new Promise((resolve) => dying.once("exit", resolve));
    dying.kill("SIGKILL");
    await ended;
  }
  const agent: TestAgent = {
    name,
    start() {
      const agentProgram = join(ROOT, "node-agent/bin/agent.js");
      const own = [NODE, "--disable-warning=ExperimentalWarning", agentProgram];
      const [program = NODE, ...args] = inside(own);
      child = spawn(program, args, {
        cwd: ROOT,
        env: {
          PATH: process.env["PATH"] ?? "",
          HOME: process.env["HOME"] ?? "",
          GANTRY_DATA_DIR: join(cluster.folder, name),
          GANTRY_HUBS: cluster.hubs.map(({ agentAddress }) => agentAddress).join(","),
          GANTRY_JOIN_CODE: body.code,
          GANTRY_NODE_NAME: name,
          ...env,
        },
        stdio: ["ignore", "pipe", "inherit"],
      });
      child.stdout?.on("data", (chunk: Buffer) => {
        output = `${output}${chunk.toString()}`.slice(-100_000);
      });
    },
    kill,
    registeredAt(sinceMs) {
      return output
        .split("\n")
        .filter((line) => line.startsWith("{") && line.includes('"state":"serving"'))
        .map((line) => Date.parse((JSON.parse(line) as { readonly time: string }).time))
        .find((atMs) => atMs >= sinceMs);
    },
    [Symbol.asyncDispose]: kill,
  };
  agent.start();
  await until(`${name} to be registered`, () => agent.registeredAt(0));
  return agent;
}

export interface KillScene {
  readonly cluster: TestCluster;
  readonly agents: readonly TestAgent[];
  /** In [0, 1). */
  readonly random: () => number;
  readonly patienceMs: number;
}

/** One round (KR1), of this kind or of one that is drawn. */
export async function killOnce(scene: KillScene, wanted?: Kill): Promise<Round> {
  const { cluster, agents, random, patienceMs } = scene;
  const leader = await cluster.leader();
  await pause(random() * BETWEEN_MS);
  const kill = wanted ?? draw(random);
  const agent = pick(agents, random);
  const hubs: readonly ClusterHub[] =
    kill === "all hubs"
      ? cluster.hubs
      : kill === "leader"
        ? [leader]
        : kill === "any hub"
          ? [pick(cluster.hubs, random)]
          : [];
  const anew = kill === "agent" ? [agent] : hubs.includes(leader) ? agents : [];

  const [atNs, atMs] = [nowNs(), Date.now()];
  await Promise.all(kill === "agent" ? [agent.kill()] : hubs.map((hub) => hub.kill("SIGKILL")));
  const back = startAgain(hubs, kill === "agent" ? agent : undefined);
  const registered = anew.map((each) =>
    until(
      `${each.name} to be registered after the kill of ${kill}`,
      () => each.registeredAt(atMs),
      patienceMs,
    ),
  );
  const times = await Promise.all(registered);
  await back;
  await cluster.leader();
  return { kill, atNs, registerMs: times.length === 0 ? undefined : Math.max(...times) - atMs };
}

async function startAgain(
  hubs: readonly ClusterHub[],
  agent: TestAgent | undefined,
): Promise<void> {
  await pause(RESTART_MS);
  agent?.start();
  await Promise.all(hubs.map((hub) => hub.start()));
}

/** KR2; undefined: none was acknowledged. */
export function writeMsOf({ atNs }: Round, history: readonly Operation[]): number | undefined {
  const ends = history
    .filter(
      ({ op, status, start }) => (op === "put" || op === "del") && status === "ok" && start >= atNs,
    )
    .map(({ end }) => end);
  return ends.length === 0 ? undefined : (ends.reduce((a, b) => Math.min(a, b)) - atNs) / 1e6;
}

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Undefined of nothing. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function draw(random: () => number): Kill {
  const all = KILLS.flatMap((kill) => Array.from({ length: DRAWN[kill] }, () => kill));
  return pick(all, random);
}

function pick<T>(list: readonly T[], random: () => number): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error("there is nothing to pick from");
  return found;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
