// How long one routing decision takes, in process: which edge a branch takes, and who works on what
// next out of 10,000 jobs of 100 workspaces.

import { compile } from "../../hub/workflow/compile.ts";
import { advance, start } from "../../hub/workflow/engine.ts";
import { makeScheduler } from "../../hub/queues/scheduler.ts";

const ROUNDS = 20_000;
const WARM = 2_000;
const JOBS = 10_000;

/** ms each. */
export interface Decisions {
  readonly branch: readonly number[];
  readonly next: readonly number[];
}

export const measureDecisions = (): Decisions => ({ branch: branches(), next: picks() });

/** From the fact that a node has ended to the dispatch of what the branch after it chose among ten. */
function branches(): readonly number[] {
  const ways = Array.from({ length: 10 }, (_, place) => `way${place}`);
  const task = { type: "task", capability: "no-op" };
  const plan = compile({
    nodes: {
      first: task,
      choose: {
        type: "branch",
        cases: ways.map((take, place) => ({ when: `nodes.first.output.at == ${place}`, take })),
      },
      ...Object.fromEntries(ways.map((way) => [way, task])),
    },
    edges: [
      { from: "first", to: "choose" },
      ...ways.map((way) => ({ from: "choose", to: way, on: way })),
    ],
  });
  const { run } = start(plan, "run-1", {}, 0);
  return timed((round) => {
    const output = { at: round % 10 };
    const after = advance(plan, run, { kind: "finished", place: "first", attempt: 1, output }, 0);
    const taken = after.effects.find(({ kind }) => kind === "dispatch");
    if (taken === undefined || !("place" in taken) || taken.place !== `way${round % 10}`)
      throw new Error("the branch took another way");
  });
}

/** Each job that is taken ends, and another one comes. */
function picks(): readonly number[] {
  const scheduler = makeScheduler();
  let added = 0;
  function add(): void {
    added += 1;
    scheduler.add(
      {
        id: `job-${added}`,
        queue: "tasks",
        needs: "",
        class: added % 3,
        workspace: `workspace-${added % 100}`,
        priority: added % 7,
        order: added,
        notBeforeMs: 0,
        mutex: undefined,
        key: undefined,
        place: "lane",
        gate: undefined,
        lease: undefined,
        slot: -1,
      },
      0,
    );
  }
  for (let place = 0; place < JOBS; place += 1) add();
  const wanted = {
    queue: "tasks",
    needs: "",
    max: 1,
    worker: "worker",
    token: 1,
    nowMs: 0,
    endsAtMs: () => 1_000,
  };
  return timed(() => {
    const [item] = scheduler.take(wanted).items;
    if (item === undefined) throw new Error("there was nothing to do");
    scheduler.remove(item.id, 0);
    add();
  });
}

function timed(work: (round: number) => void): readonly number[] {
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS + WARM; round += 1) {
    const fromMs = performance.now();
    work(round);
    if (round >= WARM) samples.push(performance.now() - fromMs);
  }
  return samples;
}
