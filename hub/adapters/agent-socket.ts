// The ROUTER socket of the agent link: its options, and what can go wrong when it is bound.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Context, Router } from "zeromq";

const HANDSHAKE_MS = 5_000; // libzmq's default is 30 s; half-open connections must not pile up
const ROUTE_FRAMES_MAX = 64;

/** Not bound yet. `onDenied`: a client without CURVE, or with the wrong key for this hub. */
export function makeAgentSocket(context: Context, secretKey: string, onDenied: () => void): Router {
  const socket = new Router({
    context,
    curveServer: true,
    curveSecretKey: secretKey,
    zapDomain: "gantry",
    linger: 0,
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: ROUTE_FRAMES_MAX,
    maxMessageSize: LIMIT.frameBytes.max,
    handshakeInterval: HANDSHAKE_MS,
    // Only to let go of connections whose other end is gone: a node's silence is judged by its beats.
    // Once a second would cost as much processor time as the beats of the nodes themselves.
    heartbeatInterval: TIMEOUT.leaseMs,
    heartbeatTimeout: TIMEOUT.leaseMs,
  });
  socket.events.on("handshake:error:protocol", onDenied);
  socket.events.on("handshake:error:other", onDenied);
  return socket;
}

/** Throws port_busy, bad_config. */
export async function bindAgentSocket(socket: Router, address: string): Promise<void> {
  try {
    await socket.bind(address);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    if (code === "EADDRINUSE") {
      const advice = "stop the other program or set GANTRY_AGENT_BIND";
      throw new GantryError("port_busy", `${address} is in use; ${advice}`, { cause });
    }
    const advice = "GANTRY_AGENT_BIND must be tcp://ADDRESS:PORT of this machine";
    throw new GantryError("bad_config", `${address} cannot be bound (${code}): ${advice}`, {
      cause,
    });
  }
}
