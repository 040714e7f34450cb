// Stays with a run to its end, by its timeline: a cursor that any hub understands, so nothing is
// missed when a hub goes and another answers.
//
// RF1. Ctrl-C ends the watching, never the run.
// RF2. A hub that restarts meanwhile is waited for, up to PATIENCE_MS without an answer.

import { ERRORS, isErrorCode } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import { type Context, outLook, showLine } from "./context.ts";
import { paint } from "./render/look.ts";
import { cleanLine } from "./render/text.ts";
import { formatTime } from "./render/units.ts";

const LOOK_EVERY_MS = 300;
const PATIENCE_MS = 60_000;

interface Entry {
  readonly at: string;
  readonly by: string;
  readonly items: readonly {
    readonly what: string;
    readonly place?: string | undefined;
    readonly attempt?: number | undefined;
    readonly note?: string | undefined;
  }[];
}

/** The exit code that stands for its end; undefined if the watching ended first. */
export async function followRun(
  context: Context,
  client: Client,
  id: string,
  node?: string,
): Promise<RunView | undefined> {
  const { clock, signal } = context.world;
  let after: string | undefined;
  let heardAtMs = clock.monotonic();
  while (!signal.aborted) {
    try {
      const run = await client.run({ id, signal });
      // The state is read first: what the timeline then says is at least as new.
      for (;;) {
        const query = { limit: 500, ...(after === undefined ? {} : { after }) };
        const page = await client.runTimeline({ id, query, signal });
        for (const entry of page.entries) say(context, entry, node);
        const seen: number = Number(after ?? 0) + page.entries.length;
        after = page.next ?? String(seen);
        if (page.next === undefined) break;
      }
      heardAtMs = clock.monotonic();
      if (isOver(run)) return run;
    } catch (error) {
      const isLong = clock.monotonic() - heardAtMs > PATIENCE_MS;
      if (signal.aborted || isLong || !isRetryable(error)) throw error; // RF2
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
  }
  context.world.stderr.write(`No longer watching; the run goes on: gantry logs stream ${id}\n`);
  return undefined;
}

export const isOver = ({ state }: Pick<RunView, "state">): boolean =>
  state === "done" || state === "failed" || state === "cancelled";

/** 0 for a run that is done, else that of its fault's code. */
export function exitOfRun({ state, error }: RunView): number {
  if (state === "done") return 0;
  if (state === "cancelled") return ERRORS.cancelled.exit;
  return isErrorCode(error?.code) ? ERRORS[error.code].exit : ERRORS.command_failed.exit;
}

function say(context: Context, entry: Entry, node: string | undefined): void {
  for (const item of entry.items) {
    if (node !== undefined && !isWithin(item.place, node)) continue;
    if (context.isJson) {
      showLine(context, { at: entry.at, by: entry.by, ...item });
      continue;
    }
    const look = outLook(context);
    const attempt = (item.attempt ?? 1) > 1 ? `try ${item.attempt}` : "";
    const parts = [
      formatTime(entry.at),
      item.what.padEnd(11),
      item.place ?? "",
      attempt,
      item.note ?? "",
    ];
    const [time = "", ...rest] = parts.filter((part) => part !== "").map(cleanLine);
    context.world.stdout.write(`${paint(look, "dim", time)}  ${rest.join("  ").trimEnd()}\n`);
  }
}

/** The node itself, or what runs within it. */
const isWithin = (place: string | undefined, node: string): boolean =>
  place !== undefined &&
  (place === node || place.startsWith(`${node}[`) || place.split(/\[\d+\]\/|\//).includes(node));
