// Runs the simulator of replicas, or of the house, in a process of its own: a broken invariant inside a
// hub's task ends a process by design.

import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Summary {
  readonly seeds: number;
  readonly acknowledged: number;
  readonly reigns: number;
  /** Of the workshop: deaths of processes and printers, those at a write of a journal, first bytes. */
  readonly crashes: number;
  readonly atWrites: number;
  readonly starts: number;
  readonly tookS: number;
  readonly hashes: readonly number[];
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
}

/** What `node main.ts --json ARGS` found. */
export function simulate(...args: readonly string[]): Promise<Summary> {
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", main, "--json", ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [out, errors] = ["", ""];
  child.stdout.on("data", (piece: Buffer) => (out += piece.toString()));
  child.stderr.on("data", (piece: Buffer) => (errors += piece.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      if (out === "") reject(new Error(`no answer of the simulator: ${errors}`));
      else resolve(JSON.parse(out) as Summary); // printed by main.ts
    });
  });
}
