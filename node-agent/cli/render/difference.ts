// What a patch changes, as lines: `+` is new, `-` is gone, `~` is other than before. Pure.

import type { DifferenceView } from "@gantry/shared/contract/schemas/differences.ts";
import { type Look, paint } from "./look.ts";
import { cleanLine } from "./text.ts";

type Change = "added" | "removed" | "changed";
type Field = DifferenceView["nodes"][number]["fields"][number];

const SIGNS: Readonly<Record<Change, string>> = { added: "+", removed: "-", changed: "~" };
const PAINTS = { added: "green", removed: "red", changed: "yellow" } as const;
/** Longer values are cut: `--json` has them whole. */
const VALUE_CHARS = 120;

export function renderDifference(look: Look, { nodes, edges, output }: DifferenceView): string {
  const line = (change: Change, text: string): string =>
    paint(look, PAINTS[change], `${SIGNS[change]} ${text}`);
  const lines = [
    ...nodes.flatMap(({ id, type, change, fields }) => [
      line(change, `node ${cleanLine(id)} (${cleanLine(type)})`),
      ...(change === "removed"
        ? []
        : fields.map((field) => line(changeOf(field), `  ${say(field)}`))),
    ]),
    ...edges.map(({ change, from, to, on }) =>
      line(
        change,
        `edge ${cleanLine(from)} -> ${cleanLine(to)}${on === undefined ? "" : ` (${cleanLine(on)})`}`,
      ),
    ),
    ...(output === undefined ? [] : [line("changed", say(output))]),
  ];
  return lines.length === 0 ? "It changes nothing." : lines.join("\n");
}

function changeOf(field: Field): Change {
  if (!("before" in field)) return "added";
  return "after" in field ? "changed" : "removed";
}

function say(field: Field): string {
  const name = cleanLine(field.field);
  switch (changeOf(field)) {
    case "added":
      return `${name}: ${shown(field.after)}`;
    case "removed":
      return `${name}: ${shown(field.before)}`;
    case "changed":
      return `${name}: ${shown(field.before)} -> ${shown(field.after)}`;
  }
}

function shown(value: unknown): string {
  const text = cleanLine(JSON.stringify(value) ?? "");
  return text.length <= VALUE_CHARS ? text : `${text.slice(0, VALUE_CHARS)}…`;
}
