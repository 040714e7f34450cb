// What this node can do, put together from its runners: models, embedder, listed commands.
//
// HA1. A runner is loaded when it is first needed: a node without models and work stays small
//      (measured: ajv and the runners are 40 of 114 MB).
// HA2. An operator's own list of commands is loaded at the start all the same: a fault in it must be
//      said then and not in the night.

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isSha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { Generate, Generated } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { readModelFile } from "../adapters/llama-file.ts";
import { forkLlama, hasGpuBuild } from "../adapters/llama-process.ts";
import { memoryBytes, residentBytes, vramBytes } from "../adapters/machine-memory.ts";
import { type CommandCatalogue, DEFAULT_COMMANDS, parseCatalogue } from "../rules/commands.ts";
import type { Device } from "../rules/memory-ledger.ts";
import type { CommandRunner } from "../runners/command.ts";
import type { EmbedderSource } from "../runners/embed.ts";
import type { Model } from "../runners/infer.ts";
import { openLazyEmbedder } from "./lazy-embedder.ts";
import { makeModelKeeper, type ModelKeeper } from "./model-keeper.ts";
import { openModelShelf } from "./model-shelf.ts";
import { openPartHands } from "./part-hands.ts";
import type { Hands } from "./ports.ts";

export interface HandsOptions {
  readonly dataDir: string;
  readonly llmModels: readonly string[];
  readonly llmThreads: number | undefined;
  readonly llmSlots: number | undefined;
  readonly llmContext: number | undefined;
  readonly llmMemoryMb: number | undefined;
  /** 0: never. */
  readonly llmIdleS: number;
  readonly embedModel: string | undefined;
  readonly embedVocab: string | undefined;
  /** File with the list of commands; the built-in list without it. */
  readonly commands: string | undefined;
  readonly childEnvironment: Readonly<Record<string, string>>;
}

export interface HandsPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What this node can do has changed. */
  readonly onChange: () => void;
}

export interface OpenHands extends Hands {
  close(): Promise<void>;
}

/** Starts the models that are there. Throws bad_config for a list of commands that is none. */
export async function openHands(
  options: HandsOptions,
  ports: HandsPorts,
  scope: Scope,
): Promise<OpenHands> {
  const { clock, log, onChange } = ports;
  const catalogue = await readCommands(options.commands);
  const runner = lazily(async () => {
    const { makeCommandRunner } = await import("../runners/command.ts");
    return makeCommandRunner(catalogue, clock);
  });
  if (options.commands !== undefined) await runner(); // HA2
  const models = join(options.dataDir, "models");
  const keeper = makeModelKeeper(
    {
      makeModel: (path, name, device) => modelOf(path, name, device, options, ports),
      readFile: readModelFile,
      readHash: readPulledHash,
      capacity: await capacityOf(options),
      slots: options.llmSlots,
      contextTokens: options.llmContext,
      idleMs: options.llmIdleS * 1_000,
      residentBytes,
      clock,
      log,
      onChange,
    },
    scope,
  );
  openModelShelf({ configured: options.llmModels, folder: models, keeper, clock, log }, scope);
  const source = embedderSource(options);
  const embedder = await openLazyEmbedder(
    {
      path: join(options.dataDir, "agent", "embedder.json"),
      key: await keyOf(source),
      start: async (signal) => {
        const { startEmbedder } = await import("../runners/embed.ts");
        return startEmbedder(source, { clock, log }, signal);
      },
      log,
      onChange,
    },
    scope,
  );

  const parts = openPartHands(
    { clock, log, onChange, path: options.childEnvironment["PATH"] },
    scope,
  );

  return {
    parts,
    models: () => keeper.facts(),
    modelFile: (sha256) => keeper.fileOf(sha256),
    runtime: () => keeper.runtime(),
    generate: (id, request, onChunk, signal, pace) =>
      generate(keeper, id, request, onChunk, signal, pace),
    get embedder() {
      return embedder.fact;
    },
    embed: (texts, signal) => embedder.embed(texts, signal),
    commands: factsOf(catalogue),
    runCommand: async (name, args, signal, ids) => (await runner()).run(name, args, signal, ids),
    async close() {
      await Promise.all([keeper.close(), embedder.close()]);
    },
  };
}

/** Models get most of the memory and not all of it: the agent and the files' cache live there too. */
const SHARE_FOR_MODELS = 0.8;

async function capacityOf({ llmMemoryMb }: HandsOptions): Promise<{ cpu: number; gpu?: number }> {
  const cpu =
    llmMemoryMb === undefined ? (await memoryBytes()) * SHARE_FOR_MODELS : llmMemoryMb * 1e6;
  const gpu = hasGpuBuild() ? (await vramBytes()) * SHARE_FOR_MODELS : 0;
  return gpu > 0 ? { cpu, gpu } : { cpu };
}

/** As `gantry models pull` has written it beside the file. */
async function readPulledHash(path: string): Promise<string | undefined> {
  const text = await readFile(`${path}.sha256`, "utf8").catch(() => "");
  return isSha256(text.trim()) ? text.trim() : undefined;
}

async function modelOf(
  path: string,
  name: string,
  device: Device,
  options: HandsOptions,
  { clock, random, log }: HandsPorts,
): Promise<Model> {
  const { makeModel } = await import("../runners/infer.ts");
  const { llmThreads: threads, llmSlots: slots, llmContext: contextTokens } = options;
  return makeModel(
    {
      path,
      name,
      gpu: device === "gpu" ? "auto" : false,
      parkFolder: join(options.dataDir, "agent", "parked"),
      ...(threads === undefined ? {} : { threads }),
      ...(slots === undefined ? {} : { slots }),
      ...(contextTokens === undefined ? {} : { contextTokens }),
    },
    {
      clock,
      random,
      log,
      fork: (onMessage) => forkLlama({ environment: options.childEnvironment }, onMessage),
    },
  );
}

/** Makes it at the first call. */
function lazily(make: () => Promise<CommandRunner>): () => Promise<CommandRunner> {
  let made: Promise<CommandRunner> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

async function generate(
  keeper: ModelKeeper,
  requestId: string,
  { model: name, isPatient = false, ...request }: Generate,
  onChunk: (text: string) => void,
  signal: AbortSignal,
  pace: Pace | undefined,
): Promise<Generated> {
  const given = Object.entries(request).filter(([, value]) => value !== undefined);
  // Same fields under the same names; only those that are undefined are left out.
  const defined = Object.fromEntries(given) as Pick<Generate, "messages" | "maxTokens">;
  const ask = (model: Model): Promise<Generated> =>
    model.generate({ requestId, ...defined }, onChunk, signal, pace);
  const generated = await keeper.use(name, !isPatient, ask, signal);
  keeper.note(name, generated);
  return generated;
}

const factsOf = (catalogue: CommandCatalogue): Hands["commands"] =>
  Object.entries(catalogue).map(([name, { description, hazard, effect }]) => ({
    name,
    summary: description,
    hazard,
    effect,
  }));

async function readCommands(path: string | undefined): Promise<CommandCatalogue> {
  if (path === undefined) return DEFAULT_COMMANDS;
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new GantryError("bad_config", `GANTRY_COMMANDS: ${path} is not a readable JSON file`, {
      cause,
    });
  }
  return parseCatalogue(value);
}

function embedderSource({ dataDir, embedModel, embedVocab }: HandsOptions): EmbedderSource {
  if (embedModel === undefined) return { lexicalFolder: join(dataDir, "models", "lexical") };
  const vocabPath = embedVocab ?? join(embedModel, "..", "vocab.txt");
  return { modelPath: embedModel, vocabPath };
}

async function keyOf(source: EmbedderSource): Promise<string> {
  if ("lexicalFolder" in source) return "lexical";
  const { size, mtimeMs } = await stat(source.modelPath).catch((cause: unknown) => {
    const text = `GANTRY_EMBED_MODEL: ${source.modelPath} is not there`;
    throw new GantryError("bad_config", text, { cause });
  });
  return `${source.modelPath}:${size}:${mtimeMs}`;
}
