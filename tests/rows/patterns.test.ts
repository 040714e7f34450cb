// Rows about agents that work together: what is asked of models at once, and how often in all.

import { describe, expect, it } from "vitest";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { planOf } from "../../hub/ledger/domains/plans.ts";
import { advanced, graph, kept, runOf, started } from "../../hub/ledger/testing/flows.ts";
import { makeLedgerRig } from "../../hub/ledger/testing/rig.ts";
import { owed } from "../../hub/workflow/owed.ts";

const agent = (prompt: string): object => ({ type: "agent", prompt });
const many = (count: number, name: string): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${name}${at + 1}`);

/** Eight workers, two who put four reports each together, one who decides. */
const workers = many(8, "worker");
const middles = many(2, "middle");
const HIERARCHY = graph(
  Object.fromEntries([...workers, ...middles, "head"].map((id) => [id, agent(id)])),
  [
    ...workers.map((id, at) => `${id}>${at < 4 ? "middle1" : "middle2"}`),
    ...middles.map((id) => `${id}>head`),
  ],
);
/** Five that answer each other for two rounds. */
const SWARM = graph({
  talk: {
    type: "loop",
    start: [],
    while: "round < 2",
    body: graph(
      {
        turn: {
          type: "map",
          over: "inputs.members",
          body: graph({ say: agent("${item}: ${size(state)}") }, [], {
            output: "${nodes.say.output.text}",
          }),
        },
      },
      [],
      { output: "${nodes.turn.output}" },
    ),
  },
});

/** A model that answers all that it is asked, turn by turn; gives how many it was asked at once. */
function turnsOf(flow: Graph, inputs: object): readonly number[] {
  const rig = makeLedgerRig();
  rig.act(kept(flow));
  rig.act(started({ inputs }));
  const turns: number[] = [];
  while (runOf(rig).state.state === "running") {
    const { state } = runOf(rig);
    const facts = owed(planOf(rig.rows, state.graph), state).flatMap((effect): RunFact[] =>
      effect.kind === "dispatch" && effect.node.type === "agent"
        ? [["run_1", "done", effect.place, effect.attempt, { text: effect.place }]]
        : [],
    );
    if (facts.length === 0) throw new Error("nobody is asked and it has not ended");
    turns.push(facts.length);
    rig.act(advanced(...facts));
  }
  expect(runOf(rig).state.state).toBe("done");
  return turns;
}

describe("[M6] agents that work together", () => {
  it("in a hierarchy of eleven: the eight workers at once, then the two above them, then the head", () => {
    expect(turnsOf(HIERARCHY, {})).toEqual([8, 2, 1]);
  });

  it("in a swarm of five: all of them at once, in each of two rounds", () => {
    expect(turnsOf(SWARM, { members: many(5, "bee") })).toEqual([5, 5]);
  });
});
