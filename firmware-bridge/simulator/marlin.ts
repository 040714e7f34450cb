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
import type { MarlinOptions } from "./board.ts";
import { type Board, carryOut } from "./commands.ts";
import { type Faults, makeFaultBox } from "./faults.ts";
import { BED, type Heater, type HeaterFault, makeHeater, NOZZLE } from "./heater.ts";
import { makeLineReader, QUEUE_LINES, type Queued } from "./line-reader.ts";
import { makeMachine, type Machine } from "./machine.ts";
import { makePlanner } from "./planner.ts";
import { endsAtMs, isOver, type Wait } from "./wait.ts";
import { makeWire } from "./wire.ts";

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

type Phase =
  | { readonly kind: "booting"; readonly untilMs: number; readonly banner: string }
  | { readonly kind: "running" }
  | { readonly kind: "killed" };

const BOOT_MS = 500;
const TICK_MS = 100;
const BUSY_EVERY_MS = 2_000;
/** What an 8-bit board needs for a line; an unpaced one is fast. */
const COMMAND_MS = 0.1;
const encoder = new TextEncoder();

export function makeSimulatedMarlin(options: MarlinOptions, nowMs: number): SimulatedMarlin {
  const random: Random = seededRandom(options.seed);
  const faults = makeFaultBox();
  const bytesPerMs = options.baud / 10_000;
  const noisePpm = (): number => faults.now.noisePpm;
  const wireIn = makeWire({ bytesPerMs, random, noisePpm });
  const wireOut = makeWire({ bytesPerMs, random, noisePpm });
  const planner = makePlanner();
  const nozzle = makeHeater(NOZZLE, options.heatFactor);
  const bed = makeHeater(BED, options.heatFactor);
  let clockMs = nowMs;
  let phase: Phase = { kind: "booting", untilMs: nowMs + BOOT_MS, banner: "PowerUp" };
  let machine: Machine = makeMachine(options.sizeMm);
  let current: { readonly queued: Queued; readonly wait: Wait } | undefined;
  let readyAtMs = nowMs;
  let nextTickMs = nowMs + TICK_MS;
  let busyEveryMs = BUSY_EVERY_MS;
  let nextBusyMs = 0;
  let reportEveryMs = 0;
  let nextReportMs = 0;
  let executedTotal = 0;
  let executed: string[] = [];

  const say = (text: string): void => wireOut.push(encoder.encode(`${text}\n`), clockMs);

  const reader = makeLineReader({
    faults,
    random,
    hasSmallBuffer: options.baud > 0,
    hasEmergencyParser: options.hasEmergencyParser,
    say,
    sayBareOk: () => sayOk(undefined),
    onEmergency(command) {
      if (command === "M112") kill("M112 Shutdown");
      else if (command === "M410") planner.clear();
      else breakWait();
    },
  });

  const board: Board = {
    options,
    nozzle,
    bed,
    planner,
    machine: () => machine,
    nowMs: () => clockMs,
    say,
    kill,
    renumber: (number) => reader.renumber(number),
    sayBusyEvery(everyMs) {
      busyEveryMs = everyMs;
    },
    reportEvery(everyMs) {
      reportEveryMs = everyMs;
      nextReportMs = clockMs + everyMs;
    },
  };

  // --- answers ---

  const heat = (): string =>
    `T:${heatText(nozzle)} B:${heatText(bed)} @:${nozzle.duty} B@:${bed.duty}`;

  function sayOk(queued: Queued | undefined): void {
    if (faults.spend("loseOks")) return;
    if (queued?.command === "M105") {
      say(`ok ${heat()}`);
    } else if (!options.isAdvancedOk || queued === undefined) {
      say("ok");
    } else {
      const number = queued.number === undefined ? "" : ` N${queued.number}`;
      const planned = Math.max(0, planner.freeSlots(clockMs) - 1);
      say(`ok${number} P${planned} B${Math.max(0, QUEUE_LINES - 1 - reader.waiting())}`);
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
    current = undefined;
    reader.clear();
  }

  // --- commands ---

  function breakWait(): void {
    if (current?.wait.kind === "person" && current.queued.command.startsWith("M600")) {
      say("//action:prompt_end");
    }
    if (current?.wait.kind === "heat" || current?.wait.kind === "person") finish();
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
    const wait = carryOut(command, board);
    if (phase.kind !== "running") return;
    current = { queued, wait };
  }

  /** When there is something to do next; undefined if only heat, a person or a byte can end it. */
  function workAtMs(): number | undefined {
    if (phase.kind !== "running") return undefined;
    if (current !== undefined) return endsAtMs(current.wait, planner, clockMs);
    return reader.waiting() > 0 ? Math.max(readyAtMs, clockMs) : undefined;
  }

  function work(): void {
    if (phase.kind !== "running") return;
    reader.read();
    if (current !== undefined && isOver(current.wait, planner, clockMs)) finish();
    if (current === undefined && clockMs >= readyAtMs) {
      const queued = reader.take();
      if (queued !== undefined) {
        execute(queued);
        reader.read();
      }
    }
  }

  // --- time ---

  function tick(): void {
    nextTickMs = clockMs + TICK_MS;
    if (phase.kind === "booting" && clockMs >= phase.untilMs) boot(phase.banner);
    for (const heater of [nozzle, bed]) {
      const found = heater.step(TICK_MS / 1_000, faults.now.isHeaterBroken && heater === nozzle);
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
    faults.change({ isFrozen: false });
    phase = { kind: "booting", untilMs: clockMs + BOOT_MS, banner };
    wireIn.clear();
    planner.clear();
    nozzle.setTarget(0);
    bed.setTarget(0);
    machine = makeMachine(options.sizeMm);
    reader.reset();
    current = undefined;
    reportEveryMs = 0;
    busyEveryMs = BUSY_EVERY_MS;
  }

  function passTime(untilMs: number): void {
    for (;;) {
      const nextMs = Math.min(wireIn.nextAtMs() ?? Infinity, workAtMs() ?? Infinity, nextTickMs);
      if (nextMs > untilMs) break;
      clockMs = Math.max(clockMs, nextMs);
      const byte = wireIn.take(clockMs);
      if (byte !== undefined && phase.kind === "running") reader.arrive(byte);
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
      if (faults.now.isFrozen) {
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
    fault: (changes) => faults.change(changes),
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
      dropped: reader.dropped(),
    }),
  };
}

const heatText = ({ nowC, targetC }: Heater): string => `${nowC.toFixed(2)} /${targetC.toFixed(2)}`;

const protectionText = (fault: HeaterFault): string =>
  fault === "Heating failed"
    ? "Heating failed, system stopped! Heater_ID: E0"
    : "Thermal Runaway, system stopped! Heater_ID: E0";
