import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
let bridge: Server | undefined;
const orders: unknown[] = [];
beforeEach(async () => {
  rig = await makeRig();
  orders.length = 0;
});
afterEach(async () => {
  bridge?.close();
  bridge = undefined;
  await rig[Symbol.asyncDispose]();
});

/** A bridge with the printers `ender` and `prusa`. */
async function openBridge(): Promise<void> {
  const folder = join(rig.dir, "data", "bridge");
  mkdirSync(folder, { recursive: true });
  const server = createServer((socket) => {
    const decoder = makeSocketDecoder();
    const printers = [{ id: "ender" }, { id: "prusa" }];
    socket.write(encodeSocketFrame([{ type: "printers", printers }]));
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Uint8Array) => {
      for (const order of decoder.push(bytes) as { id: string; printer?: string }[]) {
        orders.push(order);
        const isKnown = [undefined, "ender", "prusa"].includes(order.printer);
        socket.write(encodeSocketFrame([{ type: isKnown ? "accepted" : "refused", id: order.id }]));
      }
    });
  });
  bridge = server;
  await new Promise<void>((resolve) => server.listen(join(folder, "bridge.sock"), resolve));
}

async function withoutHub(): Promise<void> {
  await rig.hub[Symbol.asyncDispose]();
}

describe("gantry stop beside the bridge", () => {
  it("stops a printer although there is no hub", async () => {
    await openBridge();
    await withoutHub();
    expect(await rig.gantry(["stop", "ender"])).toMatchObject({
      code: 0,
      out: "Stopped without the hub: ender\n",
    });
    expect(orders).toEqual([{ type: "stop", id: "stop", printer: "ender" }]);
  });

  it("stops all printers here, and says that others were not reached", async () => {
    await openBridge();
    await withoutHub();
    const { code, out } = await rig.gantry(["stop"]);
    expect(code).toBe(69);
    expect(out).toContain("Stopped without the hub: ender, prusa");
    expect(out).toContain("NOT REACHED: printers of other machines");
  });

  it("says that the hub is away when the bridge does not know the printer", async () => {
    await openBridge();
    await withoutHub();
    const { code, err } = await rig.gantry(["stop", "other"]);
    expect(code).toBe(69);
    expect(err).toContain("does not answer");
  });

  it("tells the bridge beside the hub, too: what the hub could not reach may be here", async () => {
    await openBridge();
    rig.hub.json("POST /api/fabrication/stop", { stopped: [], unreachable: ["ender"] });
    expect(await rig.gantry(["stop", "ender"])).toMatchObject({ code: 0, out: "Stopped: ender\n" });
    expect(orders).toHaveLength(1);
  });

  it("leaves this machine alone when another hub is named", async () => {
    await openBridge();
    const { code } = await rig.gantry(["stop", "ender", "--hub", "http://127.0.0.1:9"]);
    expect(code).toBe(69);
    expect(orders).toEqual([]);
  });
});
