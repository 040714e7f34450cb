// A Marlin as test equipment: bytes in, bytes out, in virtual time. It says in its banner that it
// is simulated. Pure: the shell (main.ts) gives it a pty, a clock and a log.
//
// SM1. Receive buffer of 128 bytes (when paced), queue of 4 lines, planner of 16 moves; flow control
//      is a late `ok`.
// SM2. Numbers as in queue.cpp: N and N-1 are dropped without a word; any other wrong number or sum
//      empties the receive buffer and asks for last + 1.
// SM3. After kill() nothing is answered until a reset.
// SM4. `executed` is the truth for tests: every command, in order, with the number it came under.

import { type Random, seededRandom } from "@gantry/shared/base/prng.ts";
import { BED, type Heater, type HeaterFault, makeHeater, NOZZLE } from "./heater.ts";
import { makeMachine, type Machine } from "./machine.ts";
import { makePlanner } from "./planner.ts";
import { checksumOf } from "../protocols/marlin-line.ts";
import { makeWire } from "./wire.ts";

export interface MarlinOptions {
  /** 0: not paced. */
  readonly baud: number;
  readonly isAdvancedOk: boolean;
  readonly hasEmergencyParser: boolean;
  /** Times faster than real heaters. */
  readonly heatFactor: number;
  readonly seed: number;
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number };
}

export const MARLIN_OPTIONS: MarlinOptions = {
  baud: 115_200,
  isAdvancedOk: true,
  hasEmergencyParser: true,
  heatFactor: 1,
  seed: 1,
  sizeMm: { x: 220, y: 220, z: 250 },
};

/** What a test may do to the printer; fields that are left out stay as they are. */
export interface Faults {
  readonly noisePpm?: number;
  /** So many next answers are swallowed. */
  readonly loseOks?: number;
  /** So many next line ends are swallowed on the way in. */
  readonly loseNewlines?: number;
  /** The next good line is answered with a Resend. */
  readonly forceResend?: boolean;
  /** Nothing is read or answered. */
  readonly isFrozen?: boolean;
  readonly isHeaterBroken?: boolean;
}

export interface MarlinStatus {
  readonly phase: "booting" | "running" | "killed";
  readonly nozzleC: number;
  readonly nozzleTargetC: number;
  readonly bedTargetC: number;
  readonly executed: number;
  readonly dropped: number;
}

export interface SimulatedMarlin {
  receive(bytes: Uint8Array, nowMs: number): void;
  /** Lets time pass up to `nowMs`; gives the bytes that have left the printer by then. */
  advance(nowMs: number): Uint8Array;
  /** Power on, or the reset button. */
  reset(nowMs: number, banner: string): void;
  fault(faults: Faults): void;
  /** Commands executed since the last call: `N5 G1 X1`, or `- M105` without a number. */
  takeExecuted(): string[];
  status(): MarlinStatus;
}

interface Queued {
  readonly number: number | undefined;
  readonly command: string;
}

type Wait =
  | { readonly kind: "until"; readonly atMs: number }
  | { readonly kind: "moves" }
  | { readonly kind: "heat"; readonly heater: Heater; readonly isCooling: boolean }
  | { readonly kind: "person" };

type Phase =
  | { readonly kind: "booting"; readonly untilMs: number; readonly banner: string }
  | { readonly kind: "running" }
  | { readonly kind: "killed" };

const RX_BYTES = 128;
const QUEUE_LINES = 4;
const LINE_BYTES = 95;
const BOOT_MS = 500;
const TICK_MS = 100;
/** What an 8-bit board needs for a line; an unpaced one is fast. */
const COMMAND_MS = 0.1;
const LF = 10;
const CR = 13;
const encoder = new TextEncoder();

export function makeSimulatedMarlin(options: MarlinOptions, nowMs: number): SimulatedMarlin {
  const random: Random = seededRandom(options.seed);
  let faults: Required<Faults> = {
    noisePpm: 0,
    loseOks: 0,
    loseNewlines: 0,
    forceResend: false,
    isFrozen: false,
    isHeaterBroken: false,
  };
  const bytesPerMs = options.baud / 10_000;
  const noisePpm = (): number => faults.noisePpm;
  const wireIn = makeWire({ bytesPerMs, random, noisePpm });
  const wireOut = makeWire({ bytesPerMs, random, noisePpm });
  const planner = makePlanner();
  let clockMs = nowMs;
  let phase: Phase = { kind: "booting", untilMs: nowMs + BOOT_MS, banner: "PowerUp" };
  let nozzle = makeHeater(NOZZLE, options.heatFactor);
  let bed = makeHeater(BED, options.heatFactor);
  let machine: Machine = makeMachine(options.sizeMm);
  let rx: number[] = [];
  let partial = "";
  let emergencyText = "";
  let queue: Queued[] = [];
  let current: { readonly queued: Queued; readonly sinceMs: number; wait: Wait } | undefined;
  let lastNumber = 0;
  let readyAtMs = nowMs;
  let nextTickMs = nowMs + TICK_MS;
  let busyEveryMs = 2_000;
  let nextBusyMs = 0;
  let reportEveryMs = 0;
  let nextReportMs = 0;
  let executedTotal = 0;
  let dropped = 0;
  let executed: string[] = [];

  const say = (text: string): void => wireOut.push(encoder.encode(`${text}\n`), clockMs);

  const heat = (): string =>
    `T:${heatText(nozzle)} B:${heatText(bed)} @:${nozzle.duty} B@:${bed.duty}`;

  function sayOk(queued: Queued | undefined): void {
    if (faults.loseOks > 0) {
      faults = { ...faults, loseOks: faults.loseOks - 1 };
      return;
    }
    if (queued?.command === "M105") {
      say(`ok ${heat()}`);
    } else if (!options.isAdvancedOk || queued === undefined) {
      say("ok");
    } else {
      const number = queued.number === undefined ? "" : ` N${queued.number}`;
      const planned = Math.max(0, planner.freeSlots(clockMs) - 1);
      say(`ok${number} P${planned} B${Math.max(0, QUEUE_LINES - 1 - queue.length)}`);
    }
  }

  function kill(why: string): void {
    say(`Error:${why}`);
    say("Error:Printer halted. kill() called!");
    say("//action:poweroff");
    phase = { kind: "killed" }; // SM3
    nozzle.setTarget(0);
    bed.setTarget(0);
    planner.clear();
    queue = [];
    current = undefined;
    rx = [];
  }

  /** SM2 */
  function lineError(why: string): void {
    say(`Error:${why}, Last Line: ${lastNumber}`);
    rx = [];
    partial = "";
    say(`Resend: ${lastNumber + 1}`);
    sayOk(undefined);
  }

  function enqueueLine(line: string): void {
    const semicolon = line.indexOf(";");
    const text = (semicolon === -1 ? line : line.slice(0, semicolon)).trim();
    if (text === "") return;
    const head = /^N(-?\d+)\s*/.exec(text);
    const star = text.lastIndexOf("*");
    const body = star === -1 ? text : text.slice(0, star);
    if (head === null) {
      queue.push({ number: undefined, command: body.trim() });
      return;
    }
    const command = body.slice(head[0].length).trim();
    const renumber = /^M110(?:\s*N(-?\d+))?/.exec(command);
    const number = Number(renumber?.[1] ?? head[1]);
    if (renumber === null && number !== lastNumber + 1) {
      if (number === lastNumber || number === lastNumber - 1) return;
      lineError("Line Number is not Last Line Number+1");
      return;
    }
    if (star === -1) {
      lineError("No Checksum with line number");
      return;
    }
    if (Number.parseInt(text.slice(star + 1), 10) !== checksumOf(body)) {
      lineError("checksum mismatch");
      return;
    }
    if (faults.forceResend) {
      faults = { ...faults, forceResend: false };
      lineError("checksum mismatch");
      return;
    }
    lastNumber = number;
    queue.push({ number, command });
  }

  function readLines(): void {
    while (queue.length < QUEUE_LINES && rx.length > 0) {
      const byte = rx.shift() ?? LF;
      if (byte !== LF && byte !== CR) {
        if (partial.length < LINE_BYTES) partial += String.fromCharCode(byte);
        continue;
      }
      const line = partial;
      partial = "";
      enqueueLine(line);
    }
  }

  function parseEmergency(byte: number): void {
    if (byte !== LF && byte !== CR) {
      if (emergencyText.length < 24) emergencyText += String.fromCharCode(byte);
      return;
    }
    const found = /^\s*(?:N-?\d+\s*)?M(108|112|410)(?!\d)/.exec(emergencyText);
    emergencyText = "";
    if (found?.[1] === "112") kill("M112 Shutdown");
    else if (found?.[1] === "410") planner.clear();
    else if (found?.[1] === "108") breakWait();
  }

  function breakWait(): void {
    if (current?.wait.kind === "heat" || current?.wait.kind === "person") finish();
  }

  function arrive(byte: number): void {
    if (phase.kind !== "running") return;
    if (byte === LF && faults.loseNewlines > 0) {
      faults = { ...faults, loseNewlines: faults.loseNewlines - 1 };
      return;
    }
    if (options.hasEmergencyParser) parseEmergency(byte);
    if (options.baud > 0 && rx.length >= RX_BYTES) dropped += 1; // SM1
    else rx.push(byte);
  }

  function finish(): void {
    if (current === undefined) return;
    const { queued } = current;
    current = undefined;
    readyAtMs = clockMs + (options.baud === 0 ? 0 : COMMAND_MS);
    sayOk(queued);
  }

  /** Starts the command at the head of the queue. */
  function execute(queued: Queued): void {
    const { number, command } = queued;
    executed.push(number === undefined ? `- ${command}` : `N${number} ${command}`); // SM4
    executedTotal += 1;
    nextBusyMs = clockMs + busyEveryMs;
    const wait = handle(command);
    if (phase.kind !== "running") return;
    current = { queued, sinceMs: clockMs, wait };
  }

  const NOW: Wait = { kind: "until", atMs: 0 };
  const MOVES: Wait = { kind: "moves" };

  function handle(command: string): Wait {
    const name = /^[GMT]\d+(?:\.\d+)?/.exec(command)?.[0] ?? "";
    const valueOf = (letter: string): number | undefined => {
      const found = new RegExp(`\\s?${letter}(-?[\\d.]+)`).exec(command.slice(name.length));
      return found === null ? undefined : Number(found[1]);
    };
    const heater = name === "M104" || name === "M109" ? nozzle : bed;
    switch (name) {
      case "G0":
      case "G1":
      case "G2":
      case "G3": {
        const move = machine.move(command, nozzle.nowC);
        if (move.isColdExtrusion) say("echo: cold extrusion prevented");
        const roomAtMs = planner.roomAtMs(clockMs);
        if (move.durationMs > 0) planner.add(move.durationMs, roomAtMs);
        return { kind: "until", atMs: roomAtMs };
      }
      case "G4":
        planner.add((valueOf("S") ?? 0) * 1_000 + (valueOf("P") ?? 0), clockMs);
        return MOVES;
      case "G28":
        planner.add(3_000, clockMs);
        machine.home(command);
        return MOVES;
      case "G29":
        planner.add(20_000, clockMs);
        return MOVES;
      case "M400":
        return MOVES;
      case "M104":
      case "M140":
        heater.setTarget(valueOf("S") ?? 0);
        return NOW;
      case "M109":
      case "M190": {
        const isCooling = valueOf("R") !== undefined;
        heater.setTarget(valueOf("R") ?? valueOf("S") ?? heater.targetC);
        return { kind: "heat", heater, isCooling };
      }
      case "M0":
      case "M1":
      case "M600":
        return { kind: "person" };
      case "M105":
        return NOW;
      case "M110":
        lastNumber = valueOf("N") ?? lastNumber;
        return NOW;
      case "M112":
        kill("M112 Shutdown");
        return NOW;
      case "M113":
        busyEveryMs = (valueOf("S") ?? 2) * 1_000;
        return NOW;
      case "M114":
        say(machine.positionText());
        return NOW;
      case "M115":
        for (const line of bannerLines(options)) say(line);
        return NOW;
      case "M155":
        reportEveryMs = (valueOf("S") ?? 0) * 1_000;
        nextReportMs = clockMs + reportEveryMs;
        return NOW;
      case "M410":
        planner.clear();
        return NOW;
      default:
        if (!machine.setMode(command)) say(`echo:Unknown command: "${command}"`);
        return NOW;
    }
  }

  function isOver(wait: Wait): boolean {
    switch (wait.kind) {
      case "until":
        return clockMs >= wait.atMs;
      case "moves":
        return planner.emptyAtMs(clockMs) <= clockMs;
      case "heat": {
        const { nowC, targetC } = wait.heater;
        return wait.isCooling ? Math.abs(nowC - targetC) < 1 : nowC >= targetC - 1;
      }
      case "person":
        return false;
    }
  }

  /** When the running command may end; undefined if only heat or a person can end it. */
  function waitEndsAtMs(): number | undefined {
    if (current === undefined) return queue.length > 0 ? Math.max(readyAtMs, clockMs) : undefined;
    if (current.wait.kind === "until") return Math.max(current.wait.atMs, clockMs);
    if (current.wait.kind === "moves") return planner.emptyAtMs(clockMs);
    return undefined;
  }

  function work(): void {
    if (phase.kind !== "running") return;
    readLines();
    if (current !== undefined && isOver(current.wait)) finish();
    if (current === undefined && clockMs >= readyAtMs) {
      const queued = queue.shift();
      if (queued !== undefined) {
        execute(queued);
        readLines();
      }
    }
  }

  function tick(): void {
    nextTickMs = clockMs + TICK_MS;
    if (phase.kind === "booting" && clockMs >= phase.untilMs) boot(phase.banner);
    for (const heater of [nozzle, bed]) {
      const found = heater.step(TICK_MS / 1_000, faults.isHeaterBroken && heater === nozzle);
      if (found !== undefined && phase.kind === "running") kill(protectionText(found));
    }
    if (phase.kind !== "running") return;
    if (current !== undefined && busyEveryMs > 0 && clockMs >= nextBusyMs) {
      say(`echo:busy: ${current.wait.kind === "person" ? "paused for user" : "processing"}`);
      nextBusyMs = clockMs + busyEveryMs;
    }
    if (reportEveryMs > 0 && clockMs >= nextReportMs) {
      say(` ${heat()}`);
      nextReportMs = clockMs + reportEveryMs;
    }
  }

  function boot(banner: string): void {
    phase = { kind: "running" };
    for (const line of [
      "start",
      banner,
      "Marlin simulated by Gantry",
      "echo: Last Updated: never",
    ]) {
      say(line);
    }
  }

  function reset(atMs: number, banner: string): void {
    clockMs = Math.max(clockMs, atMs);
    faults = { ...faults, isFrozen: false };
    phase = { kind: "booting", untilMs: clockMs + BOOT_MS, banner };
    wireIn.clear();
    planner.clear();
    nozzle.setTarget(0);
    bed.setTarget(0);
    machine = makeMachine(options.sizeMm);
    rx = [];
    partial = "";
    emergencyText = "";
    queue = [];
    current = undefined;
    lastNumber = 0;
    reportEveryMs = 0;
    busyEveryMs = 2_000;
  }

  function passTime(untilMs: number): void {
    for (;;) {
      const workAtMs = phase.kind === "running" ? waitEndsAtMs() : undefined;
      const nextMs = Math.min(wireIn.nextAtMs() ?? Infinity, workAtMs ?? Infinity, nextTickMs);
      if (nextMs > untilMs) break;
      clockMs = Math.max(clockMs, nextMs);
      const byte = wireIn.take(clockMs);
      if (byte !== undefined) arrive(byte);
      if (clockMs >= nextTickMs) tick();
      work();
    }
    clockMs = Math.max(clockMs, untilMs);
  }

  return {
    receive(bytes, atMs) {
      wireIn.push(bytes, atMs);
    },
    advance(atMs) {
      if (faults.isFrozen) {
        clockMs = Math.max(clockMs, atMs);
        nextTickMs = clockMs + TICK_MS;
      } else {
        passTime(atMs);
      }
      const out: number[] = [];
      for (let byte = wireOut.take(atMs); byte !== undefined; byte = wireOut.take(atMs))
        out.push(byte);
      return Uint8Array.from(out);
    },
    reset,
    fault(changes) {
      faults = { ...faults, ...changes };
    },
    takeExecuted() {
      const lines = executed;
      executed = [];
      return lines;
    },
    status: () => ({
      phase: phase.kind,
      nozzleC: nozzle.nowC,
      nozzleTargetC: nozzle.targetC,
      bedTargetC: bed.targetC,
      executed: executedTotal,
      dropped,
    }),
  };
}

const heatText = ({ nowC, targetC }: Heater): string => `${nowC.toFixed(2)} /${targetC.toFixed(2)}`;

const protectionText = (fault: HeaterFault): string =>
  fault === "Heating failed"
    ? "Heating failed, system stopped! Heater_ID: E0"
    : "Thermal Runaway, system stopped! Heater_ID: E0";

/** The answer to M115. MACHINE_TYPE is what the bridge knows test equipment by. */
function bannerLines({ sizeMm, isAdvancedOk, hasEmergencyParser }: MarlinOptions): string[] {
  const area = `min:{x:0.0000,y:0.0000,z:0.0000},max:{x:${sizeMm.x},y:${sizeMm.y},z:${sizeMm.z}}`;
  return [
    "FIRMWARE_NAME:Marlin 2.1 (simulated) SOURCE_CODE_URL:none PROTOCOL_VERSION:1.0 " +
      "MACHINE_TYPE:Gantry simulated printer EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000000",
    "Cap:SERIAL_XON_XOFF:0",
    "Cap:EEPROM:0",
    "Cap:AUTOREPORT_TEMP:1",
    "Cap:PROGRESS:0",
    `Cap:EMERGENCY_PARSER:${hasEmergencyParser ? 1 : 0}`,
    `Cap:ADVANCED_OK:${isAdvancedOk ? 1 : 0}`,
    "Cap:BUSY_PROTOCOL:1",
    `area:{full:{${area}},work:{${area}}}`,
  ];
}
