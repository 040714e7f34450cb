// The bridge's local socket: orders in, reports out, in socket frames.
//
// SS1. Only this machine's owner can reach it: the folder is 0700, the socket 0600.
// SS2. A stale socket file is removed; one that answers means another bridge: port_busy.
// SS3. An agent that sends a bad frame or reads too slowly is cut off, not the printing.

import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import {
  type BridgeOrder,
  bridgeOrderSchema,
  type BridgeReport,
} from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";

export interface SocketServer {
  /** To every agent that is connected. */
  broadcast(reports: readonly BridgeReport[]): void;
  close(): Promise<void>;
}

export interface SocketHandler {
  greeting(): readonly BridgeReport[];
  handle(order: BridgeOrder): Promise<BridgeReport>;
}

const AGENTS_MAX = 8;
const WAITING_BYTES_MAX = 1_048_576;

/** Rejects with port_busy or io_error. */
export async function serveSocket(
  path: string,
  handler: SocketHandler,
  log: Logger,
): Promise<SocketServer> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (await answers(path)) {
    throw new GantryError("port_busy", `Another bridge answers on ${path}; stop it first`);
  }
  rmSync(path, { force: true });
  const agents = new Set<Socket>();
  const server = createServer((socket) => welcome(socket));
  await listen(server, path);
  chmodSync(path, 0o600);

  function welcome(socket: Socket): void {
    if (agents.size >= AGENTS_MAX) {
      socket.destroy();
      return;
    }
    agents.add(socket);
    const decoder = makeSocketDecoder();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => agents.delete(socket));
    socket.on("data", (bytes: Uint8Array) => {
      try {
        for (const message of decoder.push(bytes)) receive(socket, message);
      } catch (error) {
        log.warn({ why: String(error) }, "agent cut off");
        socket.destroy();
      }
    });
    send(socket, handler.greeting());
  }

  function receive(socket: Socket, message: unknown): void {
    const parsed = bridgeOrderSchema.safeParse(message);
    if (parsed.success) {
      void handler.handle(parsed.data).then((report) => send(socket, [report]));
      return;
    }
    const error = { code: "bad_request", message: "The order does not follow the contract" };
    send(socket, [{ type: "refused", id: idOf(message), error }]);
  }

  return {
    broadcast(reports) {
      for (const socket of agents) send(socket, reports);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of agents) socket.destroy();
      }),
  };
}

function send(socket: Socket, reports: readonly BridgeReport[]): void {
  if (socket.writableLength > WAITING_BYTES_MAX) socket.destroy(); // SS3
  else if (!socket.destroyed && reports.length > 0) socket.write(encodeSocketFrame(reports));
}

function idOf(message: unknown): string {
  const hasId = typeof message === "object" && message !== null && "id" in message;
  return hasId && typeof message.id === "string" ? message.id : "";
}

/** SS2 */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new GantryError("io_error", `The socket ${path} cannot be opened`, { cause }));
    });
    server.listen(path, () => resolve());
  });
