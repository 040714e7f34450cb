// The process around `gantry`: real streams, signals and clock. Everything else is run.ts.

import { systemClock } from "@gantry/shared/flow/clock.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { runCli } from "./run.ts";
import type { LineOptions, LineReader, Output, World } from "./world.ts";

const EXIT_INTERRUPTED = 130; // 128 + SIGINT, as shells expect

const interrupted = new AbortController();
const interrupt = (): void => interrupted.abort(new GantryError("cancelled", "Interrupted"));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(EXIT_INTERRUPTED);
    interrupt();
  });
}
// `gantry events | head` ends when head does; that is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 74);
});

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTty: stream.isTTY,
  get columns() {
    return stream.columns || 80;
  },
});

const world: World = {
  env: process.env,
  cwd: process.cwd(),
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  get stdin() {
    return Object.assign(process.stdin, { isTty: process.stdin.isTTY });
  },
  clock: systemClock,
  random: Math.random,
  signal: interrupted.signal,
  openLines,
  runNode,
};

async function openLines(options: LineOptions = {}): Promise<LineReader> {
  const { createInterface } = await import("node:readline/promises");
  const isTty = process.stdin.isTTY && process.stdout.isTTY;
  // Prompts go to stderr when only stdout is redirected, so that they are never in the data.
  const output = process.stdout.isTTY ? process.stdout : process.stderr;
  const lines = createInterface({
    input: process.stdin,
    output,
    terminal: isTty,
    historySize: 500,
    removeHistoryDuplicates: true,
    ...(options.history === undefined ? {} : { history: [...options.history] }),
    ...(options.complete === undefined ? {} : { completer: options.complete }),
  });
  if (isTty && options.onHistory !== undefined) lines.on("history", options.onHistory);
  const ended = new AbortController();
  const waiting: string[] = [];
  let onInterrupt = interrupt;
  lines.on("SIGINT", () => onInterrupt());
  lines.on("close", () => ended.abort());
  lines.on("line", (line) => void waiting.push(line));
  return {
    ask: async (prompt, signal) => {
      if (waiting.length > 0) return waiting.shift();
      if (ended.signal.aborted) return undefined;
      lines.setPrompt(prompt);
      lines.prompt();
      await nextLine(lines, AbortSignal.any([signal, ended.signal]));
      signal.throwIfAborted();
      return waiting.shift();
    },
    onInterrupt: (handler) => {
      onInterrupt = handler;
    },
    close: () => lines.close(),
  };
}

/** Resolves at the next line or when the signal aborts. */
function nextLine(lines: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      lines.off("line", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    lines.on("line", done);
    signal.addEventListener("abort", done);
  });
}

async function runNode(file: string, args: readonly string[]): Promise<number> {
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, [file, ...args], { stdio: "inherit" });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? EXIT_INTERRUPTED));
  });
}

process.exitCode = await runCli(process.argv.slice(2), world);
