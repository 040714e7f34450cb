// Prints on a whole node.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import {
  cleanups,
  type Hub,
  openAll,
  openBridge,
  serving,
  startNode,
  WAIT,
} from "./node.test.support.ts";

// ── prints ──────────────────────────────────────────────────────────────────────────────────────

const gcode = Buffer.from("G28\nG1 X10 F1200\n".repeat(40_000)); // 680 kB: three pieces
const print = (
  job: string,
  token: number,
  bytes = gcode,
): Extract<HubMessage, { type: "print" }> => ({
  type: "print",
  printer: "ender",
  job,
  token,
  sha256: sha256(bytes),
  sizeBytes: bytes.length,
});

/** Answers `fetch` as a hub does, in pieces of 256 KiB. */
function serveBlob(hub: Hub, bytes = gcode): void {
  const answered = new Set<NodeMessage>();
  const serve = (): void => {
    for (const message of hub.saidOf("fetch")) {
      if (answered.has(message)) continue;
      answered.add(message);
      const { sha256, offset } = message;
      const piece = bytes.subarray(offset, offset + 262_144);
      const isLast = offset + piece.length >= bytes.length;
      hub.tell({ type: "piece", sha256, offset, bytes: piece.toString("base64"), isLast });
    }
  };
  const timer = setInterval(serve, 2);
  cleanups.push(() => clearInterval(timer));
}

test("PT2: a print is fetched in pieces, verified, given to the bridge once and told until recorded", async () => {
  const { hub, bridge, folder } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  expect(hub.saidOf("fetch").map(({ offset }) => offset)).toEqual([0, 262_144, 524_288]);
  const [start] = bridge.ordersOf("start");
  if (start?.type !== "start") throw new Error("no start");
  expect(await readFile(start.path)).toEqual(gcode);
  hub.tell(print("prt_1", 3)); // told again, as after an election
  const job = { type: "job", printer: "ender", job: "prt_1", token: 3, startedCount: 1 } as const;
  bridge.report({ ...job, phase: "started", progress: 0 });
  bridge.report({ ...job, phase: "started", progress: 0.4 });
  bridge.report({ ...job, phase: "done", progress: 1 });
  const phases = () => hub.saidOf("printJob").map(({ phase }) => phase);
  await vi.waitFor(
    () => expect(phases().slice(0, 4)).toEqual(["started", "done", "started", "done"]),
    WAIT,
  );
  hub.tell({ type: "recorded", job: "prt_1", token: 3, phase: "started" });
  hub.tell({ type: "recorded", job: "prt_1", token: 3, phase: "done" });
  await vi.waitFor(() => expect(bridge.ordersOf("acknowledge")).toHaveLength(1), WAIT);
  expect(bridge.ordersOf("start")).toHaveLength(1);
  await vi.waitFor(async () => expect(await readdir(join(folder, "blobs"))).toEqual([]), WAIT);
});

test("PT1: after a restart a lower token is refused and the bridge hears nothing of it", async () => {
  const { hub, bridge, setup, node } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 7));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  await node.stop();
  const again = await startNode(hub, setup);
  await serving(again);
  hub.tell(print("prt_0", 6));
  hub.tell({ type: "printWish", printer: "ender", job: "prt_0", token: 6, wish: "cancel" });
  await vi.waitFor(() => expect(hub.saidOf("printRefused")).toHaveLength(2), WAIT);
  expect(hub.saidOf("printRefused")[0]).toMatchObject({
    job: "prt_0",
    error: { code: "stale_token" },
  });
  expect(bridge.orders.map(({ type }) => type)).toEqual(["start"]);
});

test("bytes that are not the promised ones are refused", async () => {
  const { hub, bridge } = await openAll();
  const other = Buffer.from(gcode);
  other[1_000] = 0;
  serveBlob(hub, other);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "checksum_mismatch" } }]),
    WAIT,
  );
  expect(bridge.orders).toEqual([]);
});

test("a bridge's refusal is the hub's to know", async () => {
  const { hub, bridge } = await openAll();
  bridge.answer = ({ id }) => ({
    type: "refused",
    id,
    error: { code: "bed_not_clear", message: "A part is in the bed" },
  });
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(
    () => expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "bed_not_clear" } }]),
    WAIT,
  );
});

test("PT3: a stop goes to the bridge at once and ends the print that is still being fetched", async () => {
  const { hub, bridge } = await openAll();
  hub.tell(print("prt_1", 3)); // nobody answers its fetch
  await vi.waitFor(() => expect(hub.saidOf("fetch")).toHaveLength(1), WAIT);
  hub.tell({ type: "stop", id: "s1" });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("stopped")).toEqual([{ type: "stopped", id: "s1", printers: ["ender"] }]),
    WAIT,
  );
  await vi.waitFor(
    () => expect(hub.saidOf("printJob")).toMatchObject([{ phase: "cancelled", startedCount: 0 }]),
    WAIT,
  );
  expect(bridge.orders.filter(({ type }) => type !== "stop")).toEqual([]);
});

test("wishes and resets go to the bridge with their token", async () => {
  const { hub, bridge } = await openAll();
  serveBlob(hub);
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  for (const wish of ["pause", "resume", "cancel"] as const) {
    hub.tell({ type: "printWish", printer: "ender", job: "prt_1", token: 3, wish });
    await vi.waitFor(() => expect(bridge.ordersOf(wish)).toMatchObject([{ token: 3 }]), WAIT);
  }
  hub.tell({ type: "resetPrinter", id: "x", printer: "ender" });
  await vi.waitFor(
    () => expect(bridge.ordersOf("reset")).toMatchObject([{ printer: "ender" }]),
    WAIT,
  );
  await vi.waitFor(() => expect(hub.saidOf("stopped")).toMatchObject([{ id: "x" }]), WAIT);
});

test("a cancel of a print that the bridge never began is told as cancelled, not as refused", async () => {
  const { hub, bridge } = await openAll();
  bridge.answer = ({ id }) => ({
    type: "refused",
    id,
    error: { code: "not_found", message: "no such job" },
  });
  hub.tell({ type: "printWish", printer: "ender", job: "prt_1", token: 3, wish: "cancel" });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("printJob")).toMatchObject([
        { job: "prt_1", phase: "cancelled", startedCount: 0 },
      ]),
    WAIT,
  );
  expect(hub.saidOf("printRefused")).toEqual([]);
});

test("PT6: an order that comes after its own cancel, late or again, begins nothing", async () => {
  const { hub, bridge } = await openAll();
  serveBlob(hub);
  const { answer } = bridge;
  bridge.answer = ({ id }) => ({
    type: "refused",
    id,
    error: { code: "not_found", message: "no such job" },
  });
  hub.tell({ type: "printWish", printer: "ender", job: "prt_1", token: 3, wish: "cancel" });
  await vi.waitFor(() => expect(hub.saidOf("printJob")).toHaveLength(1), WAIT);
  hub.tell({ type: "recorded", job: "prt_1", token: 3, phase: "cancelled" });
  await vi.waitFor(() => expect(bridge.ordersOf("acknowledge")).toHaveLength(1), WAIT);
  bridge.answer = answer;
  hub.tell(print("prt_1", 3)); // told before the cancel was known, or by a hub that leads no more
  await vi.waitFor(
    () => expect(hub.saidOf("printJob").at(-1)).toMatchObject({ phase: "cancelled" }),
    WAIT,
  );
  hub.tell(print("prt_2", 4));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toMatchObject([{ job: "prt_2" }]), WAIT);
});

test("a dead bridge: printers are offline, prints and stops say device_offline; it is found again", async () => {
  const { hub, bridge, folder } = await openAll();
  await bridge.die();
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "offline" }]),
    WAIT,
  );
  hub.tell(print("prt_1", 3), { type: "stop", id: "s1", printer: "ender" });
  await vi.waitFor(() => {
    expect(hub.saidOf("printRefused")).toMatchObject([{ error: { code: "device_offline" } }]);
    expect(hub.saidOf("stopped")).toMatchObject([
      { printers: [], error: { code: "device_offline" } },
    ]);
  }, WAIT);
  await openBridge(join(folder, "bridge.sock"));
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "idle" }]),
    WAIT,
  );
});

test("PT4: a start whose answer was lost is given again with the same token, never told as refused", async () => {
  const { hub, bridge, folder } = await openAll();
  serveBlob(hub);
  bridge.answer = () => undefined;
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(bridge.ordersOf("start")).toHaveLength(1), WAIT);
  await bridge.die();
  const next = await openBridge(join(folder, "bridge.sock"));
  await vi.waitFor(
    () => expect(next.ordersOf("start")).toMatchObject([{ job: "prt_1", token: 3 }]),
    WAIT,
  );
  expect(hub.saidOf("printRefused")).toEqual([]);
});

test("PT5: an order that was refused is refused again, also after a restart; a newer lease is done", async () => {
  const { hub, bridge, folder, node, setup } = await openAll();
  serveBlob(hub);
  await bridge.die();
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "offline" }]),
    WAIT,
  );
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(hub.saidOf("printRefused")).toHaveLength(1), WAIT);
  const next = await openBridge(join(folder, "bridge.sock"));
  hub.tell(print("prt_1", 3)); // late, or told again
  await vi.waitFor(() => expect(hub.saidOf("printRefused")).toHaveLength(2), WAIT);
  await node.stop();
  await serving(await startNode(hub, setup));
  await vi.waitFor(
    () => expect(hub.saidOf("printers").at(-1)?.printers).toMatchObject([{ phase: "idle" }]),
    WAIT,
  );
  hub.tell(print("prt_1", 3));
  await vi.waitFor(() => expect(hub.saidOf("printRefused")).toHaveLength(3), WAIT);
  expect(hub.saidOf("printRefused").map(({ error }) => error.code)).toEqual([
    "device_offline",
    "device_offline",
    "unreachable",
  ]);
  expect(next.ordersOf("start")).toEqual([]);
  hub.tell(print("prt_1", 5));
  await vi.waitFor(() => expect(next.ordersOf("start")).toMatchObject([{ token: 5 }]), WAIT);
});
