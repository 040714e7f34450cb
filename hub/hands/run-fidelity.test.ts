import { expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { traceIdOf } from "@gantry/shared/base/trace.ts";
import type { Fidelity } from "@gantry/shared/contract/run-rows.ts";
import { makeTraces } from "../feed/traces.ts";
import { graph, kept, runOf, started } from "../ledger/testing/flows.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { RunCallParts } from "./run-calls.ts";
import { makeRunHands } from "./runs.ts";

const agent = (prompt: string): object => ({ type: "agent", prompt });
const FLOW = graph({ a: agent("one"), b: agent("two"), c: agent("three") }, ["a>b", "b>c"]);

async function ended(fidelity: Fidelity) {
  const fake = makeFakeHub();
  const traces = makeTraces();
  const hub = { ...fake.hub, traces };
  let said = 0;
  fake.rig.act(kept(FLOW));
  const end = new AbortController();
  const parts = {
    hub,
    egressAllow: [],
    models: {
      async generate() {
        said += 1;
        return { generated: { text: `answer ${said}`, promptTokens: 1, completionTokens: 1 } };
      },
    },
  };
  traces.link("run_1", "req_1");
  void makeRunHands(parts as unknown as RunCallParts).run(end.signal); // all that agents use
  fake.rig.act(started({ fidelity }));
  await fake.clock.pass(500, 50);
  const patched = fake.rig.act({
    type: "runStarted",
    role: "maker",
    run: "run_again",
    workflow: "flow",
    inputs: {},
    replayOf: { run: "run_1", mode: "freeze" },
  });
  await fake.clock.pass(500, 50);
  end.abort(new GantryError("stopping", "the test is over"));
  return {
    patched,
    said,
    run: runOf(fake.rig),
    again: runOf(fake.rig, "run_again"),
    spans: traces.read(traceIdOf("req_1")).map(({ name }) => name),
    told: fake.rig.events.filter(({ type, subject }) => type === "run.node" && subject === "run_1")
      .length,
    entries: runOf(fake.rig).entries,
  };
}

it("[A83] of one workflow, full fidelity has a span, an event and a timeline entry for each node and a complete replay; fast has the same result, and keeps none of them", async () => {
  const full = await ended("full");
  const fast = await ended("fast");
  expect([full.run.state.state, fast.run.state.state]).toEqual(["done", "done"]);
  expect(full.run.state.output).toEqual(fast.run.state.output);
  expect(full.spans).toEqual(["agent a", "agent b", "agent c"]);
  expect(full.told).toBe(3);
  expect(full.entries).toBeGreaterThanOrEqual(4);
  expect(full.again.state).toMatchObject({ state: "done", output: full.run.state.output });
  expect(full.said).toBe(3); // the replay asked nobody
  expect([fast.told, fast.entries]).toEqual([0, 0]);
  expect(fast.again.state).toMatchObject({ state: "failed", fault: { code: "not_recorded" } });
});
