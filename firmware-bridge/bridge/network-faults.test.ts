// What only some of the printers on the network have: keys that are wrong, certificates of somebody
// else, firmware that wants signatures, and facts beside the print.

import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { bambuPrinter } from "../adapters/bambu.ts";
import { moonrakerPrinter } from "../adapters/moonraker.ts";
import { octoprintPrinter } from "../adapters/octoprint.ts";
import { makeCheckPeer } from "../adapters/pins.ts";
import { prusalinkPrinter } from "../adapters/prusalink.ts";
import type { RemotePrinter } from "../ports.ts";
import { openSimulatedBambu, type SimulatedBambu } from "../simulator/network/bambu.ts";
import {
  IMPOSTOR_TLS,
  SIMULATED_BAMBU,
  SIMULATED_SERIAL,
} from "../simulator/network/certificates.test.support.ts";
import type { SimulatedDevice } from "../simulator/network/faults.ts";
import { type FilePrinter, makeFilePrinter } from "../simulator/network/file-printer.ts";
import { openSimulatedMoonraker } from "../simulator/network/moonraker.ts";
import { openSimulatedOctoprint } from "../simulator/network/octoprint.ts";
import { openSimulatedPrusalink } from "../simulator/network/prusalink.ts";
import {
  type ExamDevice,
  type Examinee,
  fastClock,
  makeExamRig,
  until,
} from "./exam.test.support.ts";
import { remoteDevice } from "./examinees.test.support.ts";

const RIGHT = "right-key-of-the-printer";
const WRONG = "wrong-hunter2-key";

interface Door {
  readonly device: SimulatedDevice;
  readonly remote: RemotePrinter;
}

function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "gantry-net-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const bambuOf = (device: SimulatedBambu, code: string, pin: string, address = device.address) =>
  bambuPrinter({
    host: "127.0.0.1",
    serial: SIMULATED_SERIAL,
    code,
    hasAms: false,
    checkPeer: makeCheckPeer({ serial: SIMULATED_SERIAL, fingerprint: undefined, path: pin }),
    clock: fastClock,
    mqttPort: Number(address.split(":")[1]),
    ftpsPort: device.ftpsPort,
  });

const baseOf = ({ address }: SimulatedDevice): URL => new URL(`http://${address}`);
const clock = fastClock;

/** With a key of ours. */
const DOORS: Readonly<
  Record<string, (printer: FilePrinter, key: string, dir: string) => Promise<Door>>
> = {
  async moonraker(printer, key) {
    const device = await openSimulatedMoonraker(printer, RIGHT);
    return { device, remote: moonrakerPrinter({ base: baseOf(device), key, clock }) };
  },
  async octoprint(printer, key) {
    const device = await openSimulatedOctoprint(printer, RIGHT);
    return { device, remote: octoprintPrinter({ base: baseOf(device), key, clock }) };
  },
  async prusalink(printer, password) {
    const device = await openSimulatedPrusalink(printer, {
      user: "maker",
      password: RIGHT,
      usesMax: 9,
    });
    const auth = { kind: "digest", user: "maker", password } as const;
    return { device, remote: prusalinkPrinter({ base: baseOf(device), auth, clock }) };
  },
  async bambu(printer, code, dir) {
    const device = await openSimulatedBambu(printer, RIGHT, SIMULATED_BAMBU);
    return { device, remote: bambuOf(device, code, join(dir, "pin")) };
  },
};

/** A printer of this kind for the exam's rig. */
function examinee(
  driver: string,
  key: string,
  dir: string,
  printer: FilePrinter,
): Examinee & { door(): Door } {
  let door: Door | undefined;
  return {
    driver,
    ends: {
      disconnect: "done",
      hang: "done",
      garble: "done",
      failPrint: "failed",
      restart: "interrupted",
      crash: "done",
      refuse: "failed",
      lostAnswer: "done",
    },
    secrets: [key],
    async open(): Promise<ExamDevice> {
      const opened = DOORS[driver];
      if (opened === undefined) throw new Error(`no door ${driver}`);
      door = await opened(printer, key, dir);
      return remoteDevice(door.remote, printer, door.device, () => printer.powerCycle());
    },
    door() {
      if (door === undefined) throw new Error("not open");
      return door;
    },
  };
}

describe.concurrent("printers on the network", () => {
  it.each(Object.keys(DOORS))("%s: says that a key is wrong, and not the key", async (driver) => {
    using dir = folder();
    await using rig = await makeExamRig(examinee(driver, WRONG, dir.path, makeFilePrinter()));
    const said = await until("a word about the key", () =>
      rig.logged.find((line) => line.includes("unauthenticated")),
    );
    expect(said).toContain("does not take our");
    expect(rig.port().printer().phase).not.toBe("idle");
    expect(rig.logged.join()).not.toContain(WRONG);
  });

  it.each(Object.keys(DOORS))(
    "%s: a print that somebody began at the printer is left alone",
    async (driver) => {
      using dir = folder();
      const printer = makeFilePrinter();
      printer.files.set("theirs.gcode", { bytes: Buffer.from("G28") });
      printer.begin("theirs.gcode");
      await using rig = await makeExamRig(examinee(driver, RIGHT, dir.path, printer));
      const shown = await rig.phase("printing");
      expect(shown.job).toBeUndefined();
      await expect(rig.port().start(rig.order("j1"))).rejects.toMatchObject({ code: "conflict" });
      printer.finish();
      await rig.phase("idle");
      expect(printer.starts).toEqual(["theirs.gcode"]);
      expect(rig.told).toEqual([]);
    },
  );

  it.each(Object.keys(DOORS))(
    "%s: what was checked is, byte for byte, what is printed",
    async (driver) => {
      using dir = folder();
      const printer = makeFilePrinter();
      await using rig = await makeExamRig(examinee(driver, RIGHT, dir.path, printer));
      await rig.phase("idle");
      const lines = [
        "G28",
        ...Array.from({ length: 20_000 }, (_, i) => `G1 X${i % 200} Y${i % 100}.5 F3000`),
      ];
      await rig.port().start(rig.order("j1", 1, lines));
      await until("the print to begin", () => printer.starts.length > 0);
      const stored = printer.files.get(printer.starts[0] ?? "")?.bytes ?? Buffer.alloc(0);
      expect(stored.includes(`${lines.join("\n")}\n`)).toBe(true);
    },
  );

  it.each([
    ["moonraker", "done", undefined],
    ["octoprint", "failed", "gcode_invalid"],
  ] as const)("%s: a file with Klipper's macros is %s", async (driver, end, code) => {
    using dir = folder();
    const printer = makeFilePrinter();
    await using rig = await makeExamRig(examinee(driver, RIGHT, dir.path, printer));
    await rig.phase("idle");
    const lines = ["PRINT_START EXTRUDER_TEMP=215 BED_TEMP=60", "G28", "G1 X10 Y10 F3000"];
    await rig.port().start(rig.order("j1", 1, lines));
    const isOver = (): boolean => rig.told.some(({ phase }) => phase === "failed");
    await until("a start or an end", () => printer.starts.length > 0 || isOver());
    printer.finish();
    const row = await rig.job("j1", end);
    expect(row.error?.code).toBe(code);
  });

  it("a Klipper tells its size, its outlets and its camera", async () => {
    using dir = folder();
    await using rig = await makeExamRig(examinee("moonraker", RIGHT, dir.path, makeFilePrinter()));
    expect(await rig.phase("idle")).toMatchObject({
      firmware: "Klipper v0-simulated",
      sizeMm: { x: 250, y: 210, z: 220 },
      power: [{ name: "mains", isOn: true }],
      webcamUrl: "http://127.0.0.1/webcam/?action=stream",
      temperatures: { nozzleC: 24.5, nozzleTargetC: 0 },
    });
  });

  it("a Klipper that shuts down in the middle fails the job, and is used again after a reset", async () => {
    using dir = folder();
    const printer = makeFilePrinter();
    await using rig = await makeExamRig(examinee("moonraker", RIGHT, dir.path, printer));
    await rig.phase("idle");
    await rig.port().start(rig.order("j1"));
    await until("the print to begin", () => printer.starts.length > 0);
    await until("it to be seen", () => rig.port().printer().temperatures?.nozzleTargetC === 200);
    printer.halt();
    expect(await rig.job("j1", "failed")).toMatchObject({
      error: { code: "device_fault", message: "Shutdown by an emergency stop" },
    });
    await rig.phase("fault");
    expect(rig.port().reset()).toBeUndefined();
    await rig.phase("idle");
  });

  it("a Bambu tells its spools and its health messages", async () => {
    using dir = folder();
    await using rig = await makeExamRig(examinee("bambu", RIGHT, dir.path, makeFilePrinter()));
    expect(await rig.phase("idle")).toMatchObject({
      notices: ["HMS 0700-2000-0002-0001"],
      materials: [
        { slot: "1-1", material: "PLA", color: "FF6A13", remaining: 0.8, isActive: false },
        { slot: "1-2", material: "PETG", color: "000000", isActive: true },
      ],
    });
  });

  it("a Bambu that wants signed commands says what its owner must turn on (BA3)", async () => {
    using dir = folder();
    const kind = examinee("bambu", RIGHT, dir.path, makeFilePrinter());
    await using rig = await makeExamRig(kind);
    await rig.phase("idle");
    (kind.door().device as SimulatedBambu).wantSigned(); // it was opened as one
    await rig.port().start(rig.order("j1"));
    expect(await rig.job("j1", "failed")).toMatchObject({
      error: { code: "device_fault", message: expect.stringContaining("developer mode") },
    });
  });

  it("a Bambu's access code goes to no other machine that has its address (PI1, BB3)", async () => {
    using dir = folder();
    const pin = join(dir.path, "pin");
    const device = await openSimulatedBambu(makeFilePrinter(), RIGHT, SIMULATED_BAMBU);
    const events = { onStatus: () => undefined, onClosed: () => undefined };
    const signal = new AbortController().signal;
    const session = await bambuOf(device, RIGHT, pin).open(events, signal); // the first one is learned
    await session.close();
    const heard: Buffer[] = [];
    const impostor = createServer({ ...IMPOSTOR_TLS }, (socket) => {
      socket.on("data", (bytes: Buffer) => heard.push(bytes));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
    const { port } = impostor.address() as AddressInfo; // a TCP server's address has a port
    const other = bambuOf(device, RIGHT, pin, `127.0.0.1:${port}`);
    await expect(other.open(events, signal)).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining("another certificate"),
    });
    await new Promise<void>((resolve) => impostor.close(() => resolve()));
    expect(heard).toEqual([]);
    await device.close();
  });
});
