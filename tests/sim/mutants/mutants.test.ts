// The simulator on trial: every planted bug must be found within its seeds, by a seed in which the
// real core holds. One that survives, or that no longer fits the code, is a failing test.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Sums } from "../sums.ts";
import { MUTANTS } from "./catalogue.ts";

const main = join(import.meta.dirname, "../main.ts");

function search(name: string, seeds: number): Promise<Sums> {
  const args = [
    "--disable-warning=ExperimentalWarning",
    main,
    "--mutant",
    name,
    "--seeds",
    String(seeds),
    "--short",
    "--json",
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [out, errors] = ["", ""];
  child.stdout.on("data", (piece: Buffer) => (out += piece.toString()));
  child.stderr.on("data", (piece: Buffer) => (errors += piece.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      if (out === "") reject(new Error(`the search for ${name} failed: ${errors}`));
      else resolve(JSON.parse(out) as Sums); // printed by command-line.ts
    });
  });
}

describe("planted bugs", () => {
  it.each(MUTANTS)("$name is found: $why", { timeout: 120_000 }, async ({ name, seedsMax }) => {
    const { seeds, failures } = await search(name, seedsMax);
    expect(failures, `${name} survived ${seeds} seeds`).toHaveLength(1);
  });

  it("one that fits the code no more is refused", async () => {
    const { plant } = await import("./load.ts");
    const edits = [{ file: "quorum.ts", from: "no such text", to: "" }];
    expect(() => plant({ name: "gone", why: "", seedsMax: 1, edits })).toThrow(/0 places .* match/);
  });
});
