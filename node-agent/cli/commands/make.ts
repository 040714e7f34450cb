// gantry make: words into a part, with its steps as they happen; into G-code and a print if wanted.
//
// MA1. Ctrl-C ends the watching, never the part: it is made once, and the same words find it again.
// MA2. A file has its final name only when all of it is here, and no file is written over.

import { readFile, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { ERRORS, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { MakeOrder, MakeView, PartFile } from "@gantry/shared/contract/schemas/cad.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { settleConfirmation } from "../confirming.ts";
import { type Command, type Context, outLook, show, showLine } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderConfirmation } from "../render/box.ts";
import { lookOf, paint } from "../render/look.ts";
import { REDRAW, renderProgress } from "../render/progress.ts";
import { cleanLine } from "../render/text.ts";
import { formatBytes } from "../render/units.ts";
import { saveAt } from "../saving.ts";

const LOOK_EVERY_MS = 250;
const PATIENCE_MS = 60_000;
const ENDING: Readonly<Record<string, PartFile>> = {
  ".stl": "stl",
  ".gcode": "gcode",
  ".png": "preview",
};

export const make: Command = async (context) => {
  const { options, world, isJson } = context;
  const client = openClient(context);
  if (isOn(options, "list")) return await list(context, client);
  const path = await targetOf(context);
  const isPrinted = isOn(options, "print");
  const isSliced = isPrinted || isOn(options, "slice") || path?.file === "gcode";
  const begun = await begin(context, client, isSliced);
  if (isJson) showLine(context, begun);
  else world.stdout.write(`${cleanLine(begun.summary)}\n`);
  const view = await follow(context, client, begun);
  if (view === undefined) return ERRORS.cancelled.exit;
  if (view.state !== "done") throw failure(view);
  if (!isJson) world.stdout.write(`${describe(context, view)}\n`);
  if (path !== undefined) await fetchFile(context, client, view, path);
  if (isPrinted) await print(context, client, view);
};

async function begin(context: Context, client: Client, isSliced: boolean): Promise<MakeView> {
  const { options, world, words } = context;
  const { signal } = world;
  const printer = textOption(options, "printer");
  const known = textOption(options, "job");
  const named = printer === undefined ? {} : { printer };
  if (known !== undefined) {
    const view = await client.cadJob({ id: known, signal });
    if (!isSliced || view.files.gcode !== undefined || view.state !== "done") return view;
    return client.cadSliced({ id: known, body: named, signal });
  }
  const order: MakeOrder = {
    ...(await wanted(context, words.join(" "))),
    ...named,
    ...(isSliced ? { slice: sliceOf(context) } : {}),
  };
  return client.cadGenerated({ body: order, signal });
}

async function wanted(context: Context, words: string): Promise<MakeOrder> {
  const source = textOption(context.options, "source");
  if (source === undefined) {
    if (words === "") throw badUsage(context.name, context.spec, "Say what to make");
    return { prompt: words };
  }
  if (words !== "") throw badUsage(context.name, context.spec, "Words or --source, not both");
  const path = resolve(context.world.cwd, source);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new GantryError("not_found", `${path} cannot be read`, { cause });
  });
  return { source: text, name: basename(path).replace(/\.scad$/iu, "") };
}

function sliceOf({ options }: Context): NonNullable<MakeOrder["slice"]> {
  const material = textOption(options, "material");
  const infillPercent = intOption(options, "infill", { min: 0, max: 100 });
  // The hub checks the rest, and knows the defaults.
  const wish = {
    ...(material === undefined ? {} : { material }),
    ...(infillPercent === undefined ? {} : { infillPercent }),
    ...(isOn(options, "supports") ? { supports: true } : {}),
  } as Exclude<MakeOrder["slice"], true | undefined>;
  return Object.keys(wish).length === 0 ? true : wish;
}

/** Until it has ended; undefined when the watching was ended (MA1). */
async function follow(
  context: Context,
  client: Client,
  begun: MakeView,
): Promise<MakeView | undefined> {
  const { clock, signal, stderr } = context.world;
  const look = lookOf(stderr, context.world.env);
  const isDrawn = look.isRich && !context.isJson;
  let heardAtMs = clock.monotonic();
  let view = begun;
  let shown = "";
  while (!signal.aborted) {
    const line = stepLine(view);
    if (line !== shown && context.isJson && shown !== "") showLine(context, view);
    if (line !== shown && isDrawn) {
      const label = view.name;
      stderr.write(REDRAW + renderProgress(look, { label, share: view.progress, notes: [line] }));
    }
    shown = line;
    if (isOver(view)) {
      if (isDrawn) stderr.write(REDRAW);
      return view;
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
    try {
      view = { ...(await client.cadJob({ id: view.id, signal })), cached: view.cached };
      heardAtMs = clock.monotonic();
    } catch (error) {
      const isLost = !isRetryable(error) || clock.monotonic() - heardAtMs > PATIENCE_MS;
      if (!signal.aborted && isLost) throw error;
    }
  }
  stderr.write(
    `${isDrawn ? "\n" : ""}No longer watching; it goes on: gantry make --job ${view.id}\n`,
  );
  return undefined;
}

const isOver = ({ state }: MakeView): boolean => state !== "ready" && state !== "leased";

function stepLine({ state, steps, progress }: MakeView): string {
  const step = steps.find((one) => one.state === "running")?.step;
  if (step !== undefined) return `${step} ${Math.floor(progress * 100)}`;
  return state === "ready" ? "waits for a machine" : state;
}

function failure({ id, state, error }: MakeView): GantryError {
  const { code = "cancelled", message = `${id} is ${state}`, details = {} } = error ?? {};
  return new GantryError(isErrorCode(code) ? code : "internal", message, { details });
}

function describe(context: Context, view: MakeView): string {
  const { mesh, files, steps, cached, id } = view;
  const size = mesh?.sizeMm;
  const took = steps.flatMap(({ step, tookMs }) =>
    tookMs === undefined ? [] : [`${step} ${(tookMs / 1_000).toFixed(2)} s`],
  );
  const made = paint(outLook(context), "green", cached ? "Made before" : "Made");
  return [
    `${made}: ${cleanLine(view.name)} (${id})`,
    `  ${mm(size?.x)} x ${mm(size?.y)} x ${mm(size?.z)} mm, ${mm((mesh?.volumeMm3 ?? 0) / 1_000)} cm3, ${mesh?.triangles ?? 0} triangles, closed`,
    `  ${took.join(", ")}`,
    ...(files.gcode === undefined
      ? []
      : [`  G-code ${formatBytes(files.gcode.sizeBytes)} for ${cleanLine(view.printer ?? "")}`]),
  ].join("\n");
}

const mm = (value = 0): string => String(Math.round(value * 10) / 10);

interface Target {
  readonly path: string;
  readonly file: PartFile;
}

/** Throws before anything is made. */
async function targetOf(context: Context): Promise<Target | undefined> {
  const word = textOption(context.options, "output");
  if (word === undefined) return undefined;
  const ending = /\.[a-z]+$/u.exec(word.toLowerCase())?.[0] ?? "";
  const file = ENDING[ending];
  if (file === undefined) {
    const known = Object.keys(ENDING).join(", ");
    throw badUsage(context.name, context.spec, `-o FILE ends with one of: ${known}`);
  }
  const path = resolve(context.world.cwd, word);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw new GantryError("conflict", `${path} is there already`); // MA2
  return { path, file };
}

async function fetchFile(
  context: Context,
  client: Client,
  view: MakeView,
  { path, file }: Target,
): Promise<void> {
  const { signal } = context.world;
  const download = await client.partFile({ id: view.id, file }, { signal });
  const doneBytes = await saveAt(path, download);
  if (context.isJson) showLine(context, { path, sizeBytes: doneBytes });
  else context.world.stdout.write(`${path}: ${formatBytes(doneBytes)}\n`);
}

async function print(context: Context, client: Client, { id }: MakeView): Promise<void> {
  const { signal, stdout } = context.world;
  const printer = textOption(context.options, "printer");
  const body = printer === undefined ? {} : { printer };
  const accepted = await client.cadPrinted({ id, body, signal });
  const { confirmation } = accepted;
  if (context.isJson) showLine(context, accepted);
  else {
    stdout.write(`Print ${accepted.job.id} is ${accepted.job.state}\n`);
    if (confirmation !== undefined)
      stdout.write(`${renderConfirmation(outLook(context), confirmation)}\n`);
  }
  if (confirmation !== undefined) await settleConfirmation(context, client, confirmation);
}

async function list(context: Context, client: Client): Promise<void> {
  const reply = await client.cadParts({ signal: context.world.signal });
  show(context, reply, () =>
    reply.parts
      .map(({ id, summary, parameters }) => {
        const names = parameters.map(({ name, min, max, unit, options, default: standard }) => {
          const range =
            min === undefined
              ? (options?.join("|") ?? "")
              : `${min}-${max}${unit ? ` ${unit}` : ""}`;
          return `    ${name} = ${String(standard)}${range === "" ? "" : ` (${range})`}`;
        });
        return [`${id}: ${summary}`, ...names].join("\n");
      })
      .join("\n"),
  );
}
