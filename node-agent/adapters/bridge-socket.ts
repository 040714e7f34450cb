// The agent's end of the bridge's local socket: connects for ever, gives each order its answer.
//
// BS1. Nothing of the bridge throws here: a bad frame ends the connection, a bad report is dropped.
// BS2. An order is sent once. When the connection breaks before its answer, `details.wasSent` is true
//      and the caller decides: the bridge's fencing makes the same start with the same token safe.

import { createConnection, type Socket } from "node:net";
import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import { RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { type BridgeReport, bridgeReportSchema } from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Bridge, BridgeHandlers } from "../agent/ports.ts";

const ORDERS_WAITING_MAX = 256;
const CONNECT_MS = 2_000;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface BridgePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Connects until the scope is left. */
export function connectBridge(
  path: string,
  ports: BridgePorts,
  handlers: BridgeHandlers,
  scope: Scope,
): Bridge {
  const { clock, random, log } = ports;
  const waiting = new Map<string, Waiting>();
  let socket: Socket | undefined;
  let lastId = 0;

  function onReport(report: BridgeReport): void {
    if (report.type !== "accepted" && report.type !== "refused") return handlers.report(report);
    const order = waiting.get(report.id);
    waiting.delete(report.id);
    if (report.type === "accepted") order?.resolve();
    else order?.reject(refusalOf(report.error));
  }

  /** One connection, from dialling to its end. True if it was ever open. */
  async function visit(signal: AbortSignal): Promise<boolean> {
    const dialled = createConnection({ path });
    const ended = Promise.withResolvers<boolean>();
    let wasOpen = false;
    const decoder = makeSocketDecoder();
    dialled.setTimeout(CONNECT_MS, () => dialled.destroy());
    dialled.on("connect", () => {
      wasOpen = true;
      dialled.setTimeout(0);
      socket = dialled;
      handlers.connected();
    });
    dialled.on("data", (bytes: Buffer) => {
      try {
        for (const item of decoder.push(bytes)) {
          const parsed = bridgeReportSchema.safeParse(item);
          if (parsed.success) onReport(parsed.data);
          else log.warn({}, "a report of the bridge is not understood; dropped");
        }
      } catch (error) {
        log.warn({ error }, "the bridge sent a bad frame");
        dialled.destroy(); // BS1
      }
    });
    dialled.on("error", (error) => log.debug({ path, error }, "bridge"));
    dialled.on("close", () => ended.resolve(wasOpen));
    const onAbort = (): void => void dialled.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    await ended.promise;
    signal.removeEventListener("abort", onAbort);
    socket = undefined;
    for (const order of waiting.values()) order.reject(offline(true));
    waiting.clear();
    if (wasOpen) handlers.lost();
    return wasOpen;
  }

  scope.start("bridge", async (signal) => {
    for (let failures = 0; !signal.aborted;) {
      failures = (await visit(signal)) ? 1 : failures + 1;
      await clock.sleep(backoffMs(RECONNECT, failures, random), signal);
    }
  });

  return {
    get isConnected() {
      return socket !== undefined;
    },
    async order(order) {
      if (socket === undefined) throw offline(false);
      if (waiting.size >= ORDERS_WAITING_MAX) {
        throw new GantryError("busy", "Too many orders wait for the bridge's answer");
      }
      lastId += 1;
      const id = `${lastId}`;
      const answered = Promise.withResolvers<void>();
      waiting.set(id, answered);
      socket.write(encodeSocketFrame([{ ...order, id }]));
      const done = new AbortController();
      const limitMs = TIMEOUT.fabricationCommandMs;
      const late = clock.sleep(limitMs, AbortSignal.any([done.signal, scope.signal])).then(() => {
        throw new GantryError("timeout", `The bridge did not answer within ${limitMs} ms`, {
          details: { wasSent: true },
        });
      });
      try {
        await Promise.race([answered.promise, late]);
      } finally {
        waiting.delete(id);
        done.abort();
        late.catch(() => {});
      }
    },
  };
}

const offline = (wasSent: boolean): GantryError =>
  new GantryError("device_offline", "The firmware bridge of this node is not running", {
    details: { wasSent },
  });

function refusalOf({ code, message }: { code: string; message: string }): GantryError {
  return new GantryError(isErrorCode(code) ? code : "device_fault", message);
}
