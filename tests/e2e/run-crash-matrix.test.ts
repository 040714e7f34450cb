// The crash matrix of runs: the hub gets kill -9 at every kind of log entry that runs cause, at four
// moments of the entry's way, while many runs of every sort are in flight. What comes out is what
// comes out without crashes, and the world outside has done everything once.
//
//   CRASH_RUNS=200 vitest run tests/e2e/run-crash-matrix.test.ts    every kind at all four moments
//   CRASH_CELLS="told jobsAdded,during jobsEnded" ...               these alone
//
// RM1. The power goes inside the hub's process, in front of or behind the very write: see
//      tests/support/crash-at.ts. What is cut was in flight with the runs that the test names.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import type { ClusterHub } from "../support/cluster.ts";
import {
  cellsLeft,
  type Death,
  deathsOf,
  kindsSeen,
  MOMENTS,
  PLAN_VARIABLE,
} from "../support/crash-at.ts";
import { enrolNode, openClient } from "../support/enrol.ts";
import { CHILD, type Flow, FLOWS, isOver, type Person } from "./crash-flows.ts";
import { startWorld, type World } from "./crash-world.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const RUNS = Number(process.env["CRASH_RUNS"] ?? 20);
const EVERYDAY_RUNS = 20;
/** Started before anything dies; the others while it does. */
const CALM_SHARE = 0.75;
const WAVES_MAX = 4;
const PATIENCE_MS = 240_000 + RUNS * 3_000;
const PAUSE_MS = 25;
/** Between two looks of one person: together they must not be the hub's main work. */
const LOOK_MS = 60 + RUNS * 4;

/** Of the log, in words of tests/support/crash-at.ts. */
const KINDS = [
  "workflowKept",
  "workflowTagged",
  "runStarted",
  "runsStarted",
  "runsAdvanced.taken",
  "runsAdvanced.done",
  "runsAdvanced.failed",
  "runsAdvanced.lost",
  "runsAdvanced.due",
  "runsAdvanced.on",
  "runsAdvanced.decided",
  "runCancelled",
  "runPaused",
  "runResumed",
  "runRetried",
  "runResolved",
  "runPatched",
  "runPatchReverted",
  "runBlobKept",
  "ticketDecided",
  "jobAdded",
  "jobLeased",
  "jobFinished",
  "jobsAdded",
  "jobsLeased",
  "jobsEnded",
] as const;
/** Only where something died before. */
const CRASH_KINDS: ReadonlySet<string> = new Set(["runsAdvanced.lost", "runResolved"]);

/**
 * `MOMENT KIND`. Everyday each kind has one moment, as they come. After an intent that was told nobody
 * knows what became of it: so there is a `lost`, too.
 */
function cellsOf(runs: number): string[] {
  const chosen = process.env["CRASH_CELLS"];
  if (chosen !== undefined) return chosen.split(",");
  if (runs > EVERYDAY_RUNS)
    return KINDS.flatMap((kind) => MOMENTS.map((moment) => `${moment} ${kind}`));
  return KINDS.map((kind) => `${kind === "runsAdvanced.taken" ? "told" : "any"} ${kind}`);
}

const COMMANDS = {
  greet: {
    program: "/bin/echo",
    args: ["hello", { arg: "name" }],
    argSchema: { type: "object", properties: { name: { type: "string" } } },
    effect: "pure",
    hazard: "none",
  },
};

interface Scene {
  readonly a: Appliance;
  readonly world: World;
  readonly person: Person;
  readonly plan: string;
  /** Runs that were started and are not over, as the people see it. */
  readonly open: Set<string>;
  /** How many of them there were each time the hub died. */
  readonly openAtDeath: number[];
  /** The first thing that went wrong with the hub itself. */
  readonly fail: (error: unknown) => void;
  readonly failed: Promise<never>;
}

/** Asks under one key until somebody answers. */
function makePerson(a: Appliance, world: World): Person {
  async function call(method: string, path: string, body?: unknown): Promise<Json> {
    const headers = {
      ...(method === "GET" ? {} : { "idempotency-key": crypto.randomUUID() }),
      ...(path.endsWith(":batch") ? { "content-type": "application/x-ndjson" } : {}),
    };
    const reply = await until(
      `${method} ${path}`,
      async () => {
        const given = body ?? (method === "POST" ? {} : undefined);
        const each = await a.api(method, path, given, headers).catch(() => undefined);
        if (each === undefined || each.status >= 500 || each.status === 429) {
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          return undefined;
        }
        return each;
      },
      PATIENCE_MS,
    );
    if (reply.status >= 300)
      throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }
  const when: Person["when"] = (id, fits) =>
    until(
      `what is awaited of ${id}`,
      async () => {
        const run = await call("GET", `/api/runs/${id}`);
        if (fits(run)) return run;
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        return undefined;
      },
      PATIENCE_MS,
    );
  return { world, call, when };
}

async function openScene(stack: AsyncDisposableStack): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-matrix-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const [plan, commands] = [join(folder, "plan"), join(folder, "commands.json")];
  await writeFile(commands, JSON.stringify(COMMANDS));
  await writeFile(plan, "");
  const world = stack.use(await startWorld());
  const preload = join(import.meta.dirname, "..", "support", "crash-at.ts");
  const a = stack.use(
    await startAppliance({
      parts: ["hub", "agent"],
      env: {
        GANTRY_EGRESS_ALLOW: world.host,
        GANTRY_COMMANDS: commands,
        NODE_OPTIONS: `--import=${preload}`,
        [PLAN_VARIABLE]: plan,
      },
    }),
  );
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // looked at where it is raced
  const fail = failed.reject;
  const person = makePerson(a, world);
  await until("the machine that greets", async () => {
    const registry = await person.call("GET", "/api/registry");
    return JSON.stringify(registry).includes('"greet"');
  });
  await work(stack, a, world);
  return {
    a,
    world,
    person,
    plan,
    open: new Set(),
    openAtDeath: [],
    fail,
    failed: failed.promise,
  };
}

/** As hub/hands/run-tasks.ts gives it. */
interface TaskData {
  readonly capability: string;
  readonly with: { readonly n: number };
  readonly idempotencyKey: string;
}

/** The program that packs and lifts, in this process. */
async function work(stack: AsyncDisposableStack, a: Appliance, world: World): Promise<void> {
  const { body } = await a.api("GET", "/api/cluster");
  const leader = { id: body.leader, agentAddress: a.agentEndpoint, api: a.api.bind(a) };
  const enrolled = await enrolNode(leader as unknown as ClusterHub, "packer"); // what enrolNode needs of it
  const client = openClient(enrolled, { token: a.token });
  const stop = new AbortController();
  const working = client.queues.work(
    "packing",
    { credit: 8, signal: stop.signal },
    async ({ data }) => {
      const { capability, with: given, idempotencyKey } = data as TaskData;
      world.act(`/${capability}/${given.n}`, idempotencyKey);
      return { packed: given.n };
    },
  );
  stack.defer(async () => {
    stop.abort();
    await client.close();
    await working.catch(() => {}); // its hub may be gone
  });
}

/** Starts the hub again whenever it dies as planned. Anything else fails the test. */
async function keepAlive(scene: Scene, stop: AbortSignal): Promise<void> {
  const { a, plan, open, openAtDeath } = scene;
  const over = new Promise<void>((resolve) =>
    stop.addEventListener("abort", () => resolve(), { once: true }),
  );
  while (!stop.aborted) {
    await Promise.race([a.ended("hub"), over]);
    if (stop.aborted) return;
    openAtDeath.push(open.size);
    if (deathsOf(plan).length !== openAtDeath.length)
      throw new Error(`the hub ended by itself: ${a.output("hub").slice(-3_000)}`);
    a.start("hub").catch(() => {}); // it may die on its way up, too; its end is seen above
  }
}

interface Ended {
  readonly flow: Flow;
  readonly n: number;
  readonly run: Json;
}

async function liveOne({ person, open, world }: Scene, n: number): Promise<Ended> {
  const flow = flowOf(n);
  const graph = flow.graph?.(world.url);
  const id =
    flow.start === undefined
      ? (await person.call("POST", "/api/runs", { graph, inputs: { n } })).run.id
      : await flow.start(person, n);
  open.add(id);
  await flow.live?.(person, id, n);
  const run = await person.when(id, isOver);
  open.delete(id);
  return { flow, n, run };
}

const flowOf = (n: number): Flow => FLOWS[n % FLOWS.length] ?? FLOWS[0]!; // eslint-disable-line typescript/no-non-null-assertion

/** Same as by hand: how it ended, what it gave, what happened outside. */
function expectAsWritten(world: World, ends: readonly Ended[]): void {
  const was = ends.map(({ flow, n, run }) => [
    flow.name,
    n,
    run.state,
    run.error?.code,
    flow.end === undefined ? run.result : undefined,
  ]);
  const written = ends.map(({ flow, n }) => [
    flow.name,
    n,
    flow.end?.state ?? "done",
    flow.end?.code,
    flow.result?.(n),
  ]);
  expect(was).toEqual(written);
  const effects = ends.flatMap(({ flow, n }) => flow.effects(n)).toSorted();
  expect([...world.done.keys()].toSorted()).toEqual(effects);
  const twice = [...world.done].filter(([, keys]) => keys.size !== 1);
  expect(twice.map(([path, keys]) => [path, [...keys]])).toEqual([]);
  const keys = [...world.done.values()].flatMap((each) => [...each]);
  expect(new Set(keys).size).toBe(effects.length); // no key stands for two things
  // What must not even be asked twice was asked once.
  const doors = [...world.asked].filter(([path]) => /^\/(?:door|lift)\//.test(path));
  expect(doors.filter(([, count]) => count !== 1)).toEqual([]);
}

/** All at once, as people come. */
function startAll(scene: Scene, from: number, to: number): Promise<Ended>[] {
  return Array.from({ length: to - from }, (_, at) => {
    const one = liveOne(scene, from + at);
    one.catch(scene.fail);
    return one;
  });
}

async function runAll(scene: Scene, cells: readonly string[]): Promise<Ended[]> {
  const { person, world, plan, open, failed } = scene;
  await person.call("POST", "/api/workflows", { name: CHILD.name, graph: CHILD.graph(world.url) });
  const calm = cells.length === 0 ? RUNS : Math.floor(RUNS * CALM_SHARE);
  const lives = startAll(scene, 0, calm);
  await Promise.race([
    until("those to be in flight", () => open.size === calm, PATIENCE_MS),
    failed,
  ]);
  await writeFile(plan, cells.join("\n"));
  world.openGate();
  lives.push(...startAll(scene, calm, RUNS));
  const ends: Ended[] = await Promise.race([Promise.all(lives), failed]);
  // Runs go on to be started until everything that was to be cut was cut.
  for (let wave = 1; cellsLeft(plan).length > 0 && wave <= WAVES_MAX; wave += 1) {
    const from = ends.length;
    const more = startAll(scene, from, from + FLOWS.length);
    ends.push(...(await Promise.race([Promise.all(more), failed])));
  }
  return ends;
}

describe("runs, without crashes and with", () => {
  it(
    "without: every flow ends as it is written, and no kind of entry is forgotten here",
    async () => {
      await using stack = new AsyncDisposableStack();
      const scene = await openScene(stack);
      const ends = await runAll(scene, []);
      expectAsWritten(scene.world, ends);
      const known: ReadonlySet<string> = new Set(KINDS);
      const seen = [...kindsSeen(scene.plan)].filter((kind) =>
        /^(?:run|workflow|ticket|job)/.test(kind),
      );
      expect(seen.filter((kind) => !known.has(kind))).toEqual([]);
      expect(KINDS.filter((kind) => !CRASH_KINDS.has(kind) && !seen.includes(kind))).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    `[A70] kill -9 of the hub at every kind of log entry with ${RUNS} mixed runs in flight: the same results, each effect once for its key`,
    async () => {
      await using stack = new AsyncDisposableStack();
      const scene = await openScene(stack);
      const { plan, openAtDeath, a } = scene;
      const stop = new AbortController();
      const startedMs = performance.now();
      const alive = keepAlive(scene, stop.signal).catch(scene.fail);
      stack.defer(async () => {
        stop.abort();
        await alive;
      });
      const ends = await runAll(scene, cellsOf(RUNS));
      const tookMs = performance.now() - startedMs;
      expectAsWritten(scene.world, ends);
      expect(cellsLeft(plan)).toEqual([]);
      const deaths: readonly Death[] = deathsOf(plan);
      expect(openAtDeath).toHaveLength(deaths.length);
      // Nothing is left over: no run that never ends, no job, no question.
      const { runs } = await scene.person.call("GET", "/api/runs?state=running&limit=10");
      expect(runs).toEqual([]);
      expect((await scene.person.call("GET", "/api/approvals")).approvals).toEqual([]);
      const asked = [...scene.world.asked.values()].reduce((sum, count) => sum + count, 0);
      const figures = {
        runs: ends.length,
        kills: deaths.length,
        cells: cellsOf(RUNS).length,
        openAtKill: { min: Math.min(...openAtDeath), max: Math.max(...openAtDeath) },
        effects: scene.world.done.size,
        requests: asked,
        seconds: Math.round(tookMs / 1_000),
      };
      console.log(JSON.stringify(figures));
      expect(a.output("hub")).not.toMatch(/"code":"internal"/);
    },
    PATIENCE_MS,
  );
});
