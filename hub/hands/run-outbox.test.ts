import { expect, it } from "vitest";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { graph, http, kept, started } from "../ledger/testing/flows.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeRunOutbox } from "./run-outbox.ts";

it("facts of runs go into commands that a log entry holds, also where answers are long texts", async () => {
  const fake = makeFakeHub();
  fake.rig.act(kept(graph({ call: http() })));
  const signal = new AbortController().signal;
  const folded: RunFact[] = [];
  const outbox = makeRunOutbox(fake.hub, signal, (facts) => void folded.push(...facts));
  const runs = Array.from({ length: 40 }, (_, number) => `run_${number}`);
  for (const run of runs) fake.rig.act(started({ run }));
  for (const run of runs) outbox.push([run, "done", "call", 1, "x".repeat(32_000)]);
  await fake.clock.pass(10);
  expect(folded.map(([run]) => run)).toEqual(runs);
  const sizes = fake.proposed.map((command) => JSON.stringify(command).length);
  expect(Math.max(...sizes)).toBeLessThan(600_000);
});
