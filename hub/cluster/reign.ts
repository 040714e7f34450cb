// What a hub does while it leads: it says so in the log, and then does the duties until another hub
// leads. Everything here ends with the reign's signal.
//
// RE1. The log says that a reign began before it has anything that this reign serves.
// RE2. No duty ends before the reign does: one that fails is begun again (SU1).

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { supervise } from "@gantry/shared/flow/supervise.ts";
import { act, byHub, type Hub } from "../hub.ts";
import type { PeerCalls } from "../peers/calls.ts";
import type { Reign } from "../replica/options.ts";
import { sayFarewell } from "./farewell.ts";
import { healHubs } from "./heal.ts";
import type { Members } from "./members.ts";
import { MEMBERS } from "./members.ts";
import { makePromoter } from "./promote.ts";

export interface ReignParts {
  readonly hub: Hub;
  readonly members: Members;
  readonly calls: Pick<PeerCalls, "tell" | "call">;
  /** Before anything else is served, in order. */
  readonly first: readonly ((signal: AbortSignal) => Promise<void>)[];
  /** Then all of these, by name, until the reign ends. */
  readonly tasks: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>;
  readonly onServing: () => void;
  /** There is nothing to do `first`. */
  readonly isFounded: () => boolean;
}

const LOOK_MS = 500;
const TELL_MS = 2_000;

/** Runs until the reign ends. Never throws. */
export async function doReign(parts: ReignParts, { term, signal }: Reign): Promise<void> {
  const { hub } = parts;
  const scope = makeScope((task, error) => {
    if (!signal.aborted)
      hub.log.error({ task, error: toErrorRecord(error), text: String(error) }, "a task failed");
  });
  try {
    if (signal.aborted) return;
    const began = act(hub, { type: "reignBegan", hub: hub.id, term }, byHub(hub), signal);
    // What is proposed from here on comes after it in the log (RE1): nobody waits for its sync as well.
    if (parts.isFounded()) parts.onServing();
    await began;
    for (const step of parts.first) await step(signal);
    if (signal.aborted) return;
    parts.onServing();
    const duties = {
      ...parts.tasks,
      "tell members": (duty: AbortSignal) => tellMembers(parts, duty),
      "promote learners": (duty: AbortSignal) => promoteLearners(parts, duty),
      "heal hubs": (duty: AbortSignal) => healHubs(parts, duty),
    };
    for (const [name, task] of Object.entries(duties)) {
      scope.start(name, (ended) => keepDoing(hub, name, task, AbortSignal.any([ended, signal])));
    }
    await new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener("abort", resolve, { once: true });
    });
  } catch (error) {
    if (!signal.aborted)
      hub.log.error({ error: toErrorRecord(error), text: String(error) }, "the reign failed");
  } finally {
    await scope.close();
  }
}

/** RE2. */
const keepDoing = (
  { clock, random, log }: Hub,
  task: string,
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> =>
  supervise(run, {
    signal,
    clock,
    random,
    onFault: (error, pauseMs) =>
      log.error(
        { task, error: toErrorRecord(error), text: String(error), pauseMs: Math.round(pauseMs) },
        "a duty failed; it is begun again",
      ),
  });

/** A hub that was away when something changed hears it now; so does one that was removed. */
async function tellMembers(
  { hub, members, calls }: ReignParts,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    for (const other of members.others()) calls.tell(other, MEMBERS, members.told());
    await sayFarewell({ hub, members, calls }, signal);
    await hub.clock.sleep(TELL_MS, signal);
  }
}

async function promoteLearners({ hub }: ReignParts, signal: AbortSignal): Promise<void> {
  const promoter = makePromoter();
  for (;;) {
    await hub.clock.sleep(LOOK_MS, signal);
    const change = promoter.next(hub.replica.status(), hub.clock.monotonic());
    if (change === undefined) continue;
    try {
      await hub.replica.change(change, signal);
      hub.log.info({ steps: change.steps }, "learners have become voters");
    } catch (error) {
      if (!(error instanceof GantryError) || signal.aborted) throw error;
      hub.log.warn(
        { error: toErrorRecord(error) },
        "learners could not become voters; tried again",
      );
    }
  }
}
