// Test equipment: any commands about workflows and runs, over three runs of three workflows that call,
// ask, wait, repeat and start each other.

import { digestOf } from "@gantry/shared/base/digest.ts";
import fc from "fast-check";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { graph, http, value } from "../../hub/ledger/testing/flows.ts";
import { START_MS } from "../../hub/ledger/testing/rig.ts";

const FLOWS = {
  ask: graph(
    {
      call: http({ retry: { attempts: 2 } }),
      ask: { type: "approval", question: "?", waitMs: 1_000, escalateTo: "admin", approvals: 2 },
      wait: { type: "timer", delayMs: 1_000 },
      end: value("${nodes.call.output}"),
    },
    ["call>ask", "call>wait", "ask>end", "wait>end"],
  ),
  each: graph({
    each: {
      type: "map",
      over: "[1, 2, 3]",
      body: graph({ call: http({ effect: "once" }) }),
      maxParallel: 2,
    },
  }),
  below: graph({ sub: { type: "subworkflow", workflow: "ask" }, call: http() }, ["sub>call"]),
};

const oneOf = fc.constantFrom;
const run = oneOf("run_1", "run_2", "run_3");
const name = oneOf("ask", "each", "below");
const place = oneOf("call", "sub", "ask", "wait", "each[0]/call", "each[2]/call");
const attempt = oneOf(1, 1, 1, 2, 3);
const role = oneOf("viewer", "maker", "admin");
const fault = { code: "timeout", message: "late" };
const dueMs = oneOf(0, 1_000, 2_000).map((afterMs) => START_MS + afterMs);

const fact: fc.Arbitrary<RunFact> = fc.oneof(
  fc.tuple(run, oneOf("done"), place, attempt, fc.jsonValue({ maxDepth: 1 })),
  fc.tuple(run, oneOf("taken", "lost"), place, attempt),
  fc.tuple(run, oneOf("failed"), place, attempt, fc.constant(fault), oneOf(null, START_MS)),
  fc.tuple(run, oneOf("due"), place, dueMs),
  fc.tuple(run, oneOf("on")),
);

const kept = (each: keyof typeof FLOWS): CommandBody => ({
  type: "workflowKept",
  name: each,
  sha256: digestOf(FLOWS[each]),
  graph: FLOWS[each],
  tag: "main",
});
const keep = name.map(kept);

/** Each workflow is kept, and one run of each has begun. */
export const beginnings: readonly CommandBody[] = (["ask", "each", "below"] as const).flatMap(
  (workflow, at): CommandBody[] => [
    kept(workflow),
    { type: "runStarted", role: "maker", run: `run_${at + 1}`, workflow, inputs: {} },
  ],
);

const start = fc
  .record({ run, workflow: name, fidelity: oneOf("full", "fast") })
  .map((facts): CommandBody => ({ type: "runStarted", role: "maker", inputs: {}, ...facts }));

const fork = fc
  .record({
    run: oneOf("run_4", "run_5"),
    of: run,
    mode: oneOf("freeze", "shadow", "live"),
    from: oneOf(["call"], ["each"], ["sub", "call"], ["none"]),
  })
  .map(({ run: id, of, mode, from }): CommandBody => ({
    type: "runStarted",
    role: "maker",
    run: id,
    workflow: "ask",
    inputs: {},
    replayOf: { run: of, mode, from },
  }));

const rules = { hosts: ["*"], agentHosts: [], agentCapabilities: [], hazardous: [] };
const library: fc.Arbitrary<CommandBody> = fc.oneof(
  fc.tuple(name, oneOf("a", "b"), oneOf(undefined, "main")).map(([workflow, node, tag]) => ({
    type: "libraryPatched" as const,
    name: workflow,
    operations: [{ op: "addNode", id: node, node: value(1) }],
    reason: "why",
    hosts: ["*"],
    ...(tag === undefined ? {} : { tag }),
  })),
  fc.record({
    type: oneOf("libraryReverted"),
    name,
    patch: fc.nat(4),
    reason: oneOf("back"),
    hosts: fc.constant(["*"]),
  }),
  fc.record({ type: oneOf("libraryMade"), name, through: fc.nat(6) }),
);
const patches: fc.Arbitrary<CommandBody> = fc
  .tuple(run, oneOf("a", "b"), fc.nat(2))
  .map(([id, node, revision]) => ({
    type: "runPatched",
    run: id,
    by: { kind: "person", role: "maker" },
    operations: [{ op: "addNode", id: node, node: value(1) }],
    reason: "why",
    baseRevision: revision,
    rules,
  }));

/** Any of them; most need that earlier ones were taken. */
export const runBodies: fc.Arbitrary<CommandBody> = fc.oneof(
  { weight: 2, arbitrary: keep },
  { weight: 4, arbitrary: start },
  fork,
  {
    weight: 8,
    arbitrary: fc
      .array(fact, { minLength: 1, maxLength: 4 })
      .map((facts): CommandBody => ({ type: "runsAdvanced", facts })),
  },
  patches,
  library,
  run.map((id): CommandBody => ({ type: "runCancelled", run: id, reason: "" })),
  fc.record({ type: oneOf("runPaused", "runResumed", "runRetried"), run }),
  fc.record({
    type: oneOf("runPatchReverted"),
    run,
    patch: oneOf(1, 2),
    reason: oneOf("back"),
    role: oneOf("maker"),
    rules: fc.constant(rules),
  }),
  fc.record({
    type: oneOf("runResolved"),
    run,
    place,
    outcome: oneOf("done", "failed", "again"),
    reason: oneOf("seen"),
  }),
  fc.record({ type: oneOf("runBlobKept"), run, sha256: oneOf("a") }),
  fc.record({
    type: oneOf("runsPacked"),
    sha256: oneOf("a", "b"),
    sizeBytes: fc.nat(100),
    through: fc.nat(4),
    runs: fc.array(
      fc.record({ run, ended: fc.nat(4), recorded: oneOf([], ["call"], ["call", "each[0]/call"]) }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ type: oneOf("runPacksDropped"), below: fc.nat(3) }),
  fc.record({
    type: oneOf("workflowTagged"),
    name,
    tag: oneOf("main", "exp"),
    sha256: oneOf(null, digestOf(FLOWS.ask)),
  }),
);

/** `pick` chooses among the open tickets that there are. */
export const decision = fc
  .record({ pick: fc.nat(5), approve: fc.boolean(), role })
  .map(({ pick, approve, role: by }) => (tickets: readonly string[]): CommandBody => ({
    type: "ticketDecided",
    ticket: tickets[pick % Math.max(1, tickets.length)] ?? "apr_0",
    approve,
    reason: "seen",
    role: by,
  }));
