// kill -9 of hubs and agents at random moments under load. Every day a few of each kind; a hundred with
// KILL_ROUNDS=100, whose figures are what docs/performance.md may say.

import { describe, expect, it } from "vitest";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { judge } from "../lincheck/verdict.ts";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";
import { readAtTheEnd, sharedTermsOf, statesOf } from "./campaign.ts";
import { addAgent, killOnce, KILLS, type Round, spreadOf, writeMsOf } from "./kills.ts";
import { startWorkload } from "./workload.ts";

const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 5);
const SEED = Number(process.env["KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
/** Row D4. */
const RECOVERED_MS = 30_000;

describe("a registry that is killed", { timeout: 120_000 + ROUNDS * RECOVERED_MS }, () => {
  it(`[D4] takes registrations and writes again within 30 s, ${ROUNDS} times (seed ${SEED})`, async () => {
    const random = seededRandom(SEED);
    await using stack = new AsyncDisposableStack();
    const cluster = stack.use(await startCluster(3));
    const agents = [
      stack.use(await addAgent(cluster, "one")),
      stack.use(await addAgent(cluster, "two")),
    ];
    const enough = new AbortController();
    stack.defer(() => enough.abort());
    const workload = startWorkload({
      urls: cluster.hubs.map(({ url }) => url),
      token: cluster.token,
      random,
      clients: 4,
      keys: 8,
      operationsMax: 1_000_000,
      pauseMs: 20,
      signal: enough.signal,
    });
    const rounds: Round[] = [];
    const scene = { cluster, agents, random, patienceMs: RECOVERED_MS };
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push(await killOnce(scene, KILLS[round])); // one of each first
    }
    const last = rounds.at(-1);
    await until("a write after the last kill", () => {
      return last !== undefined && writeMsOf(last, workload.history) !== undefined;
    });
    enough.abort();
    await workload.done;

    const { body } = await (await cluster.leader()).api("GET", "/api/registry");
    const nodes = body.nodes as { readonly name: string; readonly state: string }[];
    expect(nodes.map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      "one alive",
      "two alive",
    ]);
    const history = [...workload.history, ...(await readAtTheEnd(cluster, workload.keys))];
    const figures = rounds.map((round) => ({
      kill: round.kill,
      registerMs: round.registerMs,
      writeMs: writeMsOf(round, history),
    }));
    const writes = figures.map(({ writeMs }) => writeMs ?? Infinity);
    const registered = figures.flatMap(({ registerMs }) => registerMs ?? []);
    const byKind = KILLS.map((kind) => {
      const own = figures.filter(({ kill }) => kill === kind);
      const write = spreadOf(own.map(({ writeMs }) => writeMs ?? Infinity));
      const register = spreadOf(own.flatMap(({ registerMs }) => registerMs ?? []));
      return { kill: kind, register, write };
    });
    console.log(
      JSON.stringify({
        seed: SEED,
        kills: rounds.length,
        register: spreadOf(registered),
        write: spreadOf(writes),
        byKind,
        operations: history.length,
      }),
    );
    expect(Math.max(...writes)).toBeLessThan(RECOVERED_MS);
    expect(Math.max(...registered)).toBeLessThan(RECOVERED_MS);
    expect(judge(history)).toMatchObject({ kind: "linearizable" });
    expect(workload.surprises).toEqual([]);
    expect(sharedTermsOf(cluster)).toEqual([]);
    expect(new Set(await statesOf(cluster)).size).toBe(1);
  });
});
