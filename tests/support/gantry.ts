// Test equipment: the real `gantry` as a process.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./appliance.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");

export interface Gantry {
  readonly child: ChildProcess;
  /** So far. */
  out(): string;
  err(): string;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly out: string;
    readonly err: string;
  }>;
}

/** Starts it with this environment and nothing else of ours. */
export function startGantry(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Gantry {
  let [out, err] = ["", ""];
  const child = spawn(
    NODE,
    ["--disable-warning=ExperimentalWarning", join(ROOT, "node-agent/bin/gantry.js"), ...words],
    {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
    },
  );
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end();
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, out, err }));
  });
  return { child, out: () => out, err: () => err, ended };
}

export const gantry = (
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Gantry["ended"] => startGantry(words, env).ended;
