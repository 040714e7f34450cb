import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Adopt, adoptSchema, FOUND_KINDS } from "@gantry/shared/contract/adopt.ts";
import { parsePrinter } from "../config.ts";
import { adoptedLine } from "./adopted.ts";
import { makeRig } from "./rig.ts";

function outcomeOf(order: Adopt): { line?: string; id?: string; fault?: unknown } {
  try {
    const line = adoptedLine(order);
    try {
      return { line, id: parsePrinter(line).id };
    } catch (error) {
      return { line, fault: error instanceof GantryError ? error.code : error };
    }
  } catch (error) {
    return { fault: error instanceof GantryError ? error.code : error };
  }
}

describe("an adopted printer", () => {
  it("is a line of configuration that means what was ordered", () => {
    const line = adoptedLine({
      id: "x1",
      kind: "bambu",
      address: "10.0.0.9",
      serial: "01S00A1234",
      secret: "12345678",
      size: "256x256x256",
    });
    expect(parsePrinter(line)).toMatchObject({
      id: "x1",
      sizeMm: { x: 256, y: 256, z: 256 },
      network: { kind: "bambu", host: "10.0.0.9", serial: "01S00A1234", code: "12345678" },
    });
    const mill = adoptedLine({
      id: "mill",
      kind: "serial",
      address: "/dev/ttyACM0",
      firmware: "grbl",
    });
    expect(parsePrinter(mill)).toMatchObject({ firmware: "grbl", cable: { path: "/dev/ttyACM0" } });
  });

  it("whatever it calls itself, begins no other printer and no other option (AL1, fuzz)", () => {
    const adopt = fc.record(
      {
        id: fc.constant("p"),
        kind: fc.constantFrom(...FOUND_KINDS),
        address: fc.oneof(
          fc.string(),
          fc.constantFrom("10.0.0.5:7125", "/dev/ttyUSB0", "h?key=x,q=sim:"),
        ),
        serial: fc.string({ maxLength: 64 }),
        secret: fc.string({ maxLength: 64 }),
        user: fc.string({ maxLength: 20 }),
      },
      { requiredKeys: ["id", "kind", "address"] },
    );
    fc.assert(
      fc.property(adopt, (order) => {
        const outcome = outcomeOf(order);
        expect(outcome.fault ?? "bad_config").toBe("bad_config"); // a port of 99999 and the like
        expect(outcome.line ?? "p=").toMatch(/^p=[^\r\n,]*$/);
        expect(outcome.id ?? "p").toBe("p");
      }),
    );
  });

  it("is driven at once, and again after a restart of the bridge; its secret is its owner's alone", async () => {
    await using rig = makeRig("speed=30");
    const agent = await rig.connect();
    await agent.phase("idle");
    const order: Adopt = adoptSchema.parse({
      id: "second",
      kind: "moonraker",
      address: "127.0.0.1:1",
      secret: "hunter2-of-the-printer",
    });
    const ask = (adopt: Adopt) => agent.ask({ type: "adopt", id: "", adopt });
    expect((await ask(order)).type).toBe("accepted");
    expect((await ask(order)).type).toBe("refused");
    expect((await ask({ ...order, id: "third", address: "a b" })).type).toBe("refused");
    const kept = readFileSync(join(rig.dir, "bridge", "adopted"), "utf8");
    expect(kept).toBe("second=moonraker:127.0.0.1:1?key=hunter2-of-the-printer\n");
    rig.bridge().kill("SIGTERM");
    await new Promise((resolve) => rig.bridge().once("exit", resolve));
    rig.startBridge();
    const again = await rig.connect();
    await expect
      .poll(() => JSON.stringify(again.reports), { timeout: 20_000 })
      .toContain('"id":"second"');
    expect(JSON.stringify([agent.reports, again.reports])).not.toContain("hunter2");
  }, 60_000);
});
