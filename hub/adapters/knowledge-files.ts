// Files of folders that the hub may read: what is there, and the text of each.
//
// KF1. Only below the folders that the operator named (GANTRY_KNOWLEDGE), after every link is resolved:
//      a link out of a folder is not followed, nor is anything whose name begins with a dot.
// KF2. A file is opened once and read from that handle, no more than LIMIT.knowledgeFileBytes of it.

import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { extname, join, relative, resolve, sep } from "node:path";
import { Worker } from "node:worker_threads";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { DocumentFacts } from "@gantry/shared/contract/memory.ts";
import type { PdfAnswer } from "./pdf-text-worker.ts";

const FORMATS: Readonly<Record<string, DocumentFacts["format"]>> = {
  ".md": "markdown",
  ".markdown": "markdown",
  ".txt": "text",
  ".text": "text",
  ".rst": "text",
  ".pdf": "pdf",
  ".gcode": "gcode",
  ".gco": "gcode",
  ".g": "gcode",
};
const DEPTH_MAX = 12;
const PDF_MS = 60_000;
const PDF_HEAP_MB = 256;

export interface FoundFile {
  /** Within the folder, with `/`. */
  readonly path: string;
  readonly format: DocumentFacts["format"];
}

export interface ReadFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Left out where the hash is the one that was known. */
  readonly text?: string;
}

export interface KnowledgeFiles {
  /** The folder as it really stands. Throws forbidden, not_found. */
  folder(path: string): Promise<string>;
  /** In order of their names. Throws too_large, not_found, io_error. */
  list(folder: string): Promise<readonly FoundFile[]>;
  /** `known`: the hash for which the text is there already. Throws too_large, io_error, bad_request, timeout. */
  read(folder: string, file: FoundFile, known: string | undefined): Promise<ReadFile>;
}

/** `roots`: GANTRY_KNOWLEDGE. */
export function makeKnowledgeFiles(roots: readonly string[]): KnowledgeFiles {
  async function inside(path: string): Promise<string> {
    const real = await realpath(path).catch((cause: unknown) => {
      throw new GantryError("not_found", `There is no folder ${path} on this hub`, { cause });
    });
    for (const root of roots) {
      const top = await realpath(root).catch(() => undefined);
      if (top !== undefined && (real === top || real.startsWith(`${top}${sep}`))) return real; // KF1
    }
    const named = roots.length === 0 ? "none" : roots.join(", ");
    throw new GantryError("forbidden", `${path} is in no folder of GANTRY_KNOWLEDGE (${named})`);
  }

  return {
    async folder(path) {
      const real = await inside(resolve(path));
      if (!(await stat(real)).isDirectory())
        throw new GantryError("bad_request", `${path} is no folder`);
      return real;
    },
    async list(folder) {
      const found: FoundFile[] = [];
      await walk(await inside(folder), folder, 0, found);
      return found;
    },
    async read(folder, { path, format }, known) {
      const real = await inside(join(folder, path));
      const bytes = await bytesOf(real, path);
      const hash = sha256(bytes);
      const facts = { sha256: hash, sizeBytes: bytes.length };
      if (hash === known) return facts;
      return { ...facts, text: format === "pdf" ? await textOfPdf(bytes) : textOf(bytes, path) };
    },
  };
}

async function walk(top: string, folder: string, depth: number, found: FoundFile[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < DEPTH_MAX) await walk(top, path, depth + 1, found);
    const format = FORMATS[extname(entry.name).toLowerCase()];
    if (!entry.isFile() || format === undefined) continue;
    if (found.length >= LIMIT.knowledgeDocuments.max)
      throw new GantryError(
        "too_large",
        `${top} has more than ${LIMIT.knowledgeDocuments.max} documents`,
      );
    found.push({ path: relative(top, path).split(sep).join("/"), format });
  }
}

/** KF2. */
async function bytesOf(real: string, path: string): Promise<Uint8Array> {
  await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { size } = await file.stat();
  if (size > LIMIT.knowledgeFileBytes.max)
    throw new GantryError(
      "too_large",
      `${path} is larger than ${LIMIT.knowledgeFileBytes.max} bytes`,
    );
  const bytes = new Uint8Array(size);
  let read = 0;
  while (read < size) {
    const { bytesRead } = await file.read(bytes, read, size - read, read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new GantryError("bad_request", `${path} is not text in UTF-8`, { cause });
  }
}

function textOfPdf(bytes: Uint8Array): Promise<string> {
  const worker = new Worker(new URL("pdf-text-worker.ts", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: PDF_HEAP_MB },
    stderr: true,
    stdout: true,
  });
  return new Promise<string>((done, failed) => {
    const fail = (why: string): void =>
      failed(new GantryError("bad_request", `The PDF file cannot be read: ${why}`));
    const over = systemClock.timeout(PDF_MS);
    over.addEventListener("abort", () => fail(`not within ${PDF_MS} ms`), { once: true });
    worker.once("message", (answer: PdfAnswer) => {
      if ("error" in answer) fail(answer.error);
      else done(answer.pages.join("\n\n"));
    });
    worker.once("error", (error) => fail(String(error).slice(0, 200)));
    worker.once("exit", () => fail("its reader ended"));
    worker.postMessage({ bytes });
  }).finally(() => void worker.terminate());
}
