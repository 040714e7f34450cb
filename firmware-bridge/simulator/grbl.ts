// A Grbl 1.1 as test equipment: bytes in, bytes out, in virtual time. It says in its messages that it
// is simulated. Pure.
//
// SG1. Receive buffer of 128 bytes; what does not fit is lost. Planner of 15 moves; flow control is a
//      late `ok`. Real-time bytes act as they arrive and take no room.
// SG2. An alarm locks: every line but $X, $H, $$ and $I answers error:9.
// SG3. `executed` is the truth for tests: every line that was answered with `ok`, in order.

import { seededRandom } from "@gantry/shared/base/prng.ts";
import type { GrblState } from "../protocols/grbl-codec.ts";
import { isRealtime } from "../protocols/grbl-realtime.ts";
import { makeWire } from "./wire.ts";

export interface GrblOptions {
  /** 0: not paced. */
  readonly baud: number;
  readonly seed: number;
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number };
  /** Locked until it has homed, as `$22=1` wants it. */
  readonly mustHome: boolean;
}

export const GRBL_OPTIONS: GrblOptions = {
  baud: 115_200,
  seed: 1,
  sizeMm: { x: 300, y: 200, z: 80 },
  mustHome: false,
};

export interface SimulatedGrbl {
  receive(bytes: Uint8Array, nowMs: number): void;
  advance(nowMs: number): Uint8Array;
  takeExecuted(): string[];
  /** So many next answers are swallowed. */
  loseOks(count: number): void;
  /** So many next lines are refused. */
  refuse(count: number): void;
  /** A limit switch is hit. */
  trip(): void;
  /** Nothing is read or answered. */
  freeze(): void;
  readonly dropped: number;
  readonly state: GrblState;
}

const RECEIVE_BYTES = 128;
const PLANNER_MOVES = 15;
const LINE_BYTES = 79;
const HOMING_MS = 2_000;
const EEPROM_MS = 20;
const RAPID_MM_MIN = 3_000;
const LF = 10;
const CR = 13;
const encoder = new TextEncoder();

const within = (percent: number): number => Math.min(200, Math.max(10, percent));

type Axis = "X" | "Y" | "Z";
const AXES: readonly Axis[] = ["X", "Y", "Z"];

export function makeSimulatedGrbl(options: GrblOptions, nowMs: number): SimulatedGrbl {
  const random = seededRandom(options.seed);
  const bytesPerMs = options.baud / 10_000;
  const wireIn = makeWire({ bytesPerMs, random, noisePpm: () => 0 });
  const wireOut = makeWire({ bytesPerMs, random, noisePpm: () => 0 });
  const settings = new Map([
    [10, 3],
    [22, options.mustHome ? 1 : 0],
    [110, RAPID_MM_MIN],
  ]);
  let clockMs = nowMs;
  let rx: number[] = [];
  let line = "";
  let state: GrblState = options.mustHome ? "Alarm" : "Idle";
  /** Milliseconds that each planned move still takes; the first one is under way. */
  let moves: number[] = [];
  let busyUntilMs = 0;
  let pending: string | undefined; // a line that waits for room in the planner
  let isRelative = false;
  let feed = 0;
  let at: Record<Axis, number> = { X: 0, Y: 0, Z: 0 };
  let overrides = { feed: 100, rapid: 100, spindle: 100 };
  let executed: string[] = [];
  let dropped = 0;
  let lost = 0;
  let refused = 0;
  let isFrozen = false;

  const say = (text: string): void => wireOut.push(encoder.encode(`${text}\r\n`), clockMs);
  say("Grbl 1.1h ['$' for help]");
  say("[MSG:Simulated by Gantry]");

  function answer(command: string, given: number): void {
    const code = refused > 0 ? 20 : given;
    if (refused > 0) refused -= 1;
    if (code === 0) executed.push(command); // SG3
    if (lost > 0) lost -= 1;
    else say(code === 0 ? "ok" : `error:${code}`);
  }

  function alarm(code: number): void {
    state = "Alarm";
    moves = [];
    say(`ALARM:${code}`);
  }

  function reset(): void {
    const wasMoving = (moves.length > 0 && state !== "Hold") || state === "Home";
    [rx, line, pending, moves, busyUntilMs] = [[], "", undefined, [], 0];
    if (wasMoving) alarm(state === "Home" ? 6 : 3); // held first, it knows where it is
    else if (state !== "Alarm") state = "Idle";
    overrides = { feed: 100, rapid: 100, spindle: 100 };
    say("Grbl 1.1h ['$' for help]");
    say("[MSG:Simulated by Gantry]");
    if (state === "Alarm") say("[MSG:'$H'|'$X' to unlock]");
  }

  function sayStatus(): void {
    const place = AXES.map((axis) => at[axis].toFixed(3)).join(",");
    const text = state === "Hold" ? "Hold:0" : state;
    const { feed: f, rapid, spindle } = overrides;
    const free = `${PLANNER_MOVES - moves.length},${RECEIVE_BYTES - rx.length - line.length}`;
    say(`<${text}|MPos:${place}|Bf:${free}|FS:${feed},0|Ov:${f},${rapid},${spindle}>`);
  }

  function realtime(byte: number): void {
    switch (byte) {
      case 0x18:
        return reset();
      case 0x3f:
        return state === "Home" ? undefined : sayStatus();
      case 0x21:
        if (state === "Run") state = "Hold";
        return;
      case 0x7e:
        if (state === "Hold") state = moves.length > 0 ? "Run" : "Idle";
        return;
      case 0x90:
        overrides.feed = 100;
        return;
      case 0x91:
      case 0x92:
        overrides.feed = within(overrides.feed + (byte === 0x91 ? 10 : -10));
        return;
      case 0x93:
      case 0x94:
        overrides.feed = within(overrides.feed + (byte === 0x93 ? 1 : -1));
        return;
      case 0x95:
      case 0x96:
      case 0x97:
        overrides.rapid = byte === 0x95 ? 100 : byte === 0x96 ? 50 : 25;
    }
  }

  /** The code of its error; 0 for none; undefined while the planner is full or it homes. */
  function carryOut(command: string): number | undefined {
    if (command.length > LINE_BYTES) return 11;
    if (command.startsWith("$")) return system(command);
    if (state === "Alarm") return 9; // SG2
    if (command === "") return 0;
    const words = [...command.matchAll(/([A-Z])(-?[\d.]*)/g)];
    if (words.map(([word]) => word).join("") !== command.replaceAll(" ", "")) return 1;
    if (words.some(([, , number = ""]) => number === "" || Number.isNaN(Number(number)))) return 2;
    const isMotion = words.some(([, letter]) => letter === "X" || letter === "Y" || letter === "Z");
    if (isMotion && moves.length >= PLANNER_MOVES) return undefined; // SG1
    return block(
      words.map(([, letter = "", number = ""]) => [letter, Number(number)]),
      isMotion,
    );
  }

  function block(words: readonly (readonly [string, number])[], isMotion: boolean): number {
    let motion = 1;
    for (const [letter, value] of words) {
      if (letter === "G" && (value === 0 || value === 1)) motion = value;
      else if (letter === "G" && (value === 90 || value === 91)) isRelative = value === 91;
      else if (letter === "G" && ![4, 10, 17, 20, 21, 28.1, 54, 94].includes(value)) return 20;
      else if (letter === "M" && ![0, 3, 4, 5, 7, 8, 9, 30].includes(value)) return 20;
      else if (letter === "F") feed = value;
    }
    if (!isMotion) return 0;
    if (words.some(([letter, value]) => letter === "G" && (value === 10 || value === 28.1))) {
      busyUntilMs = clockMs + EEPROM_MS;
      return 0;
    }
    if (motion === 1 && feed === 0) return 22;
    const next = { ...at };
    for (const [letter, value] of words) {
      if (letter === "X" || letter === "Y" || letter === "Z") {
        next[letter] = value + (isRelative ? at[letter] : 0);
      }
    }
    const size = { X: options.sizeMm.x, Y: options.sizeMm.y, Z: options.sizeMm.z };
    if (AXES.some((axis) => Math.abs(next[axis]) > size[axis])) {
      alarm(2);
      return 0;
    }
    const lengthMm = Math.hypot(...AXES.map((axis) => next[axis] - at[axis]));
    const percent = motion === 1 ? overrides.feed : overrides.rapid;
    const rate = ((motion === 1 ? feed : RAPID_MM_MIN) * percent) / 100;
    moves.push((lengthMm / rate) * 60_000);
    at = next;
    if (state === "Idle") state = "Run";
    return 0;
  }

  function system(command: string): number | undefined {
    const setting = /^\$(\d{1,3})=(-?[\d.]+)$/.exec(command);
    if (command === "$X") {
      if (state === "Alarm") state = "Idle";
    } else if (command === "$H") {
      if (settings.get(22) !== 1) return 5;
      if (state !== "Home") {
        state = "Home";
        busyUntilMs = clockMs + HOMING_MS;
        return undefined; // answered when it is home
      }
      state = "Idle";
      at = { X: 0, Y: 0, Z: 0 };
    } else if (command === "$C") {
      state = state === "Check" ? "Idle" : "Check";
    } else if (command === "$$") {
      for (const [number, value] of settings) say(`$${number}=${value}`);
    } else if (command === "$I") {
      say("[VER:1.1h.20190825:Gantry simulated]");
    } else if (setting !== null) {
      if (state !== "Idle" && state !== "Alarm") return 8;
      settings.set(Number(setting[1]), Number(setting[2]));
      busyUntilMs = clockMs + EEPROM_MS;
    } else return 3;
    return 0;
  }

  function work(): void {
    for (;;) {
      if (clockMs < busyUntilMs) return;
      const command = pending ?? nextLine();
      if (command === undefined) return;
      pending = undefined;
      const code = carryOut(command);
      if (code === undefined) {
        pending = command;
        return;
      }
      answer(command, code);
    }
  }

  function nextLine(): string | undefined {
    while (rx.length > 0) {
      const byte = rx.shift() ?? LF;
      if (byte !== LF && byte !== CR) {
        line += String.fromCharCode(byte).toUpperCase();
        continue;
      }
      const whole = line;
      line = "";
      if (byte === LF) return whole.replaceAll(" ", "");
    }
    return undefined;
  }

  /** `dtMs` of motion. */
  function turn(dtMs: number): void {
    let leftMs = state === "Run" ? dtMs : 0;
    while (leftMs > 0 && moves.length > 0) {
      const first = moves[0] ?? 0;
      if (first > leftMs) {
        moves[0] = first - leftMs;
        return;
      }
      leftMs -= first;
      moves.shift();
    }
    if (moves.length === 0 && state === "Run") state = "Idle";
  }

  function arrive(byte: number): void {
    if (isRealtime(byte)) realtime(byte);
    else if (rx.length + line.length >= RECEIVE_BYTES) dropped += 1; // SG1
    else rx.push(byte);
  }

  return {
    receive(bytes, atMs) {
      wireIn.push(bytes, atMs);
    },
    advance(atMs) {
      for (;;) {
        const nextMs = Math.min(wireIn.nextAtMs() ?? Infinity, clockMs + 1, atMs);
        turn(Math.max(0, nextMs - clockMs));
        clockMs = Math.max(clockMs, nextMs);
        const byte = wireIn.take(clockMs);
        if (byte !== undefined && !isFrozen) arrive(byte);
        if (!isFrozen) work();
        if (byte === undefined && clockMs >= atMs) break;
      }
      const out: number[] = [];
      for (let byte = wireOut.take(atMs); byte !== undefined; byte = wireOut.take(atMs)) {
        if (!isFrozen) out.push(byte);
      }
      return Uint8Array.from(out);
    },
    takeExecuted() {
      const lines = executed;
      executed = [];
      return lines;
    },
    loseOks(count) {
      lost = count;
    },
    refuse(count) {
      refused = count;
    },
    trip: () => alarm(1),
    freeze() {
      isFrozen = true;
    },
    get dropped() {
      return dropped;
    },
    get state() {
      return state;
    },
  };
}
