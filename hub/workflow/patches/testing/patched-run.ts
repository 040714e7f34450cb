// Runs and patches for tests, with defaults: each option that a test sets means something.

import type { Role } from "@gantry/shared/contract/roles.ts";
import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { NodeState } from "../../engine-types.ts";
import { readGraph } from "../../validate.ts";
import { judgePatch, type PatchContext } from "../judge.ts";
import { patchPolicy } from "../patch-policy.ts";
import type { AppliedPatch, Author, PatchDraft, PatchedRun, Verdict } from "../patch-types.ts";

export const person = (role: Role = "maker", name = "ada"): Author => ({
  kind: "person",
  name,
  role,
});
export const agent = (place = "planner", role: Role = "maker"): Author => ({
  kind: "agent",
  place,
  role,
});

export const value = (of: unknown): Record<string, unknown> => ({
  type: "function",
  function: "value",
  with: { value: of },
});

/** Throws if it is not one. */
export function graphOf(given: unknown): Graph {
  const read = readGraph(given);
  if ("faults" in read) throw new Error(JSON.stringify(read.faults));
  return read.graph;
}

/** a -> b -> c, and an agent that may patch. */
export const CHAIN = graphOf({
  nodes: {
    a: value(1),
    b: value("${nodes.a.output}"),
    c: value("${nodes.b.output}"),
    planner: { type: "agent", prompt: "Plan.", patches: "apply" },
  },
  edges: [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
  ],
});

export function runOf(
  base: Graph = CHAIN,
  states: Readonly<Record<string, NodeState>> = {},
  more: Partial<PatchedRun> = {},
): PatchedRun {
  const stateOf = (id: string): NodeState | undefined =>
    states[id] ?? (Object.hasOwn(base.nodes, id) ? "pending" : undefined);
  return { base, graph: base, patches: [], isOver: false, stateOf, ...more };
}

export const POLICY = patchPolicy({
  hosts: ["api.example.org", "*.example.net", "10.1.2.3:9000"],
  agentHosts: ["api.example.org"],
  agentCapabilities: ["embed", "command:*"],
  hazardous: ["print*", "move"],
});

export const context = (more: Partial<PatchContext> = {}): PatchContext => ({
  id: "p1",
  atMs: 1_000,
  policy: POLICY,
  ...more,
});

export const draft = (operations: unknown, more: Partial<PatchDraft> = {}): PatchDraft => ({
  author: person(),
  baseRevision: 0,
  operations,
  reason: "a test",
  ...more,
});

export const judge = (
  run: PatchedRun,
  operations: unknown,
  more: Partial<PatchDraft> = {},
  given: Partial<PatchContext> = {},
): Verdict =>
  judgePatch(run, draft(operations, { baseRevision: run.patches.length, ...more }), context(given));

/** The run with the patch, or an error that says why not. */
export function accept(run: PatchedRun, verdict: Verdict): PatchedRun {
  if (verdict.kind !== "accepted") throw new Error(JSON.stringify(verdict));
  return { ...run, patches: [...run.patches, verdict.patch], graph: verdict.graph };
}

export const patched = (
  run: PatchedRun,
  operations: unknown,
  more: Partial<PatchDraft> = {},
): PatchedRun => accept(run, judge(run, operations, more, { id: `p${run.patches.length + 1}` }));

export const lastOf = ({ patches }: PatchedRun): AppliedPatch => {
  const last = patches.at(-1);
  if (last === undefined) throw new Error("there is no patch");
  return last;
};

/** Codes of the verdict's faults, or `accepted`. */
export const codesOf = (verdict: Verdict): readonly string[] =>
  verdict.kind === "accepted" ? ["accepted"] : verdict.faults.map(({ code }) => code);

export const nodeIn = (graph: Graph, id: string): WorkflowNode | undefined =>
  Object.hasOwn(graph.nodes, id) ? graph.nodes[id] : undefined;

export const add = (id: string, node: unknown): unknown => ({ op: "addNode", id, node });
export const link = (from: string, to: string, on?: string): unknown => ({
  op: "addEdge",
  edge: on === undefined ? { from, to } : { from, to, on },
});
