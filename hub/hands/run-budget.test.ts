import { describe, expect, it } from "vitest";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { graph, kept, runOf, started } from "../ledger/testing/flows.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { RunCallParts } from "./run-calls.ts";
import { makeRunHands } from "./runs.ts";

it("[K55] a run whose time is over is stopped when it is, though nothing else happens to it", async () => {
  const fake = makeFakeHub();
  fake.rig.act(kept(graph({ wait: { type: "timer", delayMs: 3_600_000 } })));
  fake.rig.act(started({ budget: { timeMs: 60_000 } }));
  fake.rig.act(started({ run: "run_2" }));
  const end = new AbortController();
  void makeRunHands({ hub: fake.hub, egressAllow: [] } as unknown as RunCallParts).run(end.signal); // all that it uses
  await fake.clock.pass(59_000, 1_000);
  expect(runOf(fake.rig).state.state).toBe("running");
  await fake.clock.pass(2_000);
  expect(runOf(fake.rig).state).toMatchObject({
    state: "failed",
    fault: { code: "budget_exceeded" },
  });
  expect(runOf(fake.rig, "run_2").state.state).toBe("running");
  end.abort(new GantryError("stopping", "the test is over"));
});

interface Peak {
  readonly peak: number;
  readonly done: number;
  readonly state: string;
}

async function peakOf(flow: Graph): Promise<Peak> {
  const fake = makeFakeHub();
  let [open, peak, done] = [0, 0, 0];
  fake.rig.act(kept(flow));
  fake.rig.act(started());
  const end = new AbortController();
  const parts = {
    hub: fake.hub,
    egressAllow: [],
    models: {
      async generate() {
        open += 1;
        peak = Math.max(peak, open);
        await fake.clock.sleep(100, end.signal);
        open -= 1;
        done += 1;
        return { generated: { text: "ok", promptTokens: 1, completionTokens: 1 } };
      },
    },
  };
  void makeRunHands(parts as unknown as RunCallParts).run(end.signal); // all that agents use
  await fake.clock.pass(5_000, 50);
  end.abort(new GantryError("stopping", "the test is over"));
  return { peak, done, state: runOf(fake.rig).state.state };
}

const agents = (count: number, facts: object = {}): Graph =>
  graph(
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`a${at}`, { type: "agent", prompt: "think" }]),
    ),
    [],
    facts,
  );

describe("what a run has under way at a time", () => {
  it("[M42] is ten agents, or what its workflow says, one included; all of them are done in the end", async () => {
    expect(await peakOf(agents(35))).toEqual({ peak: 10, done: 35, state: "done" });
    expect(await peakOf(agents(20, { maxParallel: 15 }))).toEqual({
      peak: 15,
      done: 20,
      state: "done",
    });
    expect(await peakOf(agents(5, { maxParallel: 1 }))).toEqual({
      peak: 1,
      done: 5,
      state: "done",
    });
  });
});
