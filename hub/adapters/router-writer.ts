// The one writer of a ROUTER socket: takes messages for many routes, sends frames one at a time.
//
// RW1. zeromq.js throws EBUSY synchronously on a second send: only `write` below calls `send`.
// RW2. What is posted in one turn for one route leaves in one frame.
// RW3. A route that cannot take more (EAGAIN: its reader is slow) never holds up another one.
// RW4. A route holds at most ROUTE_MESSAGES_MAX messages; then `post` says `full` and takes nothing.

import { encodeLinkFrames } from "@gantry/shared/contract/link-batch.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { RegistryReply } from "@gantry/shared/contract/registry-ops.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Router } from "zeromq";

const ROUTE_MESSAGES_MAX = 4_096;
const ROUTES_DIRTY_MAX = 10_000;
const FULL_RETRY_MS = 5;

type Outgoing = HubMessage | RegistryReply;

/** One connection of a peer, as ROUTER names it. A new connection is a new route. */
export interface Route {
  /** Hex of `id`. */
  readonly key: string;
  readonly id: Buffer;
  /** Goes into the head of every frame. */
  session: Uint8Array;
  readonly queue: Outgoing[];
  /** Encoded, and refused by the socket for now. */
  frames: Uint8Array[];
  isGone: boolean;
}

export const makeRoute = (id: Buffer, session: Uint8Array): Route => ({
  key: id.toString("hex"),
  id,
  session,
  queue: [],
  frames: [],
  isGone: false,
});

export interface RouterWriter {
  /** Never waits. `stop` goes before what is queued. */
  post(route: Route, messages: readonly Outgoing[]): "sent" | "absent" | "full";
}

export interface WriterHooks {
  readonly onFrame: () => void;
  /** The message is larger than a frame and was dropped. */
  readonly onTooLarge: (message: Outgoing) => void;
}

/** Writes until the scope is left. */
export function startRouterWriter(
  socket: Router,
  hooks: WriterHooks,
  clock: Clock,
  scope: Scope,
): RouterWriter {
  const dirty = new Map<string, Route>();
  let wake: (() => void) | undefined;

  /** False if the route is stuck (RW3). */
  async function write(route: Route): Promise<boolean> {
    if (route.frames.length === 0) {
      route.frames = encodeLinkFrames(route.session, route.queue.splice(0), hooks.onTooLarge);
    }
    while (route.frames.length > 0) {
      const [frame = null] = route.frames;
      try {
        await socket.send([route.id, frame]);
      } catch (error) {
        if (isCode(error, "EAGAIN")) return false;
        if (!isCode(error, "EHOSTUNREACH")) throw error;
        route.isGone = true;
        route.frames = [];
        route.queue.length = 0;
        return true;
      }
      route.frames.shift();
      hooks.onFrame();
    }
    if (route.queue.length > 0) dirty.set(route.key, route);
    return true;
  }

  scope.start("writer", async (signal) => {
    signal.addEventListener("abort", () => wake?.(), { once: true });
    while (!signal.aborted) {
      if (dirty.size === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const batch = [...dirty.values()];
      dirty.clear();
      const stuck: Route[] = [];
      for (const route of batch) {
        if (signal.aborted) return;
        if (!(await write(route))) stuck.push(route);
      }
      for (const route of stuck) dirty.set(route.key, route);
      const isAllStuck = stuck.length > 0 && dirty.size === stuck.length;
      if (isAllStuck) await clock.sleep(FULL_RETRY_MS, signal);
    }
  });

  return {
    post(route, messages) {
      if (route.isGone) return "absent";
      const isFull =
        route.queue.length + messages.length > ROUTE_MESSAGES_MAX ||
        (dirty.size >= ROUTES_DIRTY_MAX && !dirty.has(route.key));
      if (isFull) return "full"; // RW4
      for (const message of messages) {
        if (message.type === "stop") route.queue.unshift(message);
        else route.queue.push(message);
      }
      dirty.set(route.key, route);
      wake?.();
      return "sent";
    },
  };
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
