// Test equipment: small workflows, and the commands about them.

import { digestOf } from "@gantry/shared/base/digest.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { type Edge, type Graph, graphSchema } from "@gantry/shared/contract/workflow.ts";
import { present } from "@gantry/shared/base/assert.ts";
import type { RunRow } from "../run-row.ts";
import type { LedgerRig } from "./rig.ts";

export const value = (given: unknown): object => ({
  type: "function",
  function: "value",
  with: { value: given },
});
export const http = (facts: object = {}): object => ({
  type: "http",
  url: "http://outside.test/",
  ...facts,
});

/** `a>b` or `a>b:on`. */
function edge(text: string): Edge {
  const [ends = "", on] = text.split(":");
  const [from = "", to = ""] = ends.split(">");
  return { from, to, ...(on === undefined ? {} : { on }) };
}

export const graph = (
  nodes: Readonly<Record<string, object>>,
  edges: readonly string[] = [],
  facts: object = {},
): Graph => graphSchema.parse({ nodes, edges: edges.map(edge), ...facts });

export const kept = (flow: Graph, facts: object = {}): CommandBody => ({
  type: "workflowKept",
  name: "flow",
  sha256: digestOf(flow),
  graph: flow,
  ...facts,
});

export const started = (facts: object = {}): CommandBody => ({
  type: "runStarted",
  role: "maker",
  run: "run_1",
  workflow: "flow",
  inputs: {},
  ...facts,
});

export const advanced = (...facts: readonly RunFact[]): CommandBody => ({
  type: "runsAdvanced",
  facts,
});

export const runOf = (rig: LedgerRig, id = "run_1"): RunRow => present(rig.rows.get("run", id), id);
export const live = (rig: LedgerRig): number => rig.rows.hot("run").size;
