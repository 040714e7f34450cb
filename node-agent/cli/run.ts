// One call of `gantry`: parse, load the command, run it, turn what it throws into an exit code.

import { ERRORS, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { mintId } from "@gantry/shared/base/ids.ts";
import { isObject } from "@gantry/shared/client/problem.ts";
import { parseInvocation, wantsJson } from "./args.ts";
import type { Context } from "./context.ts";
import { clean } from "./render/text.ts";
import type { World } from "./world.ts";

/** The exit code: 0, or what the error table says. Never throws. */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  const requestId = mintId("req", world.clock.now(), world.random);
  const isJson = wantsJson(argv);
  try {
    if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v")) {
      const { versionText } = await import("./commands/version.ts");
      world.stdout.write(`${versionText()}\n`);
      return 0;
    }
    const { name, spec, words, options } = parseInvocation(argv);
    const command = await spec.load();
    const context: Context = { world, requestId, name, spec, words, options, isJson };
    return (await command(context)) ?? 0;
  } catch (error) {
    return report(error, requestId, isJson, world);
  }
}

/** One line for the fault, one for what to do, one to find it again. */
function report(error: unknown, requestId: string, isJson: boolean, { stderr }: World): number {
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
    .filter(([, value]) => typeof value === "string" || typeof value === "number")
    .map(([name, value]) => `${name}: ${String(value)}`);
  return [...facts, ...faultyFields(details["fields"]), hint];
}

/** The hub names each field that it refused. */
function faultyFields(fields: unknown): string[] {
  if (!Array.isArray(fields)) return [];
  return fields.filter(isObject).map(({ path, message }) => `${String(path)}: ${String(message)}`);
}
