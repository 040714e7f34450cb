// How a fault is said: one line for what happened, then what to do, then how to find it again.

import { ERRORS, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { isObject } from "@gantry/shared/client/problem.ts";
import { clean } from "./render/text.ts";
import type { World } from "./world.ts";

/** Writes it to stderr, as JSON if that is wanted, and gives the exit code of its kind. */
export function report(
  error: unknown,
  requestId: string,
  isJson: boolean,
  { stderr }: World,
): number {
  const record = toErrorRecord(error);
  const { hint, exit } = ERRORS[record.code];
  if (isJson) {
    stderr.write(`${JSON.stringify({ error: { ...record, hint, requestId } })}\n`);
    return exit;
  }
  // A bug has no code: its stack is what the report needs, and this is its owner's own terminal.
  const isBug = !(error instanceof GantryError);
  const message = isBug && error instanceof Error ? (error.stack ?? error.message) : record.message;
  const advice = adviceOf(record.details ?? {}, hint);
  const lines = [...advice, `request ${requestId}`].map((line) => `  ${clean(line)}\n`);
  stderr.write(`gantry: ${clean(message)}\n${lines.join("")}`);
  return exit;
}

/** The usage where the words were wrong; else the facts that fit a line each, and the hint. */
function adviceOf(details: Readonly<Record<string, unknown>>, hint: string): string[] {
  const { usage } = details;
  if (typeof usage === "string") return usage.split("\n");
  const facts = Object.entries(details)
    .filter(([name]) => name !== "position") // for programs: where the log refused it
    .filter(([, value]) => typeof value === "string" || typeof value === "number")
    .map(([name, value]) => `${name}: ${String(value)}`);
  return [...facts, ...faultyFields(details["fields"]), ...faults(details["faults"]), hint];
}

/** Of a workflow, patch or configuration: the place in it, what is wrong there, and what helps. */
function faults(given: unknown): string[] {
  if (!Array.isArray(given)) return [];
  return given.filter(isObject).map(({ pointer, variable, message, hint }) => {
    const help = typeof hint === "string" ? ` (${hint})` : "";
    return `${String(pointer ?? variable) || "/"}: ${String(message)}${help}`;
  });
}

/** The hub names each field that it refused. */
function faultyFields(fields: unknown): string[] {
  if (!Array.isArray(fields)) return [];
  return fields.filter(isObject).map(({ path, message }) => `${String(path)}: ${String(message)}`);
}
