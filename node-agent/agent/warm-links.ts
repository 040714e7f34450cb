// A connection to every hub, kept ready: the CURVE handshake is done, a session costs one round trip.
//
// WL1. One connection for each place. One that breaks is opened again for ever, RECONNECT apart.
// WL2. After `lost` nothing more comes of a connection, and a new one is a new WarmLink.
// WL3. While this node is served, a hub that could not be reached again and again is left alone for
//      BREAKER.openMs; a node without a session tries every hub at RECONNECT's pace.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { BREAKER, RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import { type HubPlace, placeKey } from "./hub-places.ts";
import type { HubLink, LinkEvent, OpenHubLink } from "./ports.ts";

export interface WarmLink {
  readonly place: HubPlace;
  readonly link: HubLink;
  /** The handshake is done and the connection has not broken. */
  readonly isOpen: boolean;
}

export interface WarmLinks {
  /** Opens what is new and closes what is not named, but never `kept`: the one that serves (WL3). */
  use(places: readonly HubPlace[], kept?: WarmLink): void;
  /** Those that can be spoken on. */
  open(): readonly WarmLink[];
  close(): Promise<void>;
}

export interface WarmLinkPorts {
  readonly openLink: OpenHubLink;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (from: WarmLink, event: LinkEvent) => void;
}

interface Held {
  place: HubPlace;
  link: HubLink;
  isOpen: boolean;
}

export function makeWarmLinks(ports: WarmLinkPorts, scope: Scope): WarmLinks {
  const { openLink, clock, random, onEvent } = ports;
  const wanted = new Map<string, HubPlace>();
  const held = new Map<string, Held>();
  const failures = new Map<string, number>();
  const targets = makeTargets(clock);
  let served: WarmLink | undefined;

  function dial(key: string, place: HubPlace): void {
    const entry: Held = {
      place,
      link: openLink(place, (event) => heard(key, entry, event)),
      isOpen: false,
    };
    held.set(key, entry);
    scope.start("watch the dial", (signal) => watchDial(key, entry, signal).catch(() => {}));
  }

  /** ZeroMQ dials on by itself and says nothing: what takes this long has failed once more (WL3). */
  async function watchDial(key: string, entry: Held, signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(TIMEOUT.leaseMs, signal);
      if (entry.isOpen || held.get(key) !== entry) return;
      targets.failed(key);
      if (!mayRest(key)) continue;
      drop(key, entry);
      scope.start("redial", (rest) => redial(key, rest));
      return;
    }
  }

  function heard(key: string, entry: Held, event: LinkEvent): void {
    if (held.get(key) !== entry) return; // WL2
    if (event.kind === "connected") {
      entry.isOpen = true;
      failures.delete(key);
      targets.returned(key);
    } else if (event.kind === "lost") {
      targets.failed(key);
      drop(key, entry);
      scope.start("redial", (signal) => redial(key, signal));
    }
    onEvent(entry, event);
  }

  async function redial(key: string, signal: AbortSignal): Promise<void> {
    const count = (failures.get(key) ?? 0) + 1;
    failures.set(key, count);
    const isResting = mayRest(key);
    await clock.sleep(isResting ? BREAKER.openMs : backoffMs(RECONNECT, count, random), signal);
    const place = wanted.get(key);
    if (place !== undefined && !held.has(key)) dial(key, place); // WL1
  }

  /** WL3. */
  const mayRest = (key: string): boolean => served?.isOpen === true && targets.isLeftAlone(key);

  function drop(key: string, entry: Held): void {
    entry.isOpen = false;
    held.delete(key);
    scope.start("close", () => entry.link.close(0));
  }

  return {
    use(places, kept) {
      served = kept;
      wanted.clear();
      for (const place of places) wanted.set(placeKey(place), place);
      for (const [key, entry] of held) {
        const place = wanted.get(key);
        if (place !== undefined) entry.place = place; // the same connection, perhaps with an id now
        else if (entry !== kept) drop(key, entry);
      }
      for (const [key, place] of wanted) if (!held.has(key) && !mayRest(key)) dial(key, place);
    },
    open: () => [...held.values()].filter(({ isOpen }) => isOpen),
    async close() {
      wanted.clear();
      await Promise.all([...held.values()].map(({ link }) => link.close(0)));
      held.clear();
    },
  };
}
