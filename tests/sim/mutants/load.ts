// The core under trial: the real one, or a copy with one bug planted. The copy lives in a folder of
// its own under the system's temporary one, and the product's code knows nothing of it.

import { createHash } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  existsSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { MakeCore } from "../../../hub/consensus/types.ts";
import type { DriverFault } from "../hub/types.ts";
import { type Mutant, MUTANTS } from "./catalogue.ts";

export interface Subject {
  readonly makeCore: MakeCore;
  readonly driverFault: DriverFault | undefined;
}

const root = join(import.meta.dirname, "../../..");
const consensus = join(root, "hub/consensus");

/** Throws not_found for no such mutant, conflict for one that no longer fits the code. */
export async function loadSubject(name: string | undefined): Promise<Subject> {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (name !== undefined && mutant === undefined) {
    throw new GantryError("not_found", `There is no mutant ${name}`);
  }
  const folder = mutant?.edits === undefined ? consensus : plant(mutant);
  const module: unknown = await import(
    /* @vite-ignore */ pathToFileURL(join(folder, "raft.ts")).href
  );
  const { makeRaft } = module as { readonly makeRaft: MakeCore };
  return { makeCore: makeRaft, driverFault: mutant?.driver };
}

/** The folder of a core with this bug in it. Throws conflict. */
export function plant(mutant: Mutant): string {
  const names = readdirSync(consensus).filter(
    (name) => name.endsWith(".ts") && !name.includes(".test."),
  );
  const texts = new Map(names.map((name) => [name, readFileSync(join(consensus, name), "utf8")]));
  for (const { file, from, to } of mutant.edits ?? []) {
    const parts = texts.get(file)?.split(from) ?? [];
    if (parts.length !== 2) {
      throw new GantryError(
        "conflict",
        `Mutant ${mutant.name}: ${Math.max(0, parts.length - 1)} places in hub/consensus/${file} match, one must`,
      );
    }
    texts.set(file, parts.join(to));
  }
  const shared = pathToFileURL(join(root, "shared/")).href;
  for (const [name, text] of texts)
    texts.set(name, text.replaceAll('"@gantry/shared/', `"${shared}`));
  const digest = createHash("sha256")
    .update(JSON.stringify([...texts]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(tmpdir(), `gantry-mutant-${mutant.name}-${digest}`);
  if (existsSync(folder)) return folder; // named by its content: another process made it
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  writeFileSync(join(draft, "package.json"), '{"type":"module"}');
  for (const [name, text] of texts) writeFileSync(join(draft, name), text);
  try {
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
