// What an agent may not change by itself, though every node of it were allowed.
//
// TR1. Where people are asked, and what is undone after a failure, stay as they are.
// TR2. No agent widens what agents may do.
// TR3. What comes before a hazard decides over it: a person looks at it first.

import type { Edge, Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Changes, NodeChange } from "./changes.ts";
import { type PatchFault, patchFault } from "./patch-fault.ts";
import { fits, type PatchPolicy } from "./patch-policy.ts";
import type { Author, PatchedRun } from "./patch-types.ts";
import { rootOf } from "./spawn-rule.ts";
import { visit } from "./walk.ts";

export interface TrustQuestion {
  readonly run: PatchedRun;
  readonly policy: PatchPolicy;
  readonly changes: Changes;
  readonly after: Graph;
}

/** Undefined: there is no agent node at this place. */
export function agentAt(
  graph: Graph,
  place: string,
): Extract<WorkflowNode, { type: "agent" }> | undefined {
  let here: Graph | undefined = graph;
  let node: WorkflowNode | undefined;
  for (const step of place.split("/")) {
    const id = step.replace(/\[\d+\]$/, "");
    node = here !== undefined && Object.hasOwn(here.nodes, id) ? here.nodes[id] : undefined;
    here = node?.type === "map" || node?.type === "loop" ? node.body : undefined;
  }
  return node?.type === "agent" ? node : undefined;
}

export function trustFaults(
  question: TrustQuestion,
  author: Extract<Author, { kind: "agent" }>,
): readonly PatchFault[] {
  const { run, changes } = question;
  const faults: PatchFault[] = [];
  if (agentAt(run.graph, author.place)?.patches === "ask")
    faults.push(
      patchFault(
        "asks_first",
        `/nodes/${rootOf(author.place)}/patches`,
        `"${author.place}" asks first`,
      ),
    );
  for (const change of changes.nodes) faults.push(...changeFaults(change));
  for (const edge of [...changes.addedEdges, ...changes.removedEdges]) {
    const ends = [run.graph.nodes[edge.from], run.graph.nodes[edge.to]]; // an approval that is new is no weaker
    if (ends.some((node) => node?.type === "approval") && !isAfterYes(run.graph, edge, changes))
      faults.push(
        patchFault(
          "approval_weakened",
          `/nodes/${edge.from}`,
          `The edge from "${edge.from}" to "${edge.to}" is changed`,
        ),
      );
  }
  const hazard = hazardAhead(question);
  if (hazard !== undefined)
    faults.push(
      patchFault(
        "leads_to_hazard",
        `/nodes/${hazard}`,
        `The patch changes what leads to "${hazard}"`,
      ),
    );
  return faults;
}

/** A new way on from an approval, to a node that is new, takes nobody's word away. */
const isAfterYes = (before: Graph, edge: Edge, { addedEdges }: Changes): boolean =>
  addedEdges.includes(edge) &&
  before.nodes[edge.from]?.type === "approval" &&
  !Object.hasOwn(before.nodes, edge.to) &&
  (edge.on ?? "done") !== "rejected" &&
  edge.on !== "always";

/** TR1, TR2. */
function changeFaults({ id, before, after, members }: NodeChange): readonly PatchFault[] {
  const pointer = `/nodes/${id}`;
  const faults: PatchFault[] = [];
  const asked = inner(before).filter(({ type }) => type === "approval");
  const still = new Set(
    inner(after)
      .filter(({ type }) => type === "approval")
      .map(withoutTitle),
  );
  if (asked.some((node) => !still.has(withoutTitle(node))))
    faults.push(patchFault("approval_weakened", pointer, `The approval in "${id}" is changed`));
  const isMore = powers(inner(after)) > powers(inner(before));
  const isOther =
    before?.type === "agent" &&
    after?.type === "agent" &&
    before.patches !== after.patches &&
    after.patches !== "no";
  if (isMore || isOther)
    faults.push(patchFault("agent_powers", pointer, `An agent in "${id}" could patch`));
  if (before?.undo !== undefined && (after === undefined || members.includes("undo")))
    faults.push(patchFault("undo_changed", `${pointer}/undo`, `What undoes "${id}" is changed`));
  return faults;
}

const inner = (node: WorkflowNode | undefined): readonly WorkflowNode[] =>
  node === undefined ? [] : visit(node, "").map(({ node: one }) => one);

const powers = (nodes: readonly WorkflowNode[]): number =>
  nodes.filter((node) => node.type === "agent" && node.patches !== "no").length;

const withoutTitle = (node: WorkflowNode): string => JSON.stringify({ ...node, title: undefined });

/** TR3. A hazardous or `once` node of the run that can be reached from what the patch changes. */
function hazardAhead({ run, changes, after, policy }: TrustQuestion): string | undefined {
  const isHazard = (node: WorkflowNode | undefined): boolean =>
    node !== undefined &&
    visit(node, "").some(
      ({ node: one }) =>
        one.effect === "once" || (one.type === "task" && fits(policy.hazardous, one.capability)),
    );
  const next = new Map<string, string[]>();
  for (const { from, to } of [...run.graph.edges, ...after.edges]) {
    const list = next.get(from);
    if (list === undefined) next.set(from, [to]);
    else list.push(to);
  }
  const reached = new Set([
    ...changes.nodes.map(({ id }) => id),
    ...[...changes.addedEdges, ...changes.removedEdges].map(({ to }) => to),
  ]);
  for (const id of reached) {
    if (Object.hasOwn(run.graph.nodes, id) && isHazard(run.graph.nodes[id])) return id;
    for (const to of next.get(id) ?? []) reached.add(to); // a Set goes on with what is added to it
  }
  return undefined;
}
