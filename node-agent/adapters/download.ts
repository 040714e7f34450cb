// Fetches one large file over HTTP into a `.part` file, from where the last try stopped.
//
// D1. Bytes of two versions of a file are never mixed: a resume names the version it began with
//     (If-Range), and a server that gives no version, or another one, starts from zero.
// D2. The token goes to the first host only: a redirect to another one (a CDN) does not get it.
// D3. Silence for STALL_MS ends a try; a slow but steady download may take as long as it takes.

import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { startSha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";

export interface DownloadRequest {
  readonly url: string;
  readonly token: string | undefined;
  /** The bytes so far; `PART_PATH.json` beside it holds their version. */
  readonly partPath: string;
  /** Told after each piece: bytes in the part file, and the whole size where it is known. */
  readonly onBytes: (doneBytes: number, totalBytes: number | undefined) => void;
}

export type DownloadOutcome =
  /** `sha256`: as the server promises it (Hugging Face does), for the caller to check. */
  | { readonly kind: "whole"; readonly sizeBytes: number; readonly sha256: string | undefined }
  | { readonly kind: "no-room"; readonly neededBytes: number };

const STALL_MS = 30_000;
const REDIRECTS_MAX = 5;
/** Room that stays free for the log and for the people. */
const RESERVE_BYTES = 67_108_864;

/** One try. Throws not_found, unauthenticated, rate_limited, unreachable, timeout, disk_full. */
export async function download(
  request: DownloadRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<DownloadOutcome> {
  const stall = makeStallGuard(clock, signal);
  try {
    const { partPath } = request;
    const [heldBytes, version] = await heldPart(partPath);
    const { response, linkedHash } = await get(request, heldBytes, version, stall.signal);
    const isResumed = response.status === 206 && startOf(response) === heldBytes;
    const fromBytes = isResumed ? heldBytes : 0;
    const lengthBytes = Number(response.headers.get("content-length") ?? Number.NaN);
    const totalBytes = Number.isNaN(lengthBytes) ? undefined : fromBytes + lengthBytes;
    const neededBytes = (totalBytes ?? 0) - fromBytes;
    if (neededBytes + RESERVE_BYTES > (await freeBytes(dirname(partPath)))) {
      await response.body?.cancel();
      return { kind: "no-room", neededBytes };
    }
    await writeFile(`${partPath}.json`, JSON.stringify({ etag: strongTag(response) }));
    const sizeBytes = await writeBody(response, request, fromBytes, totalBytes, stall);
    if (totalBytes !== undefined && sizeBytes !== totalBytes) {
      throw new GantryError("unreachable", `${request.url} broke off at ${sizeBytes} bytes`);
    }
    return { kind: "whole", sizeBytes, sha256: linkedHash ?? hashIn(response.headers.get("etag")) };
  } catch (error) {
    throw asGantryError(request.url, error, stall.signal, signal);
  } finally {
    stall.stop();
  }
}

/** The sha256 of a file as it lies on the disk. About 1 GB/s. */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hasher = startSha256();
  for await (const piece of createReadStream(path, { highWaterMark: 1_048_576, signal })) {
    hasher.update(piece as Uint8Array);
  }
  return hasher.hex();
}

/** A small JSON document, at most 4 MiB. Throws as `download` does. */
export async function fetchJson(
  url: string,
  token: string | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<unknown> {
  const deadline = clock.timeout(STALL_MS, signal);
  try {
    const response = await fetch(url, { headers: headersFor(token), signal: deadline });
    if (!response.ok) throw refusal(url, response);
    const text = await response.text();
    if (text.length > 4_194_304) throw new GantryError("too_large", `${url} is over 4 MiB`);
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw asGantryError(url, error, deadline, signal);
  }
}

async function get(
  request: DownloadRequest,
  heldBytes: number,
  version: string | undefined,
  signal: AbortSignal,
): Promise<{ response: Response; linkedHash: string | undefined }> {
  let url = new URL(request.url);
  let linkedHash: string | undefined;
  const range: Record<string, string> =
    heldBytes > 0 && version !== undefined
      ? { range: `bytes=${heldBytes}-`, "if-range": version }
      : {};
  for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
    const isFirstHost = url.host === new URL(request.url).host;
    const headers = { ...headersFor(isFirstHost ? request.token : undefined), ...range };
    const response = await fetch(url, { headers, redirect: "manual", signal });
    linkedHash ??= hashIn(response.headers.get("x-linked-etag"));
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      url = nextHop(url, location);
      continue;
    }
    if (response.status === 200 || response.status === 206) return { response, linkedHash };
    await response.body?.cancel();
    if (response.status === 416) await rm(request.partPath, { force: true });
    throw refusal(request.url, response);
  }
  throw new GantryError("unreachable", `${request.url} redirects more than ${REDIRECTS_MAX} times`);
}

function nextHop(from: URL, location: string): URL {
  const url = URL.parse(location, from);
  if (url === null || (from.protocol === "https:" && url.protocol !== "https:")) {
    throw new GantryError("unreachable", `${from.host} redirects to a place that is not safe`);
  }
  return url;
}

async function writeBody(
  response: Response,
  request: DownloadRequest,
  fromBytes: number,
  totalBytes: number | undefined,
  stall: StallGuard,
): Promise<number> {
  await using file = await open(request.partPath, fromBytes > 0 ? "r+" : "w");
  let atBytes = fromBytes;
  for await (const piece of response.body ?? []) {
    await writeAll(file, piece, atBytes);
    atBytes += piece.length;
    stall.heard();
    request.onBytes(atBytes, totalBytes);
  }
  await file.truncate(atBytes);
  await file.sync();
  return atBytes;
}

async function writeAll(file: FileHandle, piece: Uint8Array, atBytes: number): Promise<void> {
  for (let written = 0; written < piece.length;) {
    const rest = piece.length - written;
    written += (await file.write(piece, written, rest, atBytes + written)).bytesWritten;
  }
}

async function heldPart(partPath: string): Promise<readonly [number, string | undefined]> {
  try {
    const { size } = await stat(partPath);
    const note = JSON.parse(await readFile(`${partPath}.json`, "utf8")) as { etag?: unknown };
    return [size, typeof note.etag === "string" ? note.etag : undefined];
  } catch {
    return [0, undefined]; // no part, or one whose version nobody knows: from zero (D1)
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function startOf(response: Response): number | undefined {
  const match = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** Weak tags do not promise equal bytes, so they are of no use here. */
function strongTag(response: Response): string | null {
  const tag = response.headers.get("etag");
  return tag?.startsWith("W/") === true ? null : tag;
}

const hashIn = (tag: string | null): string | undefined =>
  /^"?([0-9a-f]{64})"?$/.exec(tag ?? "")?.[1];

const headersFor = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

function refusal(url: string, { status }: Response): GantryError {
  if (status === 401 || status === 403) {
    return new GantryError("unauthenticated", `${url} answers ${status}; give a token for it`);
  }
  if (status === 404) return new GantryError("not_found", `${url} answers 404`);
  if (status === 429) return new GantryError("rate_limited", `${url} answers 429`);
  const code = status >= 500 || status === 416 ? "unreachable" : "not_found";
  return new GantryError(code, `${url} answers ${status}`);
}

function asGantryError(
  url: string,
  error: unknown,
  stall: AbortSignal,
  signal: AbortSignal,
): Error {
  if (error instanceof GantryError) return error;
  if (signal.aborted) return reasonOf(signal);
  if (stall.aborted) return reasonOf(stall);
  const cause = error as NodeJS.ErrnoException;
  if (cause.code === "ENOSPC") return new GantryError("disk_full", "No room is left", { cause });
  if (cause.syscall === "open" || cause.syscall === "write") {
    return new GantryError("io_error", `The file cannot be written: ${cause.message}`, { cause });
  }
  return new GantryError("unreachable", `${url} cannot be reached or broke off`, { cause });
}

interface StallGuard {
  readonly signal: AbortSignal;
  heard(): void;
  stop(): void;
}

function makeStallGuard(clock: Clock, parent: AbortSignal): StallGuard {
  const stalled = new AbortController();
  const stopped = new AbortController();
  let heardMs = clock.monotonic();
  async function watch(): Promise<void> {
    const stop = AbortSignal.any([stopped.signal, parent]);
    for (let restMs = STALL_MS; restMs > 0; restMs = heardMs + STALL_MS - clock.monotonic()) {
      await clock.sleep(restMs, stop);
    }
    stalled.abort(new GantryError("timeout", `Nothing came for ${STALL_MS} ms`));
  }
  watch().catch(() => {}); // stopped: the usual end
  return {
    signal: AbortSignal.any([stalled.signal, parent]),
    heard: () => (heardMs = clock.monotonic()),
    stop: () => stopped.abort(),
  };
}
