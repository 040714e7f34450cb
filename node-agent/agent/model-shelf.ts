// The models that this node holds: those of its configuration and every *.gguf in its models folder.
//
// MS1. A file is taken when its size has not changed between two looks: one that is still being
//      copied is no model yet, and the runner never tries a bad file twice.
// MS2. A model is offered once it is ready, and until its file is gone or proves unusable; a child
//      that crashes is started again by the runner and stays offered.
// MS3. A configured file that is not there is said once and looked for again with each scan.

import { watch } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Generate } from "@gantry/shared/contract/link.ts";
import type { ModelFact } from "@gantry/shared/contract/rows.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Model } from "../runners/infer.ts";

const RESCAN_MS = 10_000;
const SETTLE_MS = 500;
const ENDING = ".gguf";

export interface ShelfOptions {
  /** Files or `hf:` addresses; an address stands for the file of that name in the folder. */
  readonly configured: readonly string[];
  readonly folder: string;
  readonly makeModel: (path: string, name: string) => Promise<Model>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: () => void;
}

export interface ModelShelf {
  facts(): readonly ModelFact[];
  /** Throws capability_missing. */
  find(request: Pick<Generate, "model">): Model;
  close(): Promise<void>;
}

interface Held {
  readonly model: Model;
  readonly sizeBytes: number;
  fact: ModelFact | undefined;
}

/** Scans at once and whenever the folder changes, until the scope is left. */
export function openModelShelf(options: ShelfOptions, scope: Scope): ModelShelf {
  const { folder, clock, log, onChange } = options;
  const held = new Map<string, Held>();
  const lastSize = new Map<string, number>();
  const missing = new Set<string>();
  let rescan: AbortController | undefined;

  async function scan(): Promise<boolean> {
    const configured = options.configured.map((entry) => pathOf(entry, folder));
    const found = new Set([...configured, ...(await modelsIn(folder))]);
    let isSettling = false;
    for (const path of found) {
      const sizeBytes = await sizeOf(path);
      if (sizeBytes === undefined) tellMissing(path);
      else if (held.get(path)?.sizeBytes !== sizeBytes) {
        const isSettled = lastSize.get(path) === sizeBytes; // MS1
        lastSize.set(path, sizeBytes);
        if (isSettled) await hold(path, sizeBytes);
        else isSettling = true;
      }
    }
    for (const path of held.keys()) {
      if ((await sizeOf(path)) === undefined) await drop(path); // MS2
    }
    return isSettling;
  }

  function tellMissing(path: string): void {
    if (missing.has(path)) return; // MS3
    missing.add(path);
    log.warn({ path }, "the model file is not there; pull it with: npx gantry models pull");
  }

  async function hold(path: string, sizeBytes: number): Promise<void> {
    await drop(path);
    missing.delete(path);
    const name = basename(path, ENDING);
    const model = await options.makeModel(path, name);
    const entry: Held = { model, sizeBytes, fact: undefined };
    held.set(path, entry);
    scope.start("model", async (signal) => {
      try {
        const { contextTokens, slots } = await entry.model.ready(signal);
        entry.fact = { name, contextTokens, slots, sizeBytes };
        log.info({ model: name, contextTokens, slots }, "model offered");
        if (held.get(path) === entry) onChange();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ model: name, code: toErrorRecord(error).code }, "model not offered");
      }
    });
  }

  async function drop(path: string): Promise<void> {
    const entry = held.get(path);
    if (entry === undefined) return;
    held.delete(path);
    onChange();
    await entry.model.close();
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

  return {
    facts: () =>
      [...held.values()].flatMap(({ fact, model }) =>
        fact === undefined || isUnusable(model) ? [] : [fact],
      ),
    find({ model: name }) {
      const entry = [...held.values()].find(({ model }) => model.name === name);
      if (entry !== undefined) return entry.model;
      throw new GantryError("capability_missing", `This node holds no model named ${name}`);
    },
    async close() {
      await Promise.all([...held.values()].map(({ model }) => model.close()));
    },
  };
}

const isUnusable = ({ state }: Model): boolean =>
  state.kind === "failed" && state.retryInMs === undefined;

/** `hf:user/repository/file.gguf` is the file that `gantry models pull` puts into the folder. */
function pathOf(entry: string, folder: string): string {
  return /^(hf|https?):/.test(entry) ? join(folder, basename(entry)) : entry;
}

async function modelsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => extname(name) === ENDING).map((name) => join(folder, name));
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const { size } = await stat(path);
    return size;
  } catch {
    return undefined;
  }
}
