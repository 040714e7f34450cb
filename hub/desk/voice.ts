// Use case: several satellites heard the same person, and one is to answer.
//
// VC1. The first claim of a room opens a window of TIMEOUT.wakeWindowMs by this hub's clock; all that
//      come within it are told the same winner when it closes. Clocks of satellites do not matter.
// VC2. It is soft: nothing is logged, and a hub that fails meanwhile leaves each satellite to itself.

import { present } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { loudest, type WakeClaim } from "../asking/loudest.ts";
import type { Hub } from "../hub.ts";
import type { UseCase } from "./context.ts";

interface Window {
  readonly claims: WakeClaim[];
  readonly closed: Promise<void>;
}

const WINDOWS = new WeakMap<Hub, Map<string, Window>>();

export const voiceClaimed: UseCase = async ({ hub }, { body }, { signal }) => {
  const { room, ...claim } = body as WakeClaim & { readonly room: string }; // voiceClaimed.body
  const windows = WINDOWS.get(hub) ?? new Map<string, Window>();
  WINDOWS.set(hub, windows);
  const window = windows.get(room) ?? open(hub, windows, room);
  if (window.claims.length >= LIMIT.wakeClaims.max) {
    throw new GantryError(
      "busy",
      `Over ${LIMIT.wakeClaims.max} satellites of ${room} woke at once`,
    );
  }
  window.claims.push(claim);
  await window.closed; // VC1
  signal.throwIfAborted();
  const winner = present(loudest(window.claims), "the claim that opened the window");
  return { isOurs: winner.satellite === claim.satellite, winner: winner.satellite };
};

function open(hub: Hub, windows: Map<string, Window>, room: string): Window {
  if (windows.size >= LIMIT.wakeClaims.max) {
    throw new GantryError("busy", "Satellites of too many rooms woke at once");
  }
  const never = new AbortController().signal; // it closes by itself, whoever has left meanwhile
  const closed = hub.clock.sleep(TIMEOUT.wakeWindowMs, never).finally(() => windows.delete(room));
  const window = { claims: [], closed };
  windows.set(room, window);
  return window;
}
