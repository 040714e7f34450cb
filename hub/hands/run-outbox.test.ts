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

it("one fact that the log refuses is left out, and holds up none of the others (RO2)", async () => {
  const fake = makeFakeHub();
  const { hub, rig, clock } = fake;
  rig.act(kept(graph({ call: http() })));
  const runs = Array.from({ length: 9 }, (_, number) => `run_${number}`);
  for (const run of runs) rig.act(started({ run }));
  const propose: typeof hub.replica.propose = (command, signal) =>
    command.type === "runsAdvanced" && command.facts.some(([run]) => run === "run_4")
      ? Promise.resolve({ ok: false, position: 1, error: { code: "bad_request", message: "no" } })
      : hub.replica.propose(command, signal);
  const folded: RunFact[] = [];
  const outbox = makeRunOutbox(
    { ...hub, replica: { ...hub.replica, propose } },
    new AbortController().signal,
    (facts) => void folded.push(...facts),
  );
  for (const run of runs) if (run !== "run_4") outbox.push([run, "done", "call", 1, "x"]);
  const refused = outbox.record(["run_4", "taken", "call", 1]);
  await expect(Promise.race([refused, clock.pass(10).then(() => refused)])).rejects.toMatchObject({
    code: "bad_request",
  });
  await clock.pass(10);
  expect(folded.map(([run]) => run).toSorted()).toEqual(runs.filter((run) => run !== "run_4"));
});
