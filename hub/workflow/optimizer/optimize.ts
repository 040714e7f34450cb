// Runs the passes over a workflow, each of which can be switched off. Every step is a patch with what
// it did, before and after: a run keeps them as overlays, and anyone can read or revert them.
//
// OZ1. What a pass gives goes through the same compiler as any patch. A step that does not compile is
//      left out and told, not applied.
// OZ2. Bodies of maps and loops are graphs, too: the innermost first.

import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { tryCompile } from "../compile.ts";
import type { WorkflowFault } from "../fault.ts";
import type { Json } from "../json-value.ts";
import { applyNodePatch, type NodeOperation } from "../node-patch.ts";
import { CACHE_TTL_MS, markCaches } from "./cache-marks.ts";
import { pruneDeadPaths } from "./dead-paths.ts";
import { hoistInvariants } from "./loop-invariants.ts";
import { parallelise } from "./parallel.ts";
import { type Finding, type Pass, type PassName, PASSES } from "./pass.ts";
import { pushPredicates } from "./predicate-pushdown.ts";
import { coalesceHttp, shareFunctions } from "./twins.ts";
import { viewOf } from "./view.ts";

export interface OptimizerOptions {
  /** Passes left out are on. */
  readonly passes?: Partial<Readonly<Record<PassName, boolean>>>;
  readonly cacheTtlMs?: number;
}

export interface GraphFacts {
  /** sha256 of its canonical JSON. */
  readonly hash: string;
  readonly nodes: number;
  readonly edges: number;
}

export interface OptimizerStep {
  readonly pass: PassName;
  /** A patch of node operations, for the graph as the step before left it. */
  readonly operations: readonly NodeOperation[];
  /** A sentence for each thing done. */
  readonly notes: readonly string[];
  readonly before: GraphFacts;
  readonly after: GraphFacts;
}

export interface Optimized {
  readonly graph: Graph;
  readonly steps: readonly OptimizerStep[];
  /** OZ1: none, unless a pass is wrong. */
  readonly leftOut: readonly {
    readonly pass: PassName;
    readonly faults: readonly WorkflowFault[];
  }[];
}

/** `graph` has been compiled before. Never throws for one that has. */
export function optimize(graph: Graph, options: OptimizerOptions = {}): Optimized {
  const steps: OptimizerStep[] = [];
  const leftOut: { readonly pass: PassName; readonly faults: readonly WorkflowFault[] }[] = [];
  let here = { graph, facts: factsOf(graph) };
  for (const pass of PASSES) {
    if (options.passes?.[pass] === false || here.facts === undefined) continue;
    const { operations, notes } = within(here.graph, here.graph.inputs, passOf(pass, options));
    if (operations.length === 0) continue;
    const made = tryCompile(applyNodePatch(json(here.graph), operations).result);
    if ("faults" in made) {
      leftOut.push({ pass, faults: made.faults });
      continue;
    }
    const after = factsOf(made.plan.graph);
    if (after === undefined) continue;
    steps.push({ pass, operations, notes, before: here.facts, after });
    here = { graph: made.plan.graph, facts: after };
  }
  return { graph: here.graph, steps, leftOut };
}

const json = (graph: Graph): Json => graph as unknown as Json; // JSON by its schema

function factsOf(graph: Graph): GraphFacts | undefined {
  const made = tryCompile(graph);
  if ("faults" in made) return undefined;
  return {
    hash: made.plan.hash,
    nodes: Object.keys(graph.nodes).length,
    edges: graph.edges.length,
  };
}

function passOf(name: PassName, { cacheTtlMs = CACHE_TTL_MS }: OptimizerOptions): Pass {
  switch (name) {
    case "dead-paths":
      return pruneDeadPaths;
    case "predicate-pushdown":
      return pushPredicates;
    case "loop-invariants":
      return hoistInvariants;
    case "common-subexpressions":
      return shareFunctions;
    case "http-coalescing":
      return coalesceHttp;
    case "parallelisation":
      return parallelise;
    case "cache-marks":
      return markCaches(cacheTtlMs);
  }
}

/** OZ2. */
function within(graph: Graph, inputs: Graph["inputs"], pass: Pass): Finding {
  const operations: NodeOperation[] = [];
  const notes: string[] = [];
  for (const [id, node] of Object.entries(graph.nodes)) {
    if (node.type !== "map" && node.type !== "loop") continue;
    const found = within(node.body, inputs, pass);
    if (found.operations.length === 0) continue;
    const value = applyNodePatch(json(node.body), found.operations).result;
    operations.push({ op: "setNode", id, at: "/body", value });
    notes.push(...found.notes.map((note) => `in "${id}": ${note}`));
  }
  const inner =
    operations.length === 0
      ? graph
      : (applyNodePatch(json(graph), operations).result as unknown as Graph);
  const view = viewOf(inner, inputs);
  if (view === undefined) return { operations, notes };
  const found = pass(view);
  return { operations: [...operations, ...found.operations], notes: [...notes, ...found.notes] };
}
