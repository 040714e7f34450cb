// The node's end of the agent link: one DEALER for one connection, CURVE, frames.
//
// HL1. One writer: zeromq.js throws EBUSY synchronously on a second send.
// HL2. The routing id is left to the hub: an id of our own could be asked for by another.
// HL3. A connection that breaks is over (`lost`): the session was bound to it. The loop opens a new one.
// HL4. What is queued for an absent hub is refused at once (immediate, sendTimeout 0), so nothing old
//      arrives after a cut. The numbers are those that were back 0.36 s after a cut of 12 s (notes/raft 2).

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { decodeLinkFrame, NO_SESSION } from "@gantry/shared/contract/frames.ts";
import { encodeLinkFrames } from "@gantry/shared/contract/link-batch.ts";
import {
  hubMessageSchema,
  type HubMessage,
  type NodeMessage,
} from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { Dealer } from "zeromq";
import type { HubPlace } from "../agent/hub-places.ts";
import type { HubLink, Identity, LinkEvent, OpenHubLink } from "../agent/ports.ts";

const QUEUE_MESSAGES_MAX = 4_096;
const FULL_RETRY_MS = 5;
/** How long libzmq may go on writing the last words of a link that was closed with a flush. */
const LAST_WORDS_MS = 200;

/** Of every agent's socket. Intervals in ms. */
export const HUB_LINK_PROFILE = {
  linger: 0,
  immediate: true,
  sendTimeout: 0,
  connectTimeout: 300,
  reconnectInterval: 50,
  reconnectMaxInterval: 500,
  // Only to find dead connections: beats and the word of a new leader tell sooner who leads. Each ping
  // costs a hub some 50 us, so a thousand agents at 500 ms took a tenth of a core.
  heartbeatInterval: 2_500,
  heartbeatTimeout: 2_500,
  maxMessageSize: LIMIT.frameBytes.max,
} as const;

export interface HubLinkPorts {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Connections of this node, each to a hub that must prove the key of its place. */
export const makeHubLinks =
  (identity: NodeKeys, ports: HubLinkPorts): OpenHubLink =>
  (place, onEvent) =>
    openHubLink(place, identity, ports, onEvent);

type NodeKeys = Pick<Identity, "publicKey" | "secretKey">;

function openHubLink(
  { address, publicKey: curveServerKey }: HubPlace,
  { publicKey: curvePublicKey, secretKey: curveSecretKey }: NodeKeys,
  { clock, log }: HubLinkPorts,
  onEvent: (event: LinkEvent) => void,
): HubLink {
  const scope = makeScope((name, error) => {
    log.error({ task: name, error }, "hub link");
    lose("a fault of the link");
  });
  const socket = new Dealer({
    ...HUB_LINK_PROFILE,
    curveServerKey,
    curvePublicKey,
    curveSecretKey,
  });
  const queue: NodeMessage[] = [];
  let session: Uint8Array = NO_SESSION;
  let state: "connecting" | "open" | "over" = "connecting";
  let wake: (() => void) | undefined;
  let drained: (() => void) | undefined;

  const isOver = (): boolean => state === "over";

  function lose(why: string): void {
    if (state === "over") return;
    state = "over";
    wake?.();
    onEvent({ kind: "lost", why });
  }

  socket.events.on("handshake", () => {
    if (state !== "connecting") return;
    state = "open";
    onEvent({ kind: "connected" });
  });
  socket.events.on("disconnect", () => {
    if (state === "open") lose("the connection broke"); // HL3
  });
  socket.events.on("handshake:error:auth", () => lose("the hub does not know this node's key"));
  socket.events.on("handshake:error:protocol", () => lose("the hub's key is not the known one"));

  scope.start("receive", async () => {
    for await (const [bytes] of socket) {
      if (state !== "open" || bytes === undefined) continue;
      const messages = readFrame(bytes, session, log);
      const welcome = messages.findLast((message) => message.type === "welcome");
      // Taken here and not by the loop: the next frame may be read before the loop runs.
      if (welcome !== undefined) session = Uint8Array.from(Buffer.from(welcome.session, "hex"));
      if (messages.length > 0) onEvent({ kind: "messages", messages });
    }
  });

  scope.start("write", async (signal) => {
    while (!signal.aborted && !isOver()) {
      if (queue.length === 0 || state === "connecting") {
        drained?.();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const onTooLarge = ({ type }: NodeMessage): void =>
        log.error({ type }, "a message is larger than a frame; dropped");
      const frames = encodeLinkFrames(session, queue.splice(0), onTooLarge);
      for (const frame of frames) await sendFrame(frame, signal);
    }
    drained?.();
  });

  async function sendFrame(frame: Uint8Array, signal: AbortSignal): Promise<void> {
    while (state === "open" && !signal.aborted) {
      try {
        await socket.send(frame);
        return;
      } catch (error) {
        const isFull = error instanceof Error && "code" in error && error.code === "EAGAIN";
        if (!isFull) return lose("the socket refused a frame");
        await clock.sleep(FULL_RETRY_MS, signal); // HL4; a broken connection ends this by `lose`
      }
    }
  }

  socket.connect(address);

  return {
    send(messages) {
      if (state !== "open") return "absent";
      if (queue.length + messages.length > QUEUE_MESSAGES_MAX) return "full";
      queue.push(...messages);
      wake?.();
      return "sent";
    },
    greet(message) {
      session = NO_SESSION;
      queue.length = 0;
      queue.push(message);
      wake?.();
    },
    async close(flushMs) {
      if (state === "open" && flushMs > 0) {
        const isDrained = new Promise<void>((resolve) => {
          drained = resolve;
        });
        wake?.();
        await Promise.race([isDrained, clock.sleep(flushMs, scope.signal)]);
        socket.linger = LAST_WORDS_MS;
      }
      state = "over";
      wake?.();
      const closing = scope.close();
      socket.close();
      await closing;
    },
  };
}

/** The messages of a frame that is this session's or of no session yet; anything else is dropped. */
function readFrame(bytes: Uint8Array, session: Uint8Array, log: Logger): HubMessage[] {
  try {
    const frame = decodeLinkFrame(bytes);
    const isOurs = isSame(frame.session, session) || isSame(frame.session, NO_SESSION);
    // `welcome` carries its own new session in its head.
    const isWelcome = frame.messages.some(isTyped("welcome"));
    if (!isOurs && !isWelcome) return [];
    return frame.messages.flatMap((item) => {
      const parsed = hubMessageSchema.safeParse(item);
      if (!parsed.success) log.warn({}, "a message of the hub is not understood; dropped");
      return parsed.success ? [parsed.data] : [];
    });
  } catch (error) {
    log.warn({ error }, "a frame of the hub cannot be read; dropped");
    return [];
  }
}

const isSame = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0;

const isTyped =
  (type: string) =>
  (item: unknown): boolean =>
    typeof item === "object" && item !== null && "type" in item && item.type === type;
