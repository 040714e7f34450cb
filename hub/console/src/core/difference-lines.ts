// A difference of two graphs as lines to read.

import type { DifferenceView } from "@gantry/shared/contract/schemas/differences.ts";

export interface DifferenceLine {
  readonly change: "added" | "removed" | "changed";
  /** 1: belongs to the node above. */
  readonly depth: 0 | 1;
  readonly text: string;
}

type Field = NonNullable<DifferenceView["output"]>;

/** Longer values are cut on the screen. */
const VALUE_CHARS = 200;

export function differenceLines({ nodes, edges, output }: DifferenceView): DifferenceLine[] {
  return [
    ...nodes.flatMap(({ id, type, change, fields }): DifferenceLine[] => [
      { change, depth: 0, text: `node ${id} (${type})` },
      ...(change === "removed" ? [] : fields.map(fieldLine)),
    ]),
    ...edges.map(({ change, from, to, on }): DifferenceLine => ({
      change,
      depth: 0,
      text: `edge ${from} → ${to}${on === undefined ? "" : ` (${on})`}`,
    })),
    ...(output === undefined ? [] : [{ ...fieldLine(output), depth: 0 as const }]),
  ];
}

function fieldLine(field: Field): DifferenceLine {
  const { field: name, before, after } = field;
  if (!("before" in field)) return { change: "added", depth: 1, text: `${name}: ${shown(after)}` };
  if (!("after" in field))
    return { change: "removed", depth: 1, text: `${name}: ${shown(before)}` };
  return { change: "changed", depth: 1, text: `${name}: ${shown(before)} → ${shown(after)}` };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length <= VALUE_CHARS ? text : `${text.slice(0, VALUE_CHARS)}…`;
}

/** Signs, so that colour is not all that tells them apart. */
export const SIGNS = { added: "+", removed: "−", changed: "~" } as const;
