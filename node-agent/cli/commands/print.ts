// gantry print: sends a file, shows what the hub's scan found, gets the word, stays to the end.

import { openAsBlob } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { PrintAccepted, PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { badUsage, isOn, textOption } from "../args.ts";
import { settleConfirmation } from "../confirming.ts";
import { type Command, type Context, outLook, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { listOption } from "./printer.ts";
import { followPrint } from "../following.ts";
import { printFacts } from "../prints-view.ts";
import { renderConfirmation } from "../render/box.ts";
import { lookOf } from "../render/look.ts";
import { REDRAW, renderProgress } from "../render/progress.ts";
import { formatBytes } from "../render/units.ts";

export const print: Command = async (context) => {
  const path = resolve(context.world.cwd, wordAt(context, 0, "The file"));
  const printer = textOption(context.options, "on");
  if (printer === undefined) throw badUsage(context.name, context.spec, "--on PRINTER is missing");
  const client = openClient(context);
  const accepted = await send(context, client, path, printer);
  const { signal } = context.world;
  const view = await client.print({ id: accepted.job.id, signal });
  const isFollowed = isOn(context.options, "follow");
  const confirmation = accepted.confirmation ?? view.confirmation;
  if (!(context.isJson && isFollowed))
    show(context, accepted, () => describe(context, view, accepted));
  const isConfirmed =
    confirmation !== undefined && (await settleConfirmation(context, client, confirmation));
  // A word given at the keyboard is given by somebody who is there to watch.
  const isWatched = isConfirmed && context.world.stdout.isTty && !context.isJson;
  if (isFollowed || isWatched) return await followPrint(context, client, accepted.job.id);
};

async function send(
  context: Context,
  client: Client,
  path: string,
  printer: string,
): Promise<PrintAccepted> {
  const { world, options, isJson } = context;
  const sizeBytes = await sizeOf(path);
  const name = textOption(options, "name") ?? basename(path).replace(/\.(gcode|gco|g)$/i, "");
  const look = lookOf(world.stderr, world.env);
  const isDrawn = look.isRich && !isJson;
  const draw = (sentBytes: number): void => {
    const notes = [`${formatBytes(sentBytes)} of ${formatBytes(sizeBytes)}`];
    const line = renderProgress(look, {
      label: `Sending ${name}`,
      share: sentBytes / sizeBytes,
      notes,
    });
    world.stderr.write(REDRAW + line);
  };
  const blob = await openAsBlob(path);
  const bytes = (): AsyncIterable<Uint8Array> => blob.stream();
  try {
    const onProgress = isDrawn ? { onProgress: draw } : {};
    const file = { printer, name, bytes, wish: wishOf(context), ...onProgress };
    return await client.upload(file, { signal: world.signal });
  } finally {
    if (isDrawn) world.stderr.write(REDRAW);
  }
}

const WISHES = [
  "material",
  "color",
  "nozzle",
  "volume",
  "deadline",
  "priority",
  "grams",
  "dialect",
] as const;

/** The hub says which of them are none. */
function wishOf(context: Context): Record<string, string> {
  const wish: Record<string, string> = {};
  for (const name of WISHES) {
    const value = textOption(context.options, name);
    if (value !== undefined) wish[name] = value;
  }
  const labels = listOption(context, "label");
  return labels.length === 0 ? wish : { ...wish, labels: labels.join(",") };
}

/** Throws not_found and too_large before anything is sent. */
async function sizeOf(path: string): Promise<number> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new GantryError("not_found", `${path} cannot be read`, { cause });
  });
  if (!facts.isFile()) throw new GantryError("not_found", `${path} is not a file`);
  if (facts.size === 0) throw new GantryError("gcode_invalid", `${path} is empty`);
  if (facts.size <= LIMIT.gcodeBytes.max) return facts.size;
  const most = formatBytes(LIMIT.gcodeBytes.max);
  throw new GantryError("too_large", `${path} has ${formatBytes(facts.size)}; ${most} is the most`);
}

function describe(context: Context, view: PrintView, accepted: PrintAccepted): string {
  const look = outLook(context);
  const { confirmation } = accepted;
  const box = confirmation === undefined ? [] : [renderConfirmation(look, confirmation)];
  return [printFacts(look, view), ...box].join("\n");
}
