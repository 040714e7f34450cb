// Labels of machines: text in the registration, typed when they are compared. One parser for every hub
// and every command line.
//
//   12, -0.5                 number
//   a|b|c                    set of texts (at least one `|`; empty members are left out)
//   [220,220,250]            list of numbers; 220x220x250 is the same
//   anything else            text
//
// LB1. A label that nobody knows is kept and can be selected by: there is no list of allowed names.
// LB2. What follows from capabilities wins over a label of the same name: a machine cannot claim by a
//      label what it cannot do.

import type { NodeRow } from "./rows.ts";

export type LabelValue =
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "set"; readonly members: ReadonlySet<string> }
  | { readonly kind: "list"; readonly numbers: readonly number[] };

export type Labels = ReadonlyMap<string, LabelValue>;

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i;

/** Undefined if the text is not a finite decimal number. */
export function numberIn(text: string): number | undefined {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

export function parseLabel(written: string): LabelValue {
  const text = written.trim();
  const number = numberIn(text);
  if (number !== undefined) return { kind: "number", number };
  const numbers = numbersIn(text);
  if (numbers !== undefined) return { kind: "list", numbers };
  if (!text.includes("|")) return { kind: "text", text };
  const members = text.split("|").map((member) => member.trim());
  return { kind: "set", members: new Set(members.filter((member) => member !== "")) };
}

function numbersIn(text: string): readonly number[] | undefined {
  const isBracketed = text.startsWith("[") && text.endsWith("]");
  const isTimes = /^[\d.]+(?:x[\d.]+)+$/.test(text);
  if (!isBracketed && !isTimes) return undefined;
  const parts = isBracketed ? text.slice(1, -1).split(",") : text.split("x");
  const numbers = parts.map((part) => numberIn(part.trim()));
  return numbers.some((number) => number === undefined) ? undefined : (numbers as number[]); // just checked
}

const set = (members: Iterable<string>): LabelValue => ({ kind: "set", members: new Set(members) });
const text = (value: string): LabelValue => ({ kind: "text", text: value });
const number = (value: number): LabelValue => ({ kind: "number", number: value });

/** `qwen` of `qwen2.5-0.5b-instruct`: a selector asks for the family more often than for the file. */
const familyOf = (model: string): string => /^[a-z]+/i.exec(model)?.[0].toLowerCase() ?? model;

/**
 * The labels of a node: its own, then `id`, `name`, `state`, `model` (names and families), `cmd`,
 * `cmd.NAME`, `printer`, `printer.ID`, `printer.volume_mm` (of the largest), `embed`.
 */
export function labelsOf(
  node: Pick<NodeRow, "id" | "name" | "state" | "labels" | "capabilities">,
): Labels {
  const labels = new Map<string, LabelValue>();
  for (const [name, value] of Object.entries(node.labels)) labels.set(name, parseLabel(value)); // LB1
  const { models, commands, printers, embedder } = node.capabilities;
  labels.set("id", text(node.id));
  labels.set("name", text(node.name));
  labels.set("state", text(node.state));
  for (const reserved of ["model", "cmd", "printer", "embed"]) labels.delete(reserved); // LB2
  if (models.length > 0) {
    labels.set("model", set(models.flatMap(({ name }) => [name, familyOf(name)])));
    labels.set("model.context", number(Math.max(...models.map((model) => model.contextTokens))));
  }
  if (commands.length > 0) labels.set("cmd", set(commands.map(({ name }) => name)));
  for (const { name, hazard } of commands) labels.set(`cmd.${name}`, text(hazard));
  if (embedder !== undefined) labels.set("embed", text(embedder.tag));
  const [largest] = printers.toSorted((a, b) => volumeOf(b.sizeMm) - volumeOf(a.sizeMm));
  if (largest !== undefined) {
    const { x, y, z } = largest.sizeMm;
    labels.set("printer", set(printers.map(({ id }) => id)));
    labels.set("printer.volume_mm", { kind: "list", numbers: [x, y, z] });
  }
  for (const { id, driver } of printers) labels.set(`printer.${id}`, text(driver));
  return labels;
}

const volumeOf = ({ x, y, z }: { x: number; y: number; z: number }): number => x * y * z;
