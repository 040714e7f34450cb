// Finding the hub that leads, on connections that are ready: ask, follow the name in the answer, ask on.
//
// SK1. A hub that is named as the leader is asked at once; otherwise one hub after another, a jittered
//      ASK_MS apart, so that 1,000 nodes do not ask a new leader in the same instant.
// SK2. It never gives up. After CALM_AFTER_MS it asks CALM_FACTOR times less often.
// SK3. No hub is asked twice within ASK_MS.min, whatever hubs say of each other: two that name one
//      another would otherwise be asked as fast as the network allows.
// SK4. A hub that does not answer delays nobody: the next one is asked meanwhile, and the first welcome wins.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Mailbox } from "@gantry/shared/flow/mailbox.ts";
import type { Allegiance } from "./allegiance.ts";
import {
  type Arrival,
  deniedBy,
  Denied,
  hubLost,
  isWork,
  leaderIn,
  nextArrival,
} from "./arrivals.ts";
import type { WarmLink, WarmLinks } from "./warm-links.ts";
import type { WorkMessage } from "./works.ts";

const ASK_MS = { min: 50, max: 100 } as const;
const CALM_AFTER_MS = TIMEOUT.leaseMs;
const CALM_FACTOR = 10;

export interface Welcomed {
  readonly from: WarmLink;
  readonly welcome: Extract<HubMessage, { type: "welcome" }>;
  /** What came in one frame with it, after it. */
  readonly rest: readonly HubMessage[];
}

export interface SeekParts {
  readonly inbox: Mailbox<Arrival>;
  readonly links: WarmLinks;
  readonly allegiance: Allegiance;
  /** Says `hello` or `enrol`. Throws Denied if this node may do neither. */
  readonly greet: (to: WarmLink) => void;
  /** Opens the connections that are now wanted. `isLost`: no hub of the list can be reached. */
  readonly lookAround: (isLost: boolean) => void;
  /** An order of a hub that this node does not follow. */
  readonly refuse: (from: WarmLink, message: WorkMessage) => void;
  readonly tellFault: (address: string, fault: GantryError) => void;
  readonly clock: Clock;
  readonly random: Random;
}

interface Ask {
  atMs: number;
  /** Not again before. */
  againMs: number;
  faults: number;
}

/** What the end of the last session says about the next one. */
export interface LastWord {
  /** The leader, as the last hub said. */
  readonly named?: string;
  /** The hub that has just said that it leads no more: it is not the first to be asked. */
  readonly declined?: WarmLink;
}

/** Throws Denied, unreachable (flood), the signal's reason. */
export async function seekLeader(
  parts: SeekParts,
  { named, declined }: LastWord,
  signal: AbortSignal,
): Promise<Welcomed> {
  const { inbox, links, allegiance, greet, clock, random, tellFault } = parts;
  const startMs = clock.monotonic();
  const asks = new Map<WarmLink, Ask>();
  let hint = named;
  let nextAskMs = startMs;
  let isLost = false;

  const jitterMs = (): number => {
    const calm = clock.monotonic() - startMs > CALM_AFTER_MS ? CALM_FACTOR : 1; // SK2
    return calm * (ASK_MS.min + random() * (ASK_MS.max - ASK_MS.min));
  };

  const hinted = (): WarmLink | undefined =>
    hint === undefined ? undefined : links.open().find(({ place }) => place.id === hint);

  function choose(nowMs: number): WarmLink | undefined {
    const leader = hinted();
    if (leader !== undefined && nowMs >= earliestMs(leader)) {
      hint = undefined;
      return leader; // SK1
    }
    if (nowMs < nextAskMs) return undefined;
    return links
      .open()
      .filter((link) => nowMs >= (asks.get(link)?.againMs ?? 0))
      .toSorted((a, b) => (asks.get(a)?.atMs ?? 0) - (asks.get(b)?.atMs ?? 0))[0];
  }

  /** SK3. */
  const earliestMs = (link: WarmLink): number => (asks.get(link)?.atMs ?? -Infinity) + ASK_MS.min;

  function ask(link: WarmLink): void {
    const nowMs = clock.monotonic();
    const faults = asks.get(link)?.faults ?? 0;
    asks.set(link, { atMs: nowMs, againMs: nowMs + TIMEOUT.leaseMs, faults }); // SK4
    nextAskMs = nowMs + jitterMs();
    greet(link);
  }

  function restMs(nowMs: number): number {
    const open = links.open();
    const leader = hinted();
    const due = open.map((link) => Math.max(nextAskMs, asks.get(link)?.againMs ?? 0));
    if (leader !== undefined) due.push(earliestMs(leader));
    return Math.max(1, Math.min(TIMEOUT.heartbeatMs, ...due.map((atMs) => atMs - nowMs)));
  }

  /** Not again before `waitMs` have passed; another hub may be asked at once if it was not yet. */
  function putOff(link: WarmLink, waitMs: number): void {
    const entry = asks.get(link);
    if (entry !== undefined) entry.againMs = clock.monotonic() + waitMs;
    if (links.open().some((other) => !asks.has(other))) nextAskMs = clock.monotonic();
  }

  function onDenied(from: WarmLink, message: Extract<HubMessage, { type: "denied" }>): void {
    const error = deniedBy(message);
    if (error instanceof Denied) throw error;
    if (error.code === "not_leader") {
      hint = leaderIn(error) ?? hint;
      return putOff(from, jitterMs());
    }
    tellFault(from.place.address, error);
    putOffFault(from);
  }

  function putOffFault(from: WarmLink): void {
    const entry = asks.get(from);
    if (entry !== undefined) entry.faults += 1;
    putOff(from, backoffMs(RECONNECT, entry?.faults ?? 1, random));
  }

  async function onWelcome(
    from: WarmLink,
    welcome: Extract<HubMessage, { type: "welcome" }>,
  ): Promise<boolean> {
    try {
      if ((await allegiance.welcomed(welcome)) === "served") return true;
      const text = `It leads in term ${welcome.term}, which is over`;
      tellFault(from.place.address, new GantryError("not_leader", text));
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      tellFault(from.place.address, error); // the disk: what is not kept is not served (AL1)
    }
    putOffFault(from);
    return false;
  }

  async function receive({ from, event }: Arrival): Promise<Welcomed | undefined> {
    if (event.kind === "connected") return undefined;
    if (event.kind === "lost") {
      asks.delete(from);
      tellFault(from.place.address, hubLost(event.why));
      return undefined;
    }
    for (const [index, message] of event.messages.entries()) {
      if (isWork(message)) parts.refuse(from, message);
      else if (message.type === "denied") onDenied(from, message);
      else if (message.type === "notLeader") hint = message.hub ?? hint;
      else if (message.type === "hubs") {
        await allegiance
          .told(message.hubs)
          .catch((error: GantryError) => tellFault(from.place.address, error));
        parts.lookAround(isLost);
      } else if (message.type === "enrolled" && allegiance.identity.node === undefined) {
        await allegiance.enrolled(message.node);
        ask(from);
      } else if (message.type === "welcome" && (await onWelcome(from, message))) {
        return { from, welcome: message, rest: event.messages.slice(index + 1) };
      }
    }
    return undefined;
  }

  if (declined !== undefined) {
    asks.set(declined, { atMs: startMs, againMs: startMs + jitterMs(), faults: 0 });
  }
  parts.lookAround(isLost);
  for (;;) {
    const nowMs = clock.monotonic();
    if (!isLost && links.open().length === 0 && nowMs - startMs > TIMEOUT.leaseMs) {
      isLost = true;
      parts.lookAround(isLost);
    }
    const target = choose(nowMs);
    if (target !== undefined) ask(target);
    const arrival = await arrivalWithin(inbox, restMs(clock.monotonic()), clock, signal);
    const found = arrival === undefined ? undefined : await receive(arrival);
    if (found !== undefined) return found;
  }
}

/** Undefined when nothing came in time. */
async function arrivalWithin(
  inbox: Mailbox<Arrival>,
  waitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Arrival | undefined> {
  const inTime = clock.timeout(waitMs, signal);
  try {
    return await nextArrival(inbox, inTime);
  } catch (error) {
    if (signal.aborted || !inTime.aborted) throw error;
    return undefined;
  }
}
