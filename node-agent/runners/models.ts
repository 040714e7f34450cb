// The models of this machine: pulling one from Hugging Face or a mirror, and listing what is here.
//
// P1. A file gets its name only when it is whole: size, sha256 where anybody promised one, and a
//     header that reads as GGUF. Before that it is NAME.part, from which a next pull goes on.
// P2. Wrong bytes are deleted, never kept for a resume.

import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { isSha256 } from "@gantry/shared/base/digest.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { attempt } from "@gantry/shared/flow/attempt.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { download, fetchJson, hashFile } from "../adapters/download.ts";
import { type ModelFile, readModelFile } from "../adapters/llama-file.ts";
import {
  chooseHubFile,
  HF_ENDPOINT,
  hubFile,
  type ModelAddress,
  parseModelAddress,
} from "../rules/model-address.ts";

export interface PullProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  readonly bytesPerS: number;
  readonly etaS: number | undefined;
}

export interface PullOptions {
  /** `hf:user/repository/file.gguf`, `hf:user/repository[:QUANTISATION]`, or https. */
  readonly uri: string;
  readonly directory: string;
  /** Lower-case hex; without it the server's own promise is checked, where it makes one. */
  readonly sha256?: string;
  /** For Hugging Face; GANTRY_HF_TOKEN. */
  readonly token?: string;
  /** A mirror of Hugging Face; GANTRY_HF_ENDPOINT. */
  readonly endpoint?: string;
  /** At most five times a second, and once at the end. */
  readonly onProgress?: (progress: PullProgress) => void;
}

export interface PullPorts {
  readonly clock: Clock;
  readonly random: Random;
}

export interface PulledModel extends Omit<ModelFile, "name"> {
  /** The file's name without its ending: what requests call it. */
  readonly name: string;
  /** Undefined where nobody promised one and the file was there already. */
  readonly sha256: string | undefined;
  readonly wasPresent: boolean;
}

const PROGRESS_EVERY_MS = 200;

/**
 * Fetches a model, unless it is there. Throws bad_request, not_found, unauthenticated, unreachable,
 * timeout, disk_full, checksum_mismatch, model_invalid, and the signal's reason.
 */
export async function pullModel(
  options: PullOptions,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<PulledModel> {
  const { directory, sha256 } = options;
  if (sha256 !== undefined && !isSha256(sha256)) {
    throw new GantryError("bad_request", "sha256 must be 64 lower-case hex digits", {
      details: { field: "sha256" },
    });
  }
  const { url, fileName } = await fileOf(options, ports, signal);
  await mkdir(directory, { recursive: true });
  const path = join(directory, fileName);
  const present = await presentModel(path, sha256, signal);
  if (present !== undefined) return present;

  const partPath = `${path}.part`;
  const onBytes = progressTeller(options, ports.clock);
  const outcome = await attempt(
    (signal) => download({ url, token: options.token, partPath, onBytes }, ports.clock, signal),
    // A try may take as long as bytes keep coming (download D3).
    { ...RETRY.download, tryMs: RETRY.download.totalMs },
    { ...ports, signal },
  );
  if (outcome.kind === "no-room") {
    const mib = Math.ceil(outcome.neededBytes / 1_048_576);
    throw new GantryError("disk_full", `${directory} has no room for ${mib} MiB more`);
  }
  const hash = await verify(partPath, sha256 ?? outcome.sha256, signal);
  await writeFile(`${path}.sha256`, `${hash}\n`); // peers are told of it (model-shelf.ts)
  await rename(partPath, path);
  await rm(`${partPath}.json`, { force: true });
  await syncFolder(directory);
  return {
    ...(await readModelFile(path, signal)),
    name: nameOf(path),
    sha256: hash,
    wasPresent: false,
  };
}

async function fileOf(
  options: PullOptions,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<Extract<ModelAddress, { kind: "file" }>> {
  const endpoint = options.endpoint ?? HF_ENDPOINT;
  const address = parseModelAddress(options.uri, endpoint, options.sha256 !== undefined);
  if (address.kind === "file") return address;
  const url = `${endpoint.replace(/\/$/, "")}/api/models/${address.repository}`;
  const answer = await attempt(
    (signal) => fetchJson(url, options.token, ports.clock, signal),
    RETRY.download,
    { ...ports, signal },
  );
  const siblings: unknown = (answer as { siblings?: unknown } | null)?.siblings;
  const listed: readonly ({ rfilename?: unknown } | null)[] = Array.isArray(siblings)
    ? siblings
    : [];
  const files = listed
    .map((item) => item?.rfilename)
    .filter((name): name is string => typeof name === "string");
  const chosen = hubFile(address.repository, chooseHubFile(files, address.quantisation), endpoint);
  if (chosen.kind === "file") return chosen;
  throw new GantryError("not_found", `${options.uri} names no file`);
}

/** The model that is there already, if it is the wanted one; another file of its name is replaced. */
async function presentModel(
  path: string,
  sha256: string | undefined,
  signal: AbortSignal,
): Promise<PulledModel | undefined> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (!exists) return undefined;
  try {
    if (sha256 !== undefined && (await hashFile(path, signal)) !== sha256) return undefined;
    const file = await readModelFile(path, signal);
    return { ...file, name: nameOf(path), sha256, wasPresent: true };
  } catch (error) {
    if (error instanceof GantryError && error.code === "model_invalid") return undefined;
    throw error;
  }
}

/** Upholds P2. The hash of the part file. */
async function verify(
  partPath: string,
  promised: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const hash = await hashFile(partPath, signal);
  try {
    if (promised !== undefined && hash !== promised) {
      throw new GantryError(
        "checksum_mismatch",
        `The file has sha256 ${hash}, promised was ${promised}; it was deleted`,
      );
    }
    await readModelFile(partPath, signal);
    return hash;
  } catch (error) {
    if (error instanceof GantryError) {
      await rm(partPath, { force: true });
      await rm(`${partPath}.json`, { force: true });
    }
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

function progressTeller(
  { onProgress }: PullOptions,
  clock: Clock,
): (doneBytes: number, totalBytes: number | undefined) => void {
  let startedMs = 0;
  let startedBytes = 0;
  let toldMs = 0;
  return (doneBytes, totalBytes) => {
    const nowMs = clock.monotonic();
    if (startedMs === 0 || doneBytes < startedBytes) {
      startedMs = nowMs;
      startedBytes = doneBytes;
    }
    if (nowMs - toldMs < PROGRESS_EVERY_MS && doneBytes !== totalBytes) return;
    toldMs = nowMs;
    const tookS = Math.max(nowMs - startedMs, 1) / 1_000;
    const bytesPerS = Math.round((doneBytes - startedBytes) / tookS);
    const restBytes = totalBytes === undefined ? undefined : totalBytes - doneBytes;
    const etaS =
      restBytes === undefined || bytesPerS === 0 ? undefined : Math.ceil(restBytes / bytesPerS);
    onProgress?.({ doneBytes, totalBytes, bytesPerS, etaS });
  };
}

export type ListedModel =
  | ({ readonly kind: "model"; readonly name: string; readonly title: string | undefined } & Omit<
      ModelFile,
      "name"
    >)
  /** Shown, so that a person sees why it is not offered. */
  | {
      readonly kind: "invalid";
      readonly name: string;
      readonly path: string;
      readonly error: GantryError;
    };

/** Every *.gguf of the folder, and the files of `paths` (GANTRY_LLM_MODELS), each once, by name. */
export async function listModels(
  directory: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly ListedModel[]> {
  const found = [...new Set([...paths, ...(await modelPathsIn(directory))])];
  const models: ListedModel[] = [];
  for (const path of found) models.push(await readListed(path, signal));
  return models.toSorted((a, b) => a.name.localeCompare(b.name));
}

async function readListed(path: string, signal: AbortSignal): Promise<ListedModel> {
  try {
    const { name: title, ...file } = await readModelFile(path, signal);
    return { kind: "model", name: nameOf(path), title, ...file };
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    return { kind: "invalid", name: nameOf(path), path, error };
  }
}

async function modelPathsIn(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(directory);
    return names.filter((name) => name.endsWith(".gguf")).map((name) => join(directory, name));
  } catch {
    return []; // the folder is made by the first pull
  }
}

/** What people and requests call a model: its file's name without the ending. */
const nameOf = (path: string): string => basename(path).replace(/\.gguf$/i, "");
