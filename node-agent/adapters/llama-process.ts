// The child process of one model as the agent sees it: a channel, a kill, and how it ended.
// Forks runners/llama-child.js; knows nothing of the messages' meaning.

import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { FromChild, ToChild } from "../runners/llama-protocol.ts";

/** How a child ended. `lastWords`: the end of its stderr, for the log. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lastWords: string;
}

export interface LlamaChild {
  readonly pid: number;
  /** False once the child cannot hear any more. */
  send(message: ToChild): boolean;
  /** SIGKILL. The parent is untouched, even in the middle of a decode (measured: 22 ms). */
  kill(): void;
  /** Settles once, after the last message was given to `onMessage`. Never rejects. */
  readonly ended: Promise<ChildEnd>;
}

export interface ForkOptions {
  /** Added to the child's otherwise empty environment: PATH, LD_LIBRARY_PATH, CUDA_VISIBLE_DEVICES. */
  readonly environment: Readonly<Record<string, string>>;
  /** For V8, as `--max-old-space-size=256`. */
  readonly nodeArguments?: readonly string[];
}

export type ForkLlama = (onMessage: (message: FromChild) => void) => LlamaChild;

const LAUNCHER = join(import.meta.dirname, "..", "runners", "llama-child.js");
const LAST_WORDS_CHARS = 8_000; // V8 puts a stack of frames behind its one line
/** How long stderr may be held open by something else than the child, once that has ended. */
const LAST_WORDS_MS = 500;

/** Starts a child; the caller kills it, and it ends by itself if the caller's process does. */
export function forkLlama(
  options: ForkOptions,
  onMessage: (message: FromChild) => void,
): LlamaChild {
  const child = fork(LAUNCHER, [], {
    // llama.cpp decodes on libuv's threads; the default of four starves file reads (measured).
    // ggml would start a debugger to print where it failed: with no memory left that may never end.
    env: { GGML_NO_BACKTRACE: "1", ...options.environment, UV_THREADPOOL_SIZE: "16" },
    execArgv: [...(options.nodeArguments ?? [])],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  child.on("message", (message: FromChild) => onMessage(message));
  return {
    pid: child.pid ?? 0,
    send: (message) => child.connected && child.send(message, () => {}),
    kill: () => void child.kill("SIGKILL"),
    ended: endOf(child),
  };
}

function endOf(child: ChildProcess): Promise<ChildEnd> {
  let lastWords = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-LAST_WORDS_CHARS);
  });
  return new Promise((resolve) => {
    // `close` waits for stderr, which whatever the child has started may hold for ever.
    child.once("exit", () => {
      const patience = setTimeout(() => child.stderr?.destroy(), LAST_WORDS_MS);
      child.once("close", () => clearTimeout(patience));
    });
    child.once("close", (code, signal) => resolve({ code, signal, lastWords }));
    child.once("error", (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, lastWords: error.message });
    });
  });
}

/** Threads for a model: one core stays with the agent. */
export const threadsForModel = (): number => Math.max(1, availableParallelism() - 1);

// In the order of preference of llama.cpp; names are the optional packages of node-llama-cpp.
const GPU_BUILDS = ["linux-x64-cuda", "linux-x64-vulkan", "linux-arm64-cuda"] as const;

/** Says whether a GPU build of llama.cpp is installed; where none is, probing for one is a waste. */
export function hasGpuBuild(): boolean {
  // By folder: the packages do not export their package.json, and tools/none stands in for most.
  const folders = createRequire(import.meta.url).resolve.paths("@node-llama-cpp") ?? [];
  return GPU_BUILDS.some((name) =>
    folders.some((folder) => existsSync(join(folder, "@node-llama-cpp", name, "bins"))),
  );
}
