// Test equipment: the simulated printers of the exam, each behind the door of its protocol.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bambuPrinter } from "../adapters/bambu.ts";
import { makeCheckPeer } from "../adapters/pins.ts";
import { openSimulatedBambu } from "../simulator/network/bambu.ts";
import {
  SIMULATED_BAMBU,
  SIMULATED_SERIAL,
} from "../simulator/network/certificates.test.support.ts";
import { moonrakerPrinter } from "../adapters/moonraker.ts";
import { octoprintPrinter } from "../adapters/octoprint.ts";
import { prusalinkPrinter } from "../adapters/prusalink.ts";
import type { Cable, CableEvents, RemotePrinter } from "../ports.ts";
import { MARLIN_OPTIONS } from "../simulator/board.ts";
import { makeSimulatedMarlin } from "../simulator/marlin.ts";
import { type NetworkFaults, type SimulatedDevice } from "../simulator/network/faults.ts";
import { type FilePrinter, makeFilePrinter } from "../simulator/network/file-printer.ts";
import { openSimulatedMoonraker } from "../simulator/network/moonraker.ts";
import { openSimulatedOctoprint } from "../simulator/network/octoprint.ts";
import { openSimulatedPrusalink } from "../simulator/network/prusalink.ts";
import { GRBL_OPTIONS, makeSimulatedGrbl } from "../simulator/grbl.ts";
import { makeDriver } from "./driver.ts";
import { type Examinee, type ExamDevice, fastClock, PRINTER } from "./exam.test.support.ts";
import { makeGrblDriver } from "./grbl-driver.ts";
import { makeRemoteDriver } from "./remote-driver.ts";

const LIMITS = {
  id: PRINTER,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
  chamberMaxC: 0,
  marginMm: 0,
};

const KEY = "key-hunter2-of-the-printer";

/** Who holds the file prints on, whatever becomes of the line to it. */
const REMOTE_ENDS = {
  disconnect: "done",
  hang: "done",
  garble: "done",
  failPrint: "failed",
  restart: "interrupted",
  crash: "done",
  refuse: "failed",
  lostAnswer: "done",
} as const;

/** A printer that is fed line by line is lost with the line. */
const MARLIN_ENDS = {
  disconnect: "interrupted",
  hang: "interrupted",
  garble: "done",
  failPrint: "failed",
  restart: "interrupted",
  crash: "interrupted",
  refuse: "done",
  lostAnswer: "done",
} as const;

/** Without numbers or sums nobody can say which line it was that had no answer. */
const GRBL_ENDS = { ...MARLIN_ENDS, refuse: "failed", lostAnswer: "interrupted" } as const;

const CUTS = Array.from(
  { length: 400 },
  (_, i) => `G1 X${50 + (i % 40)} Y${50 + ((i * 3) % 40)} F3000`,
);

export const EXAMINEES: readonly Examinee[] = [
  { driver: "marlin", ends: MARLIN_ENDS, secrets: [], open: openMarlin },
  {
    driver: "grbl",
    ends: GRBL_ENDS,
    secrets: [],
    program: ["G21", "G90", "M3 S1000", ...CUTS, "M5"],
    unfit: { lines: ["$130=999"], code: "gcode_invalid" },
    open: openGrbl,
  },
  {
    driver: "moonraker",
    ends: { ...REMOTE_ENDS, restart: "interrupted" },
    secrets: [KEY],
    async open() {
      const printer = makeFilePrinter();
      const device = await openSimulatedMoonraker(printer, KEY);
      const base = new URL(`http://${device.address}`);
      const remote = moonrakerPrinter({ base, key: KEY, clock: fastClock });
      return remoteDevice(remote, printer, device, () => device.restartKlipper());
    },
  },
  {
    driver: "octoprint",
    ends: REMOTE_ENDS,
    secrets: [KEY],
    async open() {
      const printer = makeFilePrinter();
      const device = await openSimulatedOctoprint(printer, KEY);
      const base = new URL(`http://${device.address}`);
      const remote = octoprintPrinter({ base, key: KEY, clock: fastClock });
      return remoteDevice(remote, printer, device, () => printer.powerCycle());
    },
  },
  {
    driver: "prusalink",
    ends: REMOTE_ENDS,
    secrets: [KEY],
    async open() {
      const printer = makeFilePrinter();
      const owner = { user: "maker", password: KEY };
      const device = await openSimulatedPrusalink(printer, { ...owner, usesMax: 7 });
      const base = new URL(`http://${device.address}`);
      const auth = { kind: "digest", ...owner } as const;
      const remote = prusalinkPrinter({ base, auth, clock: fastClock });
      return remoteDevice(remote, printer, device, () => printer.powerCycle());
    },
  },
  {
    driver: "bambu",
    ends: REMOTE_ENDS,
    secrets: [KEY],
    async open() {
      const printer = makeFilePrinter();
      const device = await openSimulatedBambu(printer, KEY, SIMULATED_BAMBU);
      const folder = mkdtempSync(join(tmpdir(), "gantry-pin-"));
      const checkPeer = makeCheckPeer({
        serial: SIMULATED_SERIAL,
        fingerprint: undefined,
        path: join(folder, "pin"),
      });
      const remote = bambuPrinter({
        host: "127.0.0.1",
        serial: SIMULATED_SERIAL,
        code: KEY,
        hasAms: false,
        checkPeer,
        clock: fastClock,
        mqttPort: Number(device.address.split(":")[1]),
        ftpsPort: device.ftpsPort,
      });
      const exam = remoteDevice(remote, printer, device, () => printer.powerCycle());
      return {
        ...exam,
        isHalted: () => printer.state() === "cancelled", // it knows no harder stop
        async close() {
          await exam.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  },
];

/** A printer on the network, as the exam holds it. */
export function remoteDevice(
  remote: RemotePrinter,
  printer: FilePrinter,
  device: SimulatedDevice,
  restart: () => void,
): ExamDevice {
  const faults: NetworkFaults = device.faults;
  return {
    driver: (ports) => makeRemoteDriver(LIMITS, { ...ports, remote }),
    begins: () => printer.starts.length,
    isUnderWay: () => printer.state() === "printing",
    isHalted: () => printer.halts() > 0,
    finish() {
      printer.advance(0.5);
      printer.finish();
    },
    disconnect: () => device.disconnect(),
    hang(isHung) {
      faults.isHung = isHung;
    },
    garble() {
      faults.garbage = 3;
      printer.advance(0.3);
    },
    failPrint: () => printer.fail("The nozzle is clogged"),
    restart() {
      restart();
      device.disconnect();
    },
    repeatItself() {
      faults.isRepeating = true;
    },
    loseNextAnswer() {
      faults.loseAnswers = 1;
    },
    refuseNext() {
      faults.refuse = 1;
    },
    close: () => device.close(),
  };
}

const lineOf = (command: string) => (line: string) => line.endsWith(` ${command}`);

/** Marlin on a cable in memory; its time is the exam's clock, fast-forwarded by `finish`. */
function openMarlin(): Promise<ExamDevice> {
  let skippedMs = 0;
  const now = (): number => fastClock.monotonic() + skippedMs;
  const marlin = makeSimulatedMarlin({ ...MARLIN_OPTIONS, baud: 0 }, now());
  const executed: string[] = [];
  let open: CableEvents | undefined;
  let isFinishing = false;
  const timer = setInterval(() => {
    if (isFinishing) skippedMs += 200;
    step();
  }, 2);

  function step(): void {
    const bytes = marlin.advance(now());
    executed.push(...marlin.takeExecuted());
    if (bytes.length > 0) open?.onBytes(bytes);
  }
  function unplug(): void {
    const events = open;
    open = undefined;
    events?.onClosed("unplugged");
  }
  const cableOf = (events: CableEvents): Cable => {
    open = events;
    marlin.reset(now(), "External Reset"); // as DTR does
    const write = (text: string): void => {
      if (open === events) marlin.receive(Buffer.from(text, "latin1"), now());
    };
    return {
      write,
      urgent: write,
      pulseReset: () => Promise.resolve(marlin.reset(now(), "External Reset")),
      close: () => {
        if (open === events) open = undefined;
        return Promise.resolve();
      },
    };
  };
  return Promise.resolve({
    driver: (ports) =>
      makeDriver(
        { ...LIMITS, cable: { kind: "sim", query: "" }, baud: 115_200 },
        { ...ports, openCable: (events) => Promise.resolve(cableOf(events)) },
      ),
    begins: () => executed.filter((line) => line.startsWith("N")).filter(lineOf("G28")).length,
    isUnderWay: () => executed.some(lineOf("G1 X59 Y77 F3000")), // the tenth move
    isHalted: () => marlin.status().phase === "killed",
    finish() {
      isFinishing = true;
    },
    disconnect: unplug,
    hang: (isFrozen) => marlin.fault({ isFrozen }),
    garble: () => open?.onBytes(Buffer.from("\u0007{]<<<not what you think>>>\n", "latin1")),
    failPrint: () => marlin.receive(Buffer.from("\nM112\n"), now()), // its own stop button
    restart: () => marlin.reset(now(), "Brown out Reset"),
    repeatItself: () => open?.onBytes(Buffer.from("echo:busy: processing\n T:20 /0\n T:20 /0\n")),
    loseNextAnswer: () => marlin.fault({ loseOks: 1 }),
    refuseNext: () => marlin.fault({ forceResend: true }),
    close() {
      clearInterval(timer);
      return Promise.resolve();
    },
  });
}

/** A mill on a cable in memory. Opening it resets nothing, as on a board with its own USB. */
function openGrbl(): Promise<ExamDevice> {
  let skippedMs = 0;
  const now = (): number => fastClock.monotonic() + skippedMs;
  const make = () => makeSimulatedGrbl({ ...GRBL_OPTIONS, baud: 0 }, now());
  let grbl = make();
  const executed: string[] = [];
  let open: CableEvents | undefined;
  let isFinishing = false;
  let isHung = false;
  const timer = setInterval(() => {
    if (isFinishing) skippedMs += 200;
    const bytes = grbl.advance(now());
    executed.push(...grbl.takeExecuted());
    if (bytes.length > 0 && !isHung) open?.onBytes(bytes);
  }, 2);
  const say = (text: string): void => open?.onBytes(Buffer.from(`${text}\r\n`, "latin1"));
  const cableOf = (events: CableEvents): Cable => {
    open = events;
    const write = (text: string): void => {
      if (open === events && !isHung) grbl.receive(Buffer.from(text, "latin1"), now());
    };
    return {
      write,
      urgent: write,
      pulseReset: () => Promise.resolve(),
      close: () => {
        if (open === events) open = undefined;
        return Promise.resolve();
      },
    };
  };
  return Promise.resolve({
    driver: (ports) =>
      makeGrblDriver(
        { ...LIMITS, cable: { kind: "sim", query: "" }, baud: 115_200, firmware: "grbl" },
        { ...ports, openCable: (events) => Promise.resolve(cableOf(events)) },
      ),
    begins: () => executed.filter((line) => line === "M3S1000").length,
    isUnderWay: () => executed.includes("G1X59Y77F3000"), // the tenth cut
    isHalted: () => grbl.state === "Alarm",
    finish() {
      isFinishing = true;
    },
    disconnect() {
      const events = open;
      open = undefined;
      events?.onClosed("unplugged");
    },
    hang(hangs) {
      isHung = hangs;
    },
    garble: () => say("\u0007{]<<<not what you think>>>"),
    failPrint: () => grbl.trip(),
    restart() {
      grbl = make();
    },
    repeatItself() {
      say("[MSG:Pgm End]");
      say("[MSG:Pgm End]");
    },
    loseNextAnswer: () => grbl.loseOks(1),
    refuseNext: () => grbl.refuse(1),
    close() {
      clearInterval(timer);
      return Promise.resolve();
    },
  });
}
