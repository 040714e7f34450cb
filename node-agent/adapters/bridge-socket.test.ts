import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { BridgeOrder } from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { connectBridge } from "./bridge-socket.ts";

const WAIT = { timeout: 4_000, interval: 5 };
const order = { type: "reset", printer: "ender" } as const;

/** A bridge that hands each order to `onOrder`, and the agent's end connected to it. */
async function open(onOrder: (order: BridgeOrder, socket: Socket) => void) {
  const folder = await mkdtemp(join(tmpdir(), "gantry-bridge-"));
  const path = join(folder, "bridge.sock");
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const decoder = makeSocketDecoder();
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      for (const item of decoder.push(bytes)) onOrder(item as BridgeOrder, socket);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const told: string[] = [];
  const scope = makeScope(() => {});
  const bridge = connectBridge(
    path,
    { clock: systemClock, random: Math.random, log: silentLogger },
    {
      connected: () => told.push("connected"),
      lost: () => told.push("lost"),
      report: ({ type }) => told.push(type),
    },
    scope,
  );
  onTestFinished(async () => {
    await scope.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  await vi.waitFor(() => expect(told).toEqual(["connected"]), WAIT);
  return { bridge, told, sockets };
}

test("each order gets its own answer, in whatever order they come", async () => {
  const held: BridgeOrder[] = [];
  const { bridge } = await open((order, socket) => {
    held.push(order);
    const [first, second] = held;
    if (first === undefined || second === undefined) return;
    const error = { code: "not_found", message: "no such printer" };
    socket.write(encodeSocketFrame([{ type: "accepted", id: second.id }]));
    socket.write(encodeSocketFrame([{ type: "refused", id: first.id, error }]));
  });
  const [first, second] = await Promise.allSettled([bridge.order(order), bridge.order(order)]);
  expect(second.status).toBe("fulfilled");
  expect(first).toMatchObject({ status: "rejected", reason: { code: "not_found" } });
});

test("BS1: a report that is none is dropped; bytes that are none end the connection, which comes back", async () => {
  const { told, sockets } = await open(() => {});
  sockets[0]?.write(encodeSocketFrame([{ type: "nobody" }, { type: "printers", printers: [] }]));
  await vi.waitFor(() => expect(told).toEqual(["connected", "printers"]), WAIT);
  sockets[0]?.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await vi.waitFor(() => expect(told.slice(2)).toEqual(["lost", "connected"]), WAIT);
});

test("BS2: an order whose answer was lost says that it may have arrived", async () => {
  const { bridge, told } = await open((_order, socket) => socket.destroy());
  await expect(bridge.order(order)).rejects.toMatchObject({
    code: "device_offline",
    details: { wasSent: true },
  });
  expect(bridge.isConnected).toBe(false);
  await expect(bridge.order(order)).rejects.toMatchObject({ details: { wasSent: false } });
  await vi.waitFor(() => expect(told).toEqual(["connected", "lost", "connected"]), WAIT);
});
