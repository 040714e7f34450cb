// One session with the hub that leads: beats, orders, and how it ends.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { HubFact, HubMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Mailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import {
  type Arrival,
  Denied,
  deniedBy,
  hubLost,
  isWork,
  leaderIn,
  nextArrival,
} from "./arrivals.ts";
import type { LastWord, Welcomed } from "./seeking.ts";
import type { WarmLink } from "./warm-links.ts";
import type { WorkMessage, Works } from "./works.ts";

const STALL_SLACK_MS = 250;

export interface SessionParts {
  readonly inbox: Mailbox<Arrival>;
  readonly works: Works;
  readonly clock: Clock;
  readonly log: Logger;
  /** The digest that the beat carries; tells what has changed before. */
  readonly digest: () => string;
  /** The hub has other capabilities of this node than it has. */
  readonly tellCapabilities: () => void;
  readonly onHubs: (hubs: readonly HubFact[]) => void;
  /** An order of a hub that this node does not follow. */
  readonly refuse: (from: WarmLink, message: WorkMessage) => void;
}

/** Who is asked next, and why the session is over. */
export interface SessionEnd extends LastWord {
  readonly fault: GantryError;
}

/** Throws Denied, unreachable (flood), the signal's reason. */
export async function serveSession(
  { from, welcome, rest }: Welcomed,
  parts: SessionParts,
  signal: AbortSignal,
): Promise<SessionEnd> {
  const { inbox, works, clock } = parts;
  const silent = new AbortController();
  const watched = AbortSignal.any([signal, silent.signal]);
  let answeredMs = clock.monotonic();

  /** What ends the session, if this message does. */
  function receive(message: HubMessage): SessionEnd | undefined {
    if (isWork(message)) {
      works.do(message);
      return undefined;
    }
    switch (message.type) {
      case "beat":
        answeredMs = clock.monotonic();
        if (message.answer === "mismatch") parts.tellCapabilities();
        return message.answer === "unknown"
          ? { named: welcome.hub, fault: forgotten() }
          : undefined; // AG3
      case "denied": {
        const error = deniedBy(message);
        if (error instanceof Denied) throw error;
        return { ...declined(leaderIn(error)), fault: error };
      }
      case "notLeader":
        return { ...declined(message.hub), fault: stepped() };
      case "hubs":
        parts.onHubs(message.hubs);
        return undefined;
      case "enrolled":
      case "welcome":
        return undefined; // the answer to an older question
    }
  }

  const declined = (named: string | undefined): LastWord => ({
    declined: from,
    ...(named === undefined ? {} : { named }),
  });

  /** A hub that this node does not follow. A reign above ours has begun: it is asked next. */
  function overhear(other: WarmLink, message: HubMessage): SessionEnd | undefined {
    if (isWork(message)) parts.refuse(other, message);
    const isNewer =
      message.type === "welcome" &&
      message.cluster === welcome.cluster &&
      message.term > welcome.term;
    return isNewer ? { named: message.hub, fault: stepped() } : undefined;
  }

  function look({ from: source, event }: Arrival): SessionEnd | undefined {
    const isOurs = source === from;
    if (event.kind === "lost" && isOurs) return { fault: hubLost(event.why) };
    if (event.kind !== "messages") return undefined;
    for (const message of event.messages) {
      const end = isOurs ? receive(message) : overhear(source, message);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  async function beat(signal: AbortSignal): Promise<void> {
    for (let seq = 1; ; seq += 1) {
      from.link.send([{ type: "beat", seq, digest: parts.digest() }]);
      works.beat(seq);
      const beforeMs = clock.monotonic();
      await clock.sleep(TIMEOUT.heartbeatMs, signal);
      const nowMs = clock.monotonic();
      const lateMs = nowMs - beforeMs - TIMEOUT.heartbeatMs;
      if (lateMs > STALL_SLACK_MS) answeredMs += lateMs; // AG2
      if (nowMs - answeredMs > TIMEOUT.leaseMs) return silent.abort();
    }
  }

  await using beating = makeScope(
    (task, error) => parts.log.error({ task, error }, "agent"),
    signal,
  );
  beating.start("beat", beat);
  for (const message of rest) {
    const end = receive(message);
    if (end !== undefined) return end;
  }
  for (;;) {
    try {
      const end = look(await nextArrival(inbox, watched));
      if (end !== undefined) return end;
    } catch (error) {
      if (!silent.signal.aborted || signal.aborted || error instanceof Denied) throw error;
      return { fault: hubLost("it does not answer heartbeats") };
    }
  }
}

const stepped = (): GantryError => new GantryError("not_leader", "The hub leads no more");

const forgotten = (): GantryError =>
  new GantryError("unreachable", "The hub has forgotten this node; saying hello again");
