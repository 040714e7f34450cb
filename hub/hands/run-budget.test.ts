import { expect, it } from "vitest";
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
