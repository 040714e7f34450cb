// How much work a patch may set off.
//
// SP1. Bounds hold for the run as a whole: what earlier patches of agents have added counts.
// SP2. An agent that an agent has added is one generation further; there is a last one.

import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { Changes } from "./changes.ts";
import { type PatchFault, patchFault } from "./patch-fault.ts";
import { PATCH_BOUNDS } from "./patch-policy.ts";
import type { Author, PatchedRun } from "./patch-types.ts";
import { visit, visitAll } from "./walk.ts";

/** Of a graph alone, also of one that nobody has patched. */
export function callFaults(graph: Graph): readonly PatchFault[] {
  const calls = { all: 0, agents: 0 };
  const faults: PatchFault[] = [];
  for (const { node, pointer, times } of visitAll(graph)) {
    const isCall = ["http", "agent", "task", "document", "subworkflow"].includes(node.type);
    if (!isCall) continue;
    calls.all += times;
    if (node.type === "agent") calls.agents += times;
    if (calls.all > PATCH_BOUNDS.calls.max || calls.agents > PATCH_BOUNDS.agentCalls.max) {
      const what = `Up to here the graph may make ${calls.all} calls, ${calls.agents} of them to models`;
      faults.push(patchFault("spawn_calls", pointer, what));
      break; // what comes after only adds to it
    }
  }
  return faults;
}

export function spawnFaults(
  run: PatchedRun,
  author: Author,
  changes: Changes,
  after: Graph,
): readonly PatchFault[] {
  const faults = [...callFaults(after)];
  const agents = visitAll(after).filter(({ node }) => node.type === "agent");
  const grows =
    agents.length > visitAll(run.graph).filter(({ node }) => node.type === "agent").length;
  const last = agents.at(-1);
  if (grows && agents.length > PATCH_BOUNDS.agents.max && last !== undefined)
    faults.push(
      patchFault("spawn_agents", last.pointer, `The run would have ${agents.length} agents`),
    );
  return author.kind === "agent" ? [...faults, ...agentFaults(run, author, changes)] : faults;
}

function agentFaults(
  run: PatchedRun,
  author: Extract<Author, { kind: "agent" }>,
  { nodes }: Changes,
): readonly PatchFault[] {
  const faults: PatchFault[] = [];
  const history = lineage(run);
  const written = nodes.flatMap(({ id, before, after }) =>
    after === undefined
      ? []
      : [
          {
            id,
            count: visit(after, "").length - (before === undefined ? 0 : visit(before, "").length),
          },
        ],
  );
  const added =
    history.nodesByAgents + written.reduce((sum, { count }) => sum + Math.max(0, count), 0);
  const [first] = written;
  if (first !== undefined && added > PATCH_BOUNDS.nodesByAgents.max)
    faults.push(
      patchFault(
        "spawn_nodes",
        `/nodes/${first.id}`,
        `Agents would have added ${added} nodes to this run`,
      ),
    ); // SP1
  const generation = (history.generationOf.get(rootOf(author.place)) ?? 0) + 1;
  for (const { id, after } of nodes) {
    const hasAgent =
      after !== undefined && visit(after, "").some(({ node }) => node.type === "agent");
    if (!hasAgent || generation <= PATCH_BOUNDS.generations.max) continue;
    const what = `"${id}" would be an agent of generation ${generation}`;
    faults.push(patchFault("spawn_depth", `/nodes/${id}`, what)); // SP2
  }
  return faults;
}

/** The node of the run's own graph that a place is in: `each` of `each[3]/step`. */
export const rootOf = (place: string): string => /^[^[/]*/.exec(place)?.[0] ?? place;

interface Lineage {
  readonly nodesByAgents: number;
  /** Of nodes that agents wrote: 1 for those of an agent of the base. */
  readonly generationOf: ReadonlyMap<string, number>;
}

function lineage({ patches }: PatchedRun): Lineage {
  const generationOf = new Map<string, number>();
  let nodesByAgents = 0;
  for (const { author, written } of patches) {
    if (author.kind !== "agent") continue;
    const generation = (generationOf.get(rootOf(author.place)) ?? 0) + 1;
    for (const id of written.ids) generationOf.set(id, generation);
    nodesByAgents += written.nodes;
  }
  return { nodesByAgents, generationOf };
}
