// One registry client's connection to one hub: CURVE, hello, frames, and dialling again for ever.
//
// RL1. One writer: zeromq.js throws EBUSY synchronously on a second send.
// RL2. A connection that breaks, or is silent for TIMEOUT.leaseMs, takes its session with it: what was
//      sent on it may or may not have arrived. The owner is told, and decides.
// RL3. Nothing is queued for a hub that is away.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import type { GantryError } from "@gantry/shared/base/errors.ts";
import { fromErrorRecord, isErrorCode, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { decodeLinkFrame, encodeLinkFrame, NO_SESSION } from "@gantry/shared/contract/frames.ts";
import { encodeLinkFrames } from "@gantry/shared/contract/link-batch.ts";
import { hubFactsSchema, type HubFact } from "@gantry/shared/contract/link.ts";
import {
  isReply,
  type RegistryCall,
  type RegistryHello,
  type RegistryReply,
} from "@gantry/shared/contract/registry-ops.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { Dealer } from "zeromq";
import type { HubPlace } from "../agent/hub-places.ts";

export interface RegistryLinkParts {
  readonly place: HubPlace;
  /** CURVE, Z85. */
  readonly keys: { readonly publicKey: string; readonly secretKey: string };
  readonly hello: RegistryHello;
  /** One frame for each call, or one for all calls of a turn. */
  readonly framing: "each" | "turn";
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onOpen: (hub: string) => void;
  /** RL2. */
  readonly onLost: () => void;
  readonly onDenied: (error: GantryError) => void;
  readonly onReplies: (replies: readonly RegistryReply[]) => void;
  readonly onHubs: (hubs: readonly HubFact[]) => void;
}

export interface RegistryLink {
  /** Id of the hub at the other end while there is a session. */
  readonly hub: string | undefined;
  /** False if there is no session or too much is queued; then nothing was taken. */
  send(call: RegistryCall): boolean;
  close(): Promise<void>;
}

const QUEUE_MAX = 4_096;
const FULL_RETRY_MS = 2;

/** The numbers are those of hub-link.ts. */
const PROFILE = {
  linger: 0,
  immediate: true,
  sendTimeout: 0,
  connectTimeout: 300,
  reconnectInterval: -1, // this file dials again: a session never outlives its connection
  heartbeatInterval: 100,
  heartbeatTimeout: 400,
  maxMessageSize: LIMIT.frameBytes.max,
} as const;

type Outgoing = RegistryCall | { readonly type: "beat"; readonly seq: number };

export function openRegistryLink(parts: RegistryLinkParts): RegistryLink {
  const { place, clock, log } = parts;
  const scope = makeScope((task, error) => log.error({ task, error }, "registry link"));
  let hub: string | undefined;
  let session: Uint8Array = NO_SESSION;
  let queue: Outgoing[] = [];
  let wake: (() => void) | undefined;
  let heardMs = 0;
  let drop: ((why: string) => void) | undefined;

  const dial = (): Dealer =>
    new Dealer({
      ...PROFILE,
      curveServerKey: place.publicKey,
      curvePublicKey: parts.keys.publicKey,
      curveSecretKey: parts.keys.secretKey,
    });

  /** Until the connection is over; whether there was a session. */
  async function connection(signal: AbortSignal): Promise<boolean> {
    const socket = dial();
    const over = Promise.withResolvers<string>();
    let isOver = false;
    drop = over.resolve;
    const giveUp = clock.timeout(TIMEOUT.leaseMs, signal);
    giveUp.addEventListener("abort", () => {
      if (hub === undefined) over.resolve("nobody answers");
    });
    signal.addEventListener("abort", () => over.resolve("closed"), { once: true });
    socket.events.on("handshake", () => {
      if (!isOver) scope.start("hello", greet);
    });
    async function greet(): Promise<void> {
      try {
        await socket.send(encodeLinkFrame(NO_SESSION, [parts.hello]));
      } catch {
        over.resolve("the hello was not sent");
      }
    }
    for (const event of ["disconnect", "handshake:error:auth", "handshake:error:protocol"] as const)
      socket.events.on(event, () => over.resolve(event));
    scope.start("receive", async () => {
      for await (const [bytes] of socket) {
        if (isOver) return;
        if (bytes !== undefined) take(bytes);
      }
    });
    scope.start("write", () => write(socket, () => isOver));
    socket.connect(place.address);
    const why = await over.promise;
    isOver = true;
    wake?.();
    socket.close();
    const wasOpen = hub !== undefined;
    hub = undefined;
    session = NO_SESSION;
    queue = [];
    if (wasOpen) {
      log.debug({ hub: place.address, why }, "registry link lost");
      parts.onLost();
    }
    return wasOpen;
  }

  async function write(socket: Dealer, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (queue.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const batch = queue;
      queue = [];
      const onTooLarge = ({ type }: Outgoing): void =>
        log.error({ type }, "a call is larger than a frame; dropped");
      const frames =
        parts.framing === "turn"
          ? encodeLinkFrames(session, batch, onTooLarge)
          : batch.flatMap((one) => encodeLinkFrames(session, [one], onTooLarge));
      for (const frame of frames) {
        while (!isOver() && !(await sendFrame(socket, frame)))
          await clock.sleep(FULL_RETRY_MS, scope.signal).catch(() => {}); // closed: isOver
      }
    }
  }

  /** False if the socket is full. */
  async function sendFrame(socket: Dealer, frame: Uint8Array): Promise<boolean> {
    try {
      await socket.send(frame);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EAGAIN") return false;
      drop?.("the socket refused a frame");
      return true;
    }
  }

  function take(bytes: Uint8Array): void {
    let messages;
    try {
      ({ messages } = decodeLinkFrame(bytes));
    } catch (error) {
      return log.warn(
        { error: toErrorRecord(error) },
        "a frame of the hub cannot be read; dropped",
      );
    }
    heardMs = clock.monotonic();
    const replies: RegistryReply[] = [];
    for (const message of messages) {
      if (isReply(message)) replies.push(message);
      else takeOther(message as Record<string, unknown>); // only looked at
    }
    if (replies.length > 0 && hub !== undefined) parts.onReplies(replies);
    return undefined;
  }

  function takeOther(message: Readonly<Record<string, unknown>>): void {
    switch (message["type"]) {
      case "welcome":
        session = Uint8Array.from(Buffer.from(String(message["session"]), "hex"));
        hub = String(message["hub"]);
        if (message["hubs"] !== undefined) takeHubs(message["hubs"]);
        return parts.onOpen(hub);
      case "hubs":
        return takeHubs(message["hubs"]);
      case "denied":
        parts.onDenied(faultOf(message["error"]));
        return drop?.("denied");
      case "beat":
        return message["answer"] === "unknown" ? drop?.("the hub has forgotten us") : undefined;
    }
  }

  function takeHubs(list: unknown): void {
    const hubs = hubFactsSchema.safeParse(list);
    if (hubs.success) parts.onHubs(hubs.data);
  }

  scope.start("dial", async (signal) => {
    for (let failures = 0; !signal.aborted; failures += 1) {
      if (await connection(signal)) failures = 0;
      if (!signal.aborted)
        await clock.sleep(backoffMs(RECONNECT, failures + 1, parts.random), signal);
    }
  });

  scope.start("beat", async (signal) => {
    for (let seq = 1; ; seq += 1) {
      const beforeMs = clock.monotonic();
      await clock.sleep(TIMEOUT.heartbeatMs, signal);
      if (hub === undefined) continue;
      const lateMs = clock.monotonic() - beforeMs - TIMEOUT.heartbeatMs;
      heardMs += Math.max(0, lateMs); // our own stall accuses nobody
      if (clock.monotonic() - heardMs > TIMEOUT.leaseMs) drop?.("it does not answer");
      else post({ type: "beat", seq });
    }
  });

  function post(message: Outgoing): boolean {
    if (hub === undefined || queue.length >= QUEUE_MAX) return false; // RL3
    queue.push(message);
    wake?.();
    return true;
  }

  return {
    get hub() {
      return hub;
    },
    send: post,
    close: () => scope.close(),
  };
}

/** What a hub said of an error, whatever it is. */
export function faultOf(record: unknown): GantryError {
  const { code, message, details } = (record ?? {}) as Readonly<Record<string, unknown>>; // only looked at
  const known = typeof code === "string" && isErrorCode(code) ? code : "internal";
  return fromErrorRecord({
    code: known,
    message: typeof message === "string" ? message : "The hub gave no reason",
    ...(typeof details === "object" && details !== null
      ? { details: details as Readonly<Record<string, unknown>> }
      : {}),
  });
}
