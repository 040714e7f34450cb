// gantry stop: the emergency stop. The way to the wire is kept short: what the hub's client needs is
// loaded after the bridge beside this program was told.

import { ERRORS } from "@gantry/shared/base/errors.ts";
import { type Command, type Context, show } from "../context.ts";
import { stopHere } from "../local-stop.ts";
import { paint } from "../render/look.ts";
import { cleanLine } from "../render/text.ts";

/**
 * Exit code 69 when a printer could not be reached: somebody must go and switch it off. The bridge of
 * this machine is told at once, whatever the hub does.
 */
export const stop: Command = async (context) => {
  const [printer] = context.words;
  const body = printer === undefined ? {} : { printer };
  const here = stopHere(context, printer);
  try {
    const { openClient } = await import("../opening.ts"); // slow to load; the bridge is told meanwhile
    const reply = await openClient(context).stop({ body, signal: context.world.signal });
    const local = (await here) ?? [];
    const stopped = [...new Set([...reply.stopped, ...local])];
    const unreachable = reply.unreachable.filter((id) => !local.includes(id));
    return tellStopped(context, { ...reply, stopped, unreachable });
  } catch (error) {
    const stopped = await here;
    if (stopped === undefined) throw error;
    // The hub was not asked: those of other machines, where all were meant, go on.
    return tellStopped(context, {
      stopped,
      unreachable: printer === undefined ? ["printers of other machines"] : [],
      withoutHub: true,
    });
  }
};

interface Stopped {
  readonly stopped: readonly string[];
  readonly unreachable: readonly string[];
  readonly withoutHub?: boolean;
}

function tellStopped(context: Context, reply: Stopped): number {
  const { stopped, unreachable } = reply;
  show(context, reply, (look) => {
    const how = reply.withoutHub === true ? "Stopped without the hub" : "Stopped";
    const done = cleanLine(`${how}: ${stopped.join(", ") || "none"}`);
    if (unreachable.length === 0) return done;
    const missed = `NOT REACHED: ${unreachable.join(", ")}. Switch off the power there.`;
    return `${done}\n${paint(look, "red", cleanLine(missed))}`;
  });
  return unreachable.length === 0 ? 0 : ERRORS.unreachable.exit;
}
