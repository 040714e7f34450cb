// Registry clients on the agent link (shared/contract/registry-ops.ts): their sessions and calls. Any
// hub opens one, leading or not.
//
// RS1. As AL1: a session is a route and a secret told to it inside CURVE; both must match.
// RS2. A client that is not heard for as long as a node may be silent is gone, and its watches with it.
// RS3. A call that is malformed is answered, where it can be, and counted; it never throws.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { SESSION_BYTES } from "@gantry/shared/contract/frames.ts";
import type { HubFact } from "@gantry/shared/contract/link.ts";
import {
  callIdOf,
  isCall,
  type RegistryCall,
  type RegistryHello,
  type RegistryReply,
} from "@gantry/shared/contract/registry-ops.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { RegistryDoor, RegistrySession } from "../ports.ts";
import type { Route, RouterWriter } from "./router-writer.ts";

export interface RegistrySessionsParts {
  readonly door: RegistryDoor;
  readonly writer: Pick<RouterWriter, "post">;
  readonly identity: () => {
    readonly hub: string;
    readonly term: number;
    readonly cluster?: string;
  };
  readonly hubs: () => readonly HubFact[];
  readonly log: Logger;
  readonly refuse: (reason: string) => void;
}

export interface RegistrySessions {
  /** Judges a hello and answers it. */
  greet(route: Route, hello: RegistryHello): Promise<void>;
  /** False if this is no frame of a registry client. */
  take(routeKey: string, secret: Uint8Array, messages: readonly unknown[], nowMs: number): boolean;
  /** RS2. `lateMs`: how long our own loop stood still meanwhile. */
  look(nowMs: number, silentMs: number, lateMs: number): void;
  /** The list of hubs has changed. */
  tellHubs(): void;
  endAll(): void;
}

interface Open {
  readonly route: Route;
  readonly name: string;
  readonly session: RegistrySession;
  heardMs: number;
}

const SESSIONS_MAX = 4_096;

export function makeRegistrySessions(
  { door, writer, identity, hubs, log, refuse }: RegistrySessionsParts,
  clockMs: () => number,
): RegistrySessions {
  const open = new Map<string, Open>();

  function end(one: Open, isGone: boolean): void {
    open.delete(one.route.key);
    one.session.end(isGone);
    log.info({ client: one.name }, "registry client left");
  }

  function take(
    routeKey: string,
    secret: Uint8Array,
    messages: readonly unknown[],
    nowMs: number,
  ): boolean {
    const one = open.get(routeKey);
    if (one === undefined || !timingSafeEqual(one.route.session, secret)) return false; // RS1
    one.heardMs = nowMs;
    const calls: RegistryCall[] = [];
    let invalid = 0;
    for (const message of messages) {
      if (isCall(message)) calls.push(message);
      else if (!takeOther(one, message)) invalid += 1;
    }
    if (calls.length > 0) one.session.received(calls);
    if (invalid > 0) refuse(`${invalid} invalid messages of a registry client`);
    return true;
  }

  function takeOther(one: Open, message: unknown): boolean {
    const id = callIdOf(message);
    if (id !== undefined) {
      writer.post(one.route, [malformed(id)]); // RS3
      return false;
    }
    if (isTyped(message, "beat")) {
      writer.post(one.route, [{ type: "beat", seq: message.seq, answer: "ok" }]);
      return true;
    }
    if (isTyped(message, "bye")) {
      end(one, true);
      return true;
    }
    return false;
  }

  return {
    async greet(route, hello) {
      if (open.size >= SESSIONS_MAX) return refuse("too many registry clients");
      try {
        const client = await door.admit(hello);
        const before = open.get(route.key);
        if (before !== undefined) end(before, false);
        const secret = randomBytes(SESSION_BYTES);
        route.session = secret;
        const session = client.open((replies) => writer.post(route, replies));
        open.set(route.key, { route, name: client.name, session, heardMs: clockMs() });
        const list = [...hubs()];
        writer.post(route, [
          {
            type: "welcome",
            session: secret.toString("hex"),
            ...identity(),
            ...(list.length === 0 ? {} : { hubs: list }),
          },
        ]);
        log.info({ client: client.name }, "registry client joined");
      } catch (error) {
        writer.post(route, [{ type: "denied", error: toErrorRecord(error) }]);
      }
    },
    take,
    look(nowMs, silentMs, lateMs) {
      for (const one of open.values()) {
        one.heardMs += lateMs;
        if (nowMs - one.heardMs > silentMs) end(one, true);
      }
    },
    tellHubs() {
      const list = [...hubs()];
      for (const { route } of open.values()) writer.post(route, [{ type: "hubs", hubs: list }]);
    },
    endAll() {
      for (const one of open.values()) end(one, false);
    },
  };
}

const malformed = (id: number): RegistryReply => ({
  type: "registryAnswer",
  id,
  result: "fail",
  error: { code: "bad_request", message: "This call is not one of the registry's" },
});

const isTyped = (
  item: unknown,
  type: "beat" | "bye",
): item is { readonly type: string; readonly seq: number } =>
  typeof item === "object" &&
  item !== null &&
  "type" in item &&
  item.type === type &&
  (type === "bye" || ("seq" in item && Number.isSafeInteger(item.seq)));
