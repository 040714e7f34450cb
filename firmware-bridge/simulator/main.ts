// The simulated printer as a process of its own on a real pseudo terminal.
//
//   node firmware-bridge/bin/simulator.js DIR NAME [speed=20&noise=300&...]
//
// It owns DIR/NAME.tty (a link to the port), .pid, .ctl (a socket: one JSON object a line, see
// `Control`) and .log (each executed command, the tests' truth). It ends on SIGTERM, when DIR is
// removed, and when `exitWhenIdleS` passes without anybody at the port.

import { appendFileSync, existsSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { z } from "zod";
import { MARLIN_OPTIONS } from "./board.ts";
import { isAlive, simulatorFiles, type SimulatorFiles } from "./files.ts";
import { GRBL_OPTIONS, makeSimulatedGrbl, type SimulatedGrbl } from "./grbl.ts";
import { makeSimulatedMarlin, type SimulatedMarlin } from "./marlin.ts";
import { parseSimulatorOptions, type SimulatorOptions } from "./options.ts";
import { openPty, type Pty } from "./pty.ts";

const LF = 10;
const OPEN_TICK_MS = 1;
const IDLE_TICK_MS = 25;
const DIR_CHECK_MS = 1_000;
const LOG_BYTES_MAX = 33_554_432;
const SOCKET_PATH_MAX = 107;

const controlSchema = z.strictObject({
  noisePpm: z.number().optional(),
  badLinesPpm: z.number().optional(),
  loseOks: z.number().optional(),
  loseNewlines: z.number().optional(),
  forceResend: z.boolean().optional(),
  isFrozen: z.boolean().optional(),
  isHeaterBroken: z.boolean().optional(),
  /** Resets the board as its button does; the text is the banner, e.g. "External Reset". */
  reset: z.string().optional(),
});

/** Every line sent to the control socket is one of these; the answer is the status, one line. */
export type Control = z.infer<typeof controlSchema>;

/** Runs until it is ended; the process's exit status is the caller's. */
export function runSimulator(dir: string, name: string, query: string): void {
  const options = parseSimulatorOptions(query);
  const files = simulatorFiles(dir, name);
  if (isAlive(files.pid)) throw new Error(`${files.pid} belongs to a running simulator`);
  const pty = openPty();
  const now = (): number => performance.now() * options.speed;
  const marlin =
    options.machine === "grbl"
      ? makeGrblMachine(options, now)
      : makeSimulatedMarlin(marlinOptions(options), now());
  marlin.fault({ noisePpm: options.noise });
  writeFileSync(files.pid, `${process.pid}\n`);
  rmSync(files.tty, { force: true });
  symlinkSync(pty.path, files.tty);
  const server = serveControl(files.control, marlin, now);

  const end = (): void => {
    server?.close();
    for (const path of [files.tty, files.pid, files.control]) rmSync(path, { force: true });
    process.exit(0);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  live({ pty, marlin, now, options, files, dir, end });
}

/** A mill where the rest of this file expects a printer: what only a printer has does nothing. */
function makeGrblMachine({ baud, seed }: SimulatorOptions, now: () => number): SimulatedMarlin {
  const make = (): SimulatedGrbl => makeSimulatedGrbl({ ...GRBL_OPTIONS, baud, seed }, now());
  let grbl = make();
  let count = 0;
  return {
    receive: (bytes, nowMs) => grbl.receive(bytes, nowMs),
    advance: (nowMs) => grbl.advance(nowMs),
    reset() {
      grbl = make();
    },
    fault({ loseOks, isFrozen }) {
      if (loseOks !== undefined) grbl.loseOks(loseOks);
      if (isFrozen === true) grbl.freeze();
    },
    takeExecuted() {
      const lines = grbl.takeExecuted();
      count += lines.length;
      return lines.map((line) => `- ${line}`);
    },
    status: () => ({
      phase: grbl.state === "Alarm" ? "killed" : "running",
      nozzleC: 0,
      nozzleTargetC: 0,
      bedTargetC: 0,
      executed: count,
      dropped: grbl.dropped,
    }),
  };
}

interface Life {
  readonly pty: Pty;
  readonly marlin: SimulatedMarlin;
  readonly now: () => number;
  readonly options: SimulatorOptions;
  readonly files: SimulatorFiles;
  readonly dir: string;
  readonly end: () => void;
}

/** The loop: bytes in at once, time every millisecond while somebody has the port. */
function live({ pty, marlin, now, options, files, dir, end }: Life): void {
  let isOpen = false;
  let closedAtMs = performance.now();
  let checkedAtMs = performance.now();

  let isOtherRate = false;

  /** What a port at another speed makes of the bytes. */
  const heard = (bytes: Uint8Array): Uint8Array =>
    isOtherRate ? bytes.map((byte) => (byte % 7 === 0 ? LF : (byte * 167) & 0xff)) : bytes;

  function step(): void {
    isOtherRate = options.rate > 0 && pty.rate() !== options.rate;
    pty.write(heard(marlin.advance(now())));
    const executed = marlin.takeExecuted();
    if (executed.length > 0) log(files.log, executed);
  }

  function onOpened(): void {
    isOpen = true;
    if (options.dtr) marlin.reset(now(), "External Reset");
    const onBytes = (bytes: Uint8Array): void => {
      marlin.receive(heard(bytes), now());
      step();
    };
    pty.read(onBytes, () => {
      isOpen = false;
      closedAtMs = performance.now();
    });
  }

  function tick(): void {
    if (!isOpen && pty.isOpen()) onOpened();
    step();
    const realMs = performance.now();
    const isIdleFor = isOpen ? 0 : (realMs - closedAtMs) / 1_000;
    if (options.exitWhenIdleS > 0 && isIdleFor > options.exitWhenIdleS) end();
    if (realMs - checkedAtMs > DIR_CHECK_MS) {
      checkedAtMs = realMs;
      if (!existsSync(dir)) end();
    }
    setTimeout(tick, isOpen ? OPEN_TICK_MS : IDLE_TICK_MS);
  }
  tick();
}

function marlinOptions(options: SimulatorOptions): typeof MARLIN_OPTIONS {
  return {
    ...MARLIN_OPTIONS,
    baud: options.baud,
    isAdvancedOk: options.advanced,
    hasEmergencyParser: options.emergency,
    heatFactor: options.heat,
    seed: options.seed,
  };
}

function log(path: string, lines: readonly string[]): void {
  try {
    appendFileSync(path, `${lines.join("\n")}\n`);
    if (statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  } catch {
    // The folder is being removed; the next check ends the process.
  }
}

function serveControl(
  path: string,
  marlin: SimulatedMarlin,
  now: () => number,
): Server | undefined {
  if (path.length > SOCKET_PATH_MAX) return undefined;
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    let held = "";
    socket.setEncoding("utf8");
    socket.on("error", () => socket.destroy());
    socket.on("data", (text: string) => {
      held += text;
      const lines = held.split("\n");
      held = (lines.pop() ?? "").slice(0, 4_096);
      for (const line of lines) socket.write(`${JSON.stringify(control(line, marlin, now()))}\n`);
    });
  });
  return server.listen(path);
}

function control(line: string, marlin: SimulatedMarlin, nowMs: number): unknown {
  try {
    const { reset, ...faults } = controlSchema.parse(JSON.parse(line));
    // Absent and undefined are the same on this wire.
    marlin.fault(
      Object.fromEntries(Object.entries(faults).filter(([, value]) => value !== undefined)),
    );
    if (reset !== undefined) marlin.reset(nowMs, reset);
    return marlin.status();
  } catch (error) {
    return { error: String(error) };
  }
}
