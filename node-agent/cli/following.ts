// Stays with a print until it ends: a bar on a terminal, lines in a pipe, JSON lines with --json.
//
// FO1. Ctrl-C ends the watching, never the print.
// FO2. A hub that restarts meanwhile is waited for, up to PATIENCE_MS without an answer.

import { ERRORS } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import { type Context, outLook } from "./context.ts";
import { paint } from "./render/look.ts";
import { REDRAW, renderProgress } from "./render/progress.ts";
import { cleanLine } from "./render/text.ts";
import { formatHeat, formatSeconds } from "./render/units.ts";

const LOOK_EVERY_MS = 500;
const PATIENCE_MS = 60_000;

/** The exit code that stands for the outcome; 0 for a print that was done. */
export async function followPrint(context: Context, client: Client, id: string): Promise<number> {
  const { clock, signal, stdout } = context.world;
  const isRedrawn = outLook(context).isRich && !context.isJson;
  let heardAtMs = clock.monotonic();
  let shown = "";
  while (!signal.aborted) {
    const seen = await lookOnce(context, client, id, clock.monotonic() - heardAtMs);
    if (seen !== undefined) {
      heardAtMs = clock.monotonic();
      const { print, device } = seen;
      const line = describe(context, print, device, isRedrawn);
      if (line !== shown) stdout.write(isRedrawn ? REDRAW + line : `${line}\n`);
      shown = line;
      if (isOver(print)) return finish(context, print, isRedrawn);
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
  }
  if (isRedrawn) stdout.write("\n");
  context.world.stderr.write(
    `No longer watching; the print goes on: gantry prints ${id} --follow\n`,
  );
  return ERRORS.cancelled.exit;
}

interface Seen {
  readonly print: PrintView;
  readonly device: DeviceView | undefined;
}

/** Undefined while the hub cannot answer and may soon (FO2). */
async function lookOnce(
  { world: { signal } }: Context,
  client: Client,
  id: string,
  silentMs: number,
): Promise<Seen | undefined> {
  try {
    const print = await client.print({ id, signal });
    const device = isMoving(print) ? await client.device({ id: print.printer, signal }) : undefined;
    return { print, device };
  } catch (error) {
    if (signal.aborted || (isRetryable(error) && silentMs < PATIENCE_MS)) return undefined;
    throw error;
  }
}

const isMoving = ({ state }: PrintView): boolean => state === "printing" || state === "paused";

export function isOver({ state }: PrintView): boolean {
  switch (state) {
    case "awaiting":
    case "ready":
    case "printing":
    case "paused":
      return false;
    case "done":
    case "failed":
    case "cancelled":
    case "interrupted":
    case "unknown":
      return true;
  }
}

function describe(
  context: Context,
  print: PrintView,
  device: DeviceView | undefined,
  isRedrawn: boolean,
): string {
  if (context.isJson) return JSON.stringify(print);
  const heat = device?.temperatures;
  const notes = [
    print.state,
    print.waitsFor ?? "",
    heat === undefined ? "" : `nozzle ${formatHeat(heat.nozzleC, heat.nozzleTargetC)} °C`,
    heat === undefined ? "" : `bed ${formatHeat(heat.bedC, heat.bedTargetC)} °C`,
    print.remainingS === undefined ? "" : `${formatSeconds(print.remainingS)} left`,
  ];
  // In a pipe a line is a fact: states and tenths, not every degree.
  const share = isRedrawn ? print.progress : Math.floor(print.progress * 10) / 10;
  const shownNotes = (isRedrawn ? notes : notes.slice(0, 2)).filter(Boolean);
  return renderProgress(outLook(context), { label: print.name, share, notes: shownNotes });
}

function finish(context: Context, print: PrintView, isRedrawn: boolean): number {
  const { stdout, stderr } = context.world;
  if (isRedrawn) stdout.write("\n");
  if (!context.isJson) {
    const isDone = print.state === "done";
    const state = paint(outLook(context), isDone ? "green" : "red", print.state);
    stdout.write(`${cleanLine(print.name)} is ${state}\n`);
    if (print.error !== undefined) stderr.write(`gantry: ${cleanLine(print.error.message)}\n`);
  }
  return exitOf(print);
}

/** done 0 · failed: its error's own code · what nobody saw to the end or stopped: 75. */
export function exitOf({ state, error }: PrintView): number {
  if (state === "done") return 0;
  if (state !== "failed") return ERRORS.interrupted.exit;
  const known = Object.entries(ERRORS).find(([code]) => code === error?.code);
  return known?.[1].exit ?? ERRORS.device_fault.exit;
}
