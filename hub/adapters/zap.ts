// The gate before the agent link: ZeroMQ asks it whether a CURVE key may open a connection (RFC 27).
//
// ZAP1. It is bound before any socket that it guards: libzmq lets everybody in where nobody listens.
// ZAP2. Anything but a CURVE request with a key of 32 bytes is denied.

import type { Scope } from "@gantry/shared/flow/scope.ts";
import { encodeZ85 } from "@gantry/shared/contract/z85.ts";
import { type Context, Router } from "zeromq";

const ADDRESS = "inproc://zeromq.zap.01";
const KEY_BYTES = 32;

export interface ZapOptions {
  readonly context: Context;
  /** Asked with the Z85 form of the key, once per connection. */
  readonly allows: (publicKey: string) => boolean;
  readonly onDenied: (address: string) => void;
}

/** Answers until the scope is left. Await it before binding what it guards (ZAP1). */
export async function startZap(options: ZapOptions, scope: Scope): Promise<void> {
  const socket = new Router({ context: options.context, linger: 0 });
  await socket.bind(ADDRESS);
  scope.start("zap", async (signal) => {
    signal.addEventListener("abort", () => socket.close(), { once: true });
    for await (const request of socket) {
      await socket.send(answer(request, options));
      if (signal.aborted) return;
    }
  });
}

/** Request: caller, "", version, id, domain, address, routing id, mechanism, key. */
function answer(request: readonly Buffer[], { allows, onDenied }: ZapOptions): (Buffer | string)[] {
  const [caller, empty, version, id, , address, , mechanism, key] = request;
  const isAllowed =
    mechanism?.toString() === "CURVE" && key?.length === KEY_BYTES && allows(encodeZ85(key));
  if (!isAllowed) onDenied(address?.toString() ?? "");
  const [status, text] = isAllowed ? ["200", ""] : ["400", "denied"];
  return [caller ?? "", empty ?? "", version ?? "", id ?? "", status ?? "", text ?? "", "", ""];
}
