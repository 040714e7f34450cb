// A run whose graph changes under it. Nodes are known by their ids: what has begun keeps all it has,
// what is new waits for its turn like any other.
//
// PA1. History is frozen: nothing of a node that has begun is changed, and no edge is put before it
//      or taken away from it. New edges may leave it.

import { type Cell, moreIn, newFrame, type Work } from "./draft.ts";
import { type WorkflowFault, workflowFault } from "./fault.ts";
import { type Frame, isOver, NODE, type RunState, type Stale } from "./engine-types.ts";
import { isSame, type Json } from "./json-value.ts";
import { formatPointer } from "./json-pointer.ts";
import { completeIfOver, sweep } from "./moves.ts";
import type { Body, Plan, PlanNode } from "./plan.ts";

/** What a patch changes that it may not (PA1); empty if it may be applied. */
export function frozenFaults(before: Plan, run: RunState, after: Plan): readonly WorkflowFault[] {
  return before.root.nodes.flatMap((node) => {
    if (!hasBegun(run.root, node)) return [];
    const index = after.root.indexOf.get(node.id);
    const next = index === undefined ? undefined : after.root.nodes[index];
    const pointer = formatPointer(["nodes", node.id]);
    if (next === undefined)
      return [frozen(pointer, `"${node.id}" has begun and cannot be removed`)];
    if (!isSame(node.node as unknown as Json, next.node as unknown as Json)) {
      return [frozen(pointer, `"${node.id}" has begun and cannot be changed`)];
    }
    if (!isSame(edgesInto(before.root, node), edgesInto(after.root, next))) {
      return [frozen("/edges", `"${node.id}" has begun; edges to it cannot be changed`)];
    }
    const lost = edgesFrom(before.root, node).filter(
      (edge) =>
        isOver(run.root.state[node.index] ?? 0) &&
        !edgesFrom(after.root, next).some((other) => isSame(edge, other)) &&
        after.root.indexOf.has(edge[1] ?? ""),
    );
    return lost.map(([, to = "", on = ""]) =>
      frozen("/edges", `The edge from "${node.id}" to "${to}" (${on}) was decided already`),
    );
  });
}

const frozen = (pointer: string, message: string): WorkflowFault =>
  workflowFault("frozen", pointer, message);

/** One that was set back by a retry has not. */
const hasBegun = (frame: Frame, { id, index }: PlanNode): boolean =>
  frame.state[index] !== NODE.pending ||
  (frame.attempt[index] ?? 0) > (moreIn(frame, id).since ?? frame.base);

const idIn = (body: Body, index: number): string => body.nodes[index]?.id ?? "";

const edgesInto = (body: Body, { ins }: PlanNode): readonly string[] =>
  ins.map(({ from, label }) => `${idIn(body, from)} ${label}`).toSorted();

const edgesFrom = (body: Body, { outs, id }: PlanNode): readonly (readonly string[])[] =>
  outs.map(({ to, label }) => [id, idIn(body, to), label]);

/** Takes the new graph; nodes that are gone had not begun. */
export function patch(work: Work, plan: Plan, revision: number): Stale | undefined {
  const { run, root } = work;
  if (run.state === "undoing" || run.ending !== null) return "run_undoing";
  if (revision !== run.revision + 1) return "old_revision";
  run.revision = revision;
  run.graph = plan.hash;
  remap(root, plan);
  sweep(work);
  completeIfOver(work);
  return undefined;
}

/** The root is a draft of this very advance: its lists may be filled anew. */
function remap(root: Cell, { root: body }: Plan): void {
  const { frame } = root;
  const old = root.body;
  const fresh = newFrame(body, frame.vars, frame.base);
  const [state, attempt, output] = [[...fresh.state], [...fresh.attempt], [...fresh.output]];
  let open = 0;
  for (const { index, id, isUndo } of body.nodes) {
    const from = old.indexOf.get(id);
    if (from !== undefined) {
      state[index] = frame.state[from] ?? NODE.pending;
      attempt[index] = frame.attempt[from] ?? frame.base;
      output[index] = frame.output[from] ?? null;
    }
    if (!isUndo && !isOver(state[index] ?? NODE.pending)) open += 1;
  }
  const kept = Object.entries(frame.more).filter(([id]) => body.indexOf.has(id));
  frame.more = Object.fromEntries(kept);
  root.ownsMore = true;
  root.body = body;
  frame.open = open;
  for (const [list, values] of [
    [frame.state, state],
    [frame.attempt, attempt],
  ] as const) {
    list.splice(0, list.length, ...values);
  }
  frame.output.splice(0, frame.output.length, ...output);
}
