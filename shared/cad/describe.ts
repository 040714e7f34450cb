// Parts in words for people: what is made, with which sizes, and what can be made at all.

import type { ParameterSpec, ParameterValue, ParameterValues } from "./parameters.ts";
import type { Part } from "./part.ts";
import { PARTS } from "./library.ts";

export function describeValue(spec: ParameterSpec, value: ParameterValue): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return spec.kind === "text" ? `"${value}"` : value;
  const unit = { length: " mm", angle: "°", count: "", flag: "", choice: "", text: "" }[spec.kind];
  return `${value}${unit}`;
}

/** "Box: width 40 mm, lid yes (not said, so: wall 2 mm, bottom 1.6 mm)". `said`: names that were given. */
export function describePart(
  part: Part,
  values: ParameterValues,
  said: ReadonlySet<string>,
): string {
  const lines = Object.entries(part.parameters).map(([name, spec]) => {
    const text = `${spec.title.toLowerCase()} ${describeValue(spec, values[name] ?? false)}`;
    return { isSaid: said.has(name), text };
  });
  const told = lines.filter(({ isSaid }) => isSaid).map(({ text }) => text);
  const assumed = lines.filter(({ isSaid }) => !isSaid).map(({ text }) => text);
  const rest = assumed.length === 0 ? "" : ` (not said, so: ${assumed.join(", ")})`;
  const head = told.length === 0 ? "" : `: ${told.join(", ")}`;
  return `${part.title}${head}${rest}`;
}

export interface PartMenuLine {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
}

export const PART_MENU: readonly PartMenuLine[] = PARTS.map(({ id, title, summary }) => ({
  id,
  title,
  summary,
}));

export const PART_NOUNS = PARTS.map(({ nouns }) => nouns[0] ?? "").join(", ");
