// What one patch changed, as people read it: nodes and edges that are new, gone or other than before.
// Taken from the two graphs and not from the operations, so that no wording hides anything.

import type { Edge, Graph } from "@gantry/shared/contract/workflow.ts";
import { isObject, isSame, type Json } from "../json-value.ts";
import { changesBetween, type NodeChange } from "./changes.ts";

export interface FieldDifference {
  /** `url`, or `with.text` of what is an object before and after. */
  readonly field: string;
  /** Left out: it was not there. */
  readonly before?: Json;
  /** Left out: it is not there any more. */
  readonly after?: Json;
}

export interface NodeDifference {
  readonly id: string;
  readonly type: string;
  readonly change: "added" | "removed" | "changed";
  readonly fields: readonly FieldDifference[];
}

export interface EdgeDifference extends Edge {
  readonly change: "added" | "removed";
}

export interface Difference {
  readonly nodes: readonly NodeDifference[];
  readonly edges: readonly EdgeDifference[];
  /** Of the graph's own output; left out: it is as before. */
  readonly output?: FieldDifference;
}

/** O(both graphs). */
export function differenceOf(before: Graph, after: Graph): Difference {
  const changes = changesBetween(before, after);
  const [output] = fieldsOf("output", json(before.output), json(after.output));
  return {
    nodes: changes.nodes.map(nodeDifference),
    edges: [
      ...changes.removedEdges.map((edge) => ({ change: "removed" as const, ...edge })),
      ...changes.addedEdges.map((edge) => ({ change: "added" as const, ...edge })),
    ],
    ...(changes.output && output !== undefined ? { output } : {}),
  };
}

function nodeDifference({ id, before, after, members }: NodeChange): NodeDifference {
  const [old, now] = [membersOf(before), membersOf(after)];
  const isChange = before !== undefined && after !== undefined;
  return {
    id,
    type: (after ?? before)?.type ?? "",
    change: before === undefined ? "added" : after === undefined ? "removed" : "changed",
    fields: members
      .filter((member) => isChange || member !== "type")
      .flatMap((member) => fieldsOf(member, json(old[member]), json(now[member]))),
  };
}

const membersOf = (node: NodeChange["after"]): Readonly<Record<string, unknown>> => ({ ...node });

const json = (value: unknown): Json | undefined => value as Json | undefined; // of a graph: JSON by its schema

/** Into objects that there are on both sides; lists and texts are told as a whole. */
function fieldsOf(
  field: string,
  before: Json | undefined,
  after: Json | undefined,
): readonly FieldDifference[] {
  if (before !== undefined && after !== undefined) {
    if (isSame(before, after)) return [];
    if (field !== "output" && isObject(before) && isObject(after)) {
      const names = new Set([...Object.keys(before), ...Object.keys(after)]);
      return [...names].flatMap((name) =>
        fieldsOf(`${field}.${name}`, json(before[name]), json(after[name])),
      );
    }
  }
  return [
    {
      field,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ];
}
