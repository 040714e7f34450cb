// Test equipment: the inside of a simulated printer that keeps files and prints them by itself. Each
// protocol has a door of its own to it. It says of itself that it is simulated.
//
// FP1. `starts` is the truth for tests: every print that was begun, in order.
// FP2. Nothing happens by itself: who holds it says how far the print is and how it ends.

import { EventEmitter } from "node:events";

export const SIMULATED_NAME = "Gantry simulated printer";

export type FilePrinterState =
  | "standby"
  | "printing"
  | "paused"
  | "complete"
  | "cancelled"
  | "error"
  | "shutdown";

export interface StoredFile {
  readonly bytes: Buffer;
}

export interface PastPrint {
  readonly name: string;
  status: "in_progress" | "completed" | "cancelled" | "error" | "interrupted";
}

export interface FilePrinter {
  readonly files: Map<string, StoredFile>;
  readonly history: PastPrint[];
  /** FP1 */
  readonly starts: string[];
  readonly halts: () => number;
  state(): FilePrinterState;
  /** What it prints or printed last. */
  file(): string | undefined;
  progress(): number;
  message(): string;
  heat(): { readonly nozzle: number; readonly nozzleTarget: number; readonly bed: number };
  onChange(listener: () => void): void;
  // What a protocol's door asks; false where it is refused.
  begin(name: string): boolean;
  pause(): boolean;
  resume(): boolean;
  cancel(): boolean;
  halt(): void;
  recover(): void;
  // What a test does to it.
  advance(progress: number): void;
  finish(): void;
  fail(why: string): void;
  /** The power goes and comes back: what was printed is lost. */
  powerCycle(): void;
}

export function makeFilePrinter(): FilePrinter {
  const changes = new EventEmitter();
  const files = new Map<string, StoredFile>();
  const history: PastPrint[] = [];
  const starts: string[] = [];
  let state: FilePrinterState = "standby";
  let file: string | undefined;
  let progress = 0;
  let message = "";
  let halts = 0;

  function become(next: FilePrinterState, past?: PastPrint["status"]): true {
    state = next;
    const last = history.at(-1);
    if (past !== undefined && last?.status === "in_progress") last.status = past;
    changes.emit("change");
    return true;
  }
  const isAtWork = (): boolean => state === "printing" || state === "paused";

  return {
    files,
    history,
    starts,
    halts: () => halts,
    state: () => state,
    file: () => file,
    progress: () => progress,
    message: () => message,
    heat() {
      const target = isAtWork() ? 200 : 0;
      return { nozzle: isAtWork() ? 200 : 24.5, nozzleTarget: target, bed: isAtWork() ? 60 : 23 };
    },
    onChange: (listener) => void changes.on("change", listener),
    begin(name) {
      if (!files.has(name) || isAtWork() || state === "shutdown") return false;
      starts.push(name);
      history.push({ name, status: "in_progress" });
      [file, progress, message] = [name, 0, ""];
      return become("printing");
    },
    pause: () => state === "printing" && become("paused"),
    resume: () => state === "paused" && become("printing"),
    cancel: () => isAtWork() && become("cancelled", "cancelled"),
    halt() {
      halts += 1;
      message = "Shutdown by an emergency stop";
      become("shutdown", "error");
    },
    recover() {
      [file, progress, message] = [undefined, 0, ""];
      become("standby");
    },
    advance(share) {
      if (!isAtWork()) return;
      progress = share;
      changes.emit("change");
    },
    finish() {
      if (!isAtWork()) return;
      progress = 1;
      become("complete", "completed");
    },
    fail(why) {
      message = why;
      become("error", "error");
    },
    powerCycle() {
      [file, progress, message] = [undefined, 0, ""];
      become("standby", "interrupted");
    },
  };
}
