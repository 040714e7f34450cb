// JSON-RPC 2.0 over Node's own WebSocket client.
//
// JR1. Every call ends: with its answer, its signal, or the connection.
// JR2. A message over LIMIT.printerReplyBytes, or one that is no JSON object, closes the connection:
//      the next one begins with whole objects again (MK1).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { type MoonrakerMessage, parseMoonraker } from "../protocols/moonraker.ts";

export interface JsonRpc {
  /** Rejects with device_fault (`isRefused`), unauthenticated, unreachable or the signal's reason. */
  call(method: string, params: object, signal: AbortSignal): Promise<unknown>;
  close(why: string): void;
}

export interface JsonRpcEvents {
  onNotice(method: string, params: readonly unknown[]): void;
  /** Once, whoever closed it. */
  onClosed(why: string): void;
}

const UNAUTHORIZED = 401;

/** Rejects with unreachable or the signal's reason. */
export async function openJsonRpc(
  url: URL,
  events: JsonRpcEvents,
  signal: AbortSignal,
): Promise<JsonRpc> {
  signal.throwIfAborted();
  const socket = new WebSocket(url);
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  let nextId = 1;
  let isClosed = false;

  function closed(why: string): void {
    if (isClosed) return;
    isClosed = true;
    const error = new GantryError("unreachable", `The connection to the printer ended: ${why}`);
    for (const { reject } of calls.values()) reject(error);
    calls.clear();
    socket.close();
    events.onClosed(why);
  }

  function take(message: MoonrakerMessage): void {
    if (message.kind === "other") return;
    if (message.kind === "notice") return events.onNotice(message.method, message.params);
    const call = calls.get(message.id); // none: it was given up, or this is a duplicate
    calls.delete(message.id);
    if (message.kind === "reply") call?.resolve(message.result);
    else call?.reject(refusalOf(message));
  }

  socket.addEventListener("message", ({ data }: { data: unknown }) => {
    if (isClosed) return;
    const isLong = typeof data === "string" && data.length > LIMIT.printerReplyBytes.max;
    const message = typeof data === "string" && !isLong ? parseMoonraker(data) : undefined;
    if (message !== undefined) take(message);
    else closed(isLong ? "a message is too long" : "it does not speak JSON-RPC"); // JR2
  });
  socket.addEventListener("error", () => closed("it cannot be reached"));
  socket.addEventListener("close", () => closed("closed by the printer"));

  await opened(socket, url, signal);
  return {
    call(method, params, callSignal) {
      if (callSignal.aborted) return Promise.reject(reasonOf(callSignal));
      if (isClosed) return Promise.reject(new GantryError("unreachable", "Not connected"));
      const id = nextId;
      nextId += 1;
      const call = Promise.withResolvers<unknown>();
      calls.set(id, call);
      const onAbort = (): void => {
        calls.delete(id);
        call.reject(reasonOf(callSignal));
      };
      callSignal.addEventListener("abort", onAbort, { once: true });
      socket.send(JSON.stringify({ jsonrpc: "2.0", method, params, id }));
      return call.promise.finally(() => callSignal.removeEventListener("abort", onAbort));
    },
    close: closed,
  };
}

async function opened(socket: WebSocket, { host }: URL, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  socket.addEventListener("open", () => resolve(), { once: true });
  const failed = (): void => reject(new GantryError("unreachable", `${host} cannot be reached`));
  socket.addEventListener("error", failed, { once: true });
  socket.addEventListener("close", failed, { once: true });
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function refusalOf({ code, message }: { code: number; message: string }): GantryError {
  const details = { isRefused: true };
  if (code === UNAUTHORIZED || /unauthorized/i.test(message)) {
    const text = "The printer does not take our key; check `key`";
    return new GantryError("unauthenticated", text, { details });
  }
  return new GantryError("device_fault", `The printer refuses: ${message}`, { details });
}
