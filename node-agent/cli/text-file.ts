// A text that a person wants in a file, and the lines that were typed in a chat.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Environment } from "@gantry/shared/contract/config.ts";
import { readText } from "./context.ts";

/** Gives the whole path. Throws conflict where there is such a file, io_error. */
export function writeTextFile(cwd: string, file: string, text: string): string {
  const path = resolve(cwd, file);
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST")
      throw new GantryError("conflict", `${path} is there already`, { cause });
    throw new GantryError("io_error", `${path} cannot be written`, { cause });
  }
  return path;
}

export interface TypedLines {
  /** The newest first. */
  readonly lines: readonly string[];
  keep(lines: readonly string[]): void;
}

const LINES_MAX = 500;
/** What a person types to let something dangerous happen is not offered again by the up key. */
const isKept = (line: string): boolean => !/^\s*(?:\/confirm|confirm)\b/i.test(line);

/** In $XDG_STATE_HOME/gantry, else ~/.local/state/gantry; for its owner alone. */
export function openTypedLines(env: Environment): TypedLines {
  const home = env["HOME"];
  const state = env["XDG_STATE_HOME"] || (home ? join(home, ".local", "state") : undefined);
  const path = state === undefined ? undefined : join(state, "gantry", "history");
  const lines = (path === undefined ? "" : (readText(path) ?? ""))
    .split("\n")
    .filter((line) => line !== "")
    .toReversed()
    .slice(0, LINES_MAX);
  return {
    lines,
    keep(all) {
      if (path === undefined) return;
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        const draft = `${path}.${process.pid}`;
        const kept = all.filter(isKept).slice(0, LINES_MAX).toReversed();
        writeFileSync(draft, kept.map((line) => `${line}\n`).join(""), { mode: 0o600 });
        renameSync(draft, path);
      } catch {
        // A read-only home: the lines of this chat are forgotten, nothing else is lost.
      }
    },
  };
}
