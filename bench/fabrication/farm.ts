// Simulated Marlins as a process of their own, each on its own pseudo terminal: the far end of every
// measurement of bench/fabrication.ts. Orders come and answers go over the channel of fork().
//
// Wall-clock times are milliseconds since the epoch, from the monotonic clock: two processes of one
// machine agree on them to some microseconds.

import { MARLIN_OPTIONS, type MarlinOptions } from "../../firmware-bridge/simulator/board.ts";
import type { Faults } from "../../firmware-bridge/simulator/faults.ts";
import {
  makeSimulatedMarlin,
  type SimulatedMarlin,
} from "../../firmware-bridge/simulator/marlin.ts";
import { openPty, type Pty } from "../../firmware-bridge/simulator/pty.ts";

export interface FarmOptions {
  readonly count: number;
  readonly marlin: Partial<MarlinOptions>;
  /** Between two looks at the clock; under 1 the process sleeps in between, which no timer can. */
  readonly tickMs: number;
  /** Opening a port resets its board, as DTR does. */
  readonly hasDtr: boolean;
}

export type FarmOrder =
  | { readonly kind: "fault"; readonly index: number; readonly faults: Faults }
  /** What was executed since the last `take`. */
  | { readonly kind: "take"; readonly index: number }
  | { readonly kind: "look" };

export interface Taken {
  /** `N101 G28`, or `- M105` without a number. */
  readonly lines: readonly string[];
  /** When each was executed. */
  readonly atMs: readonly number[];
}

export interface Seen {
  readonly phase: string;
  readonly executed: number;
  readonly nozzleC: number;
  readonly nozzleTargetC: number;
  readonly bedTargetC: number;
  /** When it was last halted, and when its last heater target became 0; 0 for never. */
  readonly killedAtMs: number;
  readonly coldAtMs: number;
}

export type FarmAnswer =
  | { readonly kind: "ports"; readonly ports: readonly string[] }
  | { readonly kind: "done" }
  | { readonly kind: "taken"; readonly taken: Taken }
  | { readonly kind: "seen"; readonly seen: readonly Seen[] };

const OPEN_CHECK_MS = 20;

interface Board {
  readonly pty: Pty;
  readonly marlin: SimulatedMarlin;
  isOpen: boolean;
  lines: string[];
  atMs: number[];
  wasKilled: boolean;
  wasHot: boolean;
  killedAtMs: number;
  coldAtMs: number;
}

const wallMs = (): number => performance.timeOrigin + performance.now();

function makeBoard({ marlin }: FarmOptions, index: number): Board {
  return {
    pty: openPty(),
    marlin: makeSimulatedMarlin(
      { ...MARLIN_OPTIONS, ...marlin, seed: index + 1 },
      performance.now(),
    ),
    isOpen: false,
    lines: [],
    atMs: [],
    wasKilled: false,
    wasHot: false,
    killedAtMs: 0,
    coldAtMs: 0,
  };
}

function step(board: Board): void {
  const { marlin } = board;
  const bytes = marlin.advance(performance.now());
  if (bytes.length > 0) board.pty.write(bytes);
  const executed = marlin.takeExecuted();
  if (executed.length > 0) {
    const atMs = wallMs();
    for (const line of executed) {
      board.lines.push(line);
      board.atMs.push(atMs);
    }
  }
  const { phase, nozzleTargetC, bedTargetC } = marlin.status();
  const isKilled = phase === "killed";
  if (isKilled && !board.wasKilled) board.killedAtMs = wallMs();
  board.wasKilled = isKilled;
  const isHot = nozzleTargetC > 0 || bedTargetC > 0;
  if (!isHot && board.wasHot) board.coldAtMs = wallMs();
  board.wasHot = isHot;
}

function runFarm(options: FarmOptions): void {
  const boards = Array.from({ length: options.count }, (_, index) => makeBoard(options, index));
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let checkedAtMs = 0;

  function checkOpen(board: Board): void {
    if (board.isOpen || !board.pty.isOpen()) return;
    board.isOpen = true;
    if (options.hasDtr) board.marlin.reset(performance.now(), "External Reset");
    board.pty.read(
      (bytes) => {
        board.marlin.receive(bytes, performance.now());
        step(board);
      },
      () => (board.isOpen = false),
    );
  }

  function tick(): void {
    const nowMs = performance.now();
    if (nowMs - checkedAtMs > OPEN_CHECK_MS) {
      checkedAtMs = nowMs;
      for (const board of boards) checkOpen(board);
    }
    for (const board of boards) step(board);
    if (options.tickMs >= 1) {
      setTimeout(tick, options.tickMs);
      return;
    }
    Atomics.wait(cell, 0, 0, options.tickMs);
    setImmediate(tick); // what came in meanwhile is read before it
  }
  tick();

  process.on("message", (order: FarmOrder) => answer(carryOut(boards, order)));
  process.on("disconnect", () => process.exit(0));
  answer({ kind: "ports", ports: boards.map(({ pty }) => pty.path) });
}

function carryOut(boards: readonly Board[], order: FarmOrder): FarmAnswer {
  switch (order.kind) {
    case "fault":
      boards[order.index]?.marlin.fault(order.faults);
      return { kind: "done" };
    case "take": {
      const board = boards[order.index];
      const taken = { lines: board?.lines ?? [], atMs: board?.atMs ?? [] };
      if (board !== undefined) [board.lines, board.atMs] = [[], []];
      return { kind: "taken", taken };
    }
    case "look":
      return { kind: "seen", seen: boards.map(seenOf) };
  }
}

function seenOf({ marlin, killedAtMs, coldAtMs }: Board): Seen {
  const { phase, executed, nozzleC, nozzleTargetC, bedTargetC } = marlin.status();
  return { phase, executed, nozzleC, nozzleTargetC, bedTargetC, killedAtMs, coldAtMs };
}

const answer = (message: FarmAnswer): void => void process.send?.(message);

if (import.meta.main) runFarm(JSON.parse(process.argv[2] ?? "") as FarmOptions); // our parent's
