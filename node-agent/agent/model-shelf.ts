// The models that this node holds: those of its configuration and every *.gguf in its models folder.
//
// It looks after files; whether a model is loaded is the keeper's business (model-keeper.ts).
//
// MS1. A file is taken when its size has not changed between two looks: one that is still being
//      copied is no model yet, and the runner never tries a bad file twice.
// MS2. A model is offered until its file is gone or proves unusable.
// MS3. A configured file that is not there is said once and looked for again with each scan.
// MS4. NAME.pin beside the models pins the model NAME: `gantry models pin` works without a hub.

import { watch } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { ModelKeeper } from "./model-keeper.ts";

const RESCAN_MS = 10_000;
const SETTLE_MS = 500;
const ENDING = ".gguf";
const PIN = ".pin";

export interface ShelfOptions {
  /** Files or `hf:` addresses; an address stands for the file of that name in the folder. */
  readonly configured: readonly string[];
  readonly folder: string;
  readonly keeper: Pick<ModelKeeper, "hold" | "drop" | "pin">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Scans at once and whenever the folder changes, until the scope is left. */
export function openModelShelf(options: ShelfOptions, scope: Scope): void {
  const { folder, keeper, clock, log } = options;
  const held = new Map<string, number>(); // path to size
  const lastSize = new Map<string, number>();
  const missing = new Set<string>();
  let rescan: AbortController | undefined;

  async function scan(): Promise<boolean> {
    const configured = options.configured.map((entry) => pathOf(entry, folder));
    const names = await readdir(folder).catch(() => []);
    const here = names.filter((name) => extname(name) === ENDING).map((name) => join(folder, name));
    const found = new Set([...configured, ...here]);
    const pins = names.filter((name) => extname(name) === PIN);
    keeper.pin(new Set(pins.map((name) => basename(name, PIN)))); // MS4
    let isSettling = false;
    for (const path of found) {
      const sizeBytes = await sizeOf(path);
      if (sizeBytes === undefined) tellMissing(path);
      else if (held.get(path) !== sizeBytes) {
        const isSettled = lastSize.get(path) === sizeBytes; // MS1
        lastSize.set(path, sizeBytes);
        if (isSettled) {
          missing.delete(path);
          held.set(path, sizeBytes);
          await keeper.hold(path, basename(path, ENDING));
        } else isSettling = true;
      }
    }
    for (const path of held.keys()) {
      if ((await sizeOf(path)) !== undefined) continue;
      held.delete(path);
      await keeper.drop(path); // MS2
    }
    return isSettling;
  }

  function tellMissing(path: string): void {
    if (missing.has(path)) return; // MS3
    missing.add(path);
    log.warn({ path }, "the model file is not there; pull it with: npx gantry models pull");
  }

  scope.start("models", async (signal) => {
    await mkdir(folder, { recursive: true });
    const watcher = watch(folder, { persistent: false }, () => rescan?.abort());
    watcher.on("error", (error) => log.warn({ folder, error }, "the folder is not watched"));
    signal.addEventListener("abort", () => watcher.close(), { once: true });
    while (!signal.aborted) {
      rescan = new AbortController();
      const isSettling = await scan();
      // A change while a file settles is no news: it is looked at again anyhow.
      const early = isSettling ? signal : AbortSignal.any([signal, rescan.signal]);
      await clock.sleep(isSettling ? SETTLE_MS : RESCAN_MS, early).catch(() => {});
    }
  });
}

/** `hf:user/repository/file.gguf` is the file that `gantry models pull` puts into the folder. */
function pathOf(entry: string, folder: string): string {
  return /^(hf|https?):/.test(entry) ? join(folder, basename(entry)) : entry;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const { size } = await stat(path);
    return size;
  } catch {
    return undefined;
  }
}
