// A cluster for scripts: no storm, every step by hand, the oracles of the simulator watching.

import { present } from "@gantry/shared/base/assert.ts";
import type { MakeCore } from "../../hub/consensus/types.ts";
import { makeCluster } from "./cluster.ts";
import { leaderOf, waitForProgress } from "./finale.ts";
import type { Answer, Hub, Shared } from "./hub/types.ts";
import { drawMix, type Mix, TICK_MS } from "./mix.ts";

export interface Script {
  readonly shared: Shared;
  /** Virtual ms of the shortest election time-out. */
  readonly electionMs: number;
  hub(id: string): Hub;
  leader(): Hub;
  others(than: Hub): readonly Hub[];
  run(ms: number): void;
  /** A write that this hub takes; its answer, once it has one. */
  put(hub: Hub, value: string): { answer: Answer | undefined };
  /** A read asked now; checked against what was acknowledged before. */
  get(hub: Hub): { answer: Answer | undefined };
  cut(one: Hub, other: Hub): void;
  /** Ms until a new proposal commits; throws Broken after six election time-outs. */
  progress(): number;
}

export function startScript(makeCore: MakeCore, founders: number, seed = 1): Script {
  const calm = drawMix(seed);
  const mix: Mix = {
    ...calm,
    faults: new Set(),
    founders,
    spares: 0,
    learners: 0,
    hasWitness: false,
    electionTicks: 10,
    heartbeatTicks: 2,
    weather: { drop: 0, repeat: 0, delayMin: 0.1, delayMax: 2, slow: 0, isReordered: false },
    diskMs: [0.1, 2],
    checkpointEvery: 1_000,
    messageBytesMax: 100_000,
    inflightMax: 64,
    uncommittedBytesMax: 1_000_000,
  };
  const shared = makeCluster(seed, mix, { makeCore });
  const { world, hubs, network, oracle, commands } = shared;
  for (const hub of hubs.values()) hub.start();
  const electionMs = mix.electionTicks * TICK_MS;
  world.run(4 * electionMs);
  return {
    shared,
    electionMs,
    hub: (id) => present(hubs.get(id), id),
    leader: () => present(leaderOf(shared), "a leader"),
    others: (than) => [...hubs.values()].filter((hub) => hub !== than),
    run: (ms) => world.run(world.now + ms),
    put(hub, value) {
      const id = commands.length;
      commands.push({ id, client: id, sequence: 1, op: "put", key: "k", value });
      const told: { answer: Answer | undefined } = { answer: undefined };
      hub.propose(present(commands[id], "the command"), (answer) => {
        told.answer = answer;
        if (answer.kind === "ok") oracle.answered(answer.index);
      });
      return told;
    },
    get(hub) {
      const floor = oracle.acknowledged;
      const told: { answer: Answer | undefined } = { answer: undefined };
      hub.read("k", (answer) => {
        told.answer = answer;
        if (answer.kind === "value") oracle.read(hub.id, floor, answer.index);
      });
      return told;
    },
    cut(one, other) {
      network.block(one.id, other.id);
      network.block(other.id, one.id);
    },
    progress: () => waitForProgress(shared, 6 * electionMs, () => true),
  };
}
