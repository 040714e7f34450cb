// Folders whose documents the house knows: read when asked and by schedule, searched by words and by
// likeness, named in answers.
//
// KW1. A refresh reads what changed, by hash, and becomes one command; what could not be read keeps its
//      version and is named.
// KW2. One refresh of a folder at a time, and none beside research: both hold the lock `research`.
// KW3. Text reaches other hubs as blobs before the log names it.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  DocumentFacts,
  DocumentRow,
  KnowledgeFault,
  KnowledgeRow,
} from "@gantry/shared/contract/memory.ts";
import type { FoundFile, KnowledgeFiles } from "../adapters/knowledge-files.ts";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import { act, byHub, type By, type Hub, propose } from "../hub.ts";
import { type Chunk, chunksOf, chunkText } from "../memory/chunks.ts";
import { type Hit, makeHybridIndex } from "../memory/hybrid-index.ts";
import { indexVectors, vectorOf } from "./index-vectors.ts";
import type { Models } from "./models.ts";

/** Held by whoever changes or reads outside knowledge at length. */
export const RESEARCH_LOCK = "research";
/** Name of the event by which a schedule asks for a refresh; its data may name one folder. */
export const REFRESH_EVENT = "knowledge.refresh";
const LOCK_MS = 600_000;
const GROUP = "knowledge";
const ALIKE = 0.5;

export interface KnowledgeHit {
  readonly id: string;
  readonly document: DocumentRow;
  readonly chunk: Chunk;
  readonly likeness: number | undefined;
}

export interface Source {
  readonly name: string;
  readonly text: string;
}

export interface Refreshed {
  readonly version: number;
  readonly read: number;
  readonly gone: number;
  readonly faults: number;
}

export interface Knowledge {
  readonly facts: { readonly documents: number; readonly chunks: number; readonly vectors: number };
  checkFolder(path: string): Promise<string>;
  /** Throws not_found, lock_held, conflict, too_large, io_error. */
  refresh(id: string, by: By, signal: AbortSignal): Promise<Refreshed>;
  search(text: string, count: number, signal: AbortSignal): Promise<readonly KnowledgeHit[]>;
  /** For an answer; `vector`: of `text`, if somebody has it already. */
  find(
    text: string,
    vector: { readonly tag: string; readonly vector: readonly number[] } | undefined,
    count: number,
  ): readonly Source[];
  /** Vectors, and refreshes by schedule; of the leader. */
  run(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface KnowledgeParts {
  readonly hub: Hub;
  readonly models: Pick<Models, "embed">;
  readonly files: KnowledgeFiles;
  readonly blobs: Pick<ClusterBlobs, "store" | "spread">;
}

export function makeKnowledge({ hub, models, files, blobs }: KnowledgeParts): Knowledge {
  const { rows } = hub;
  const index = makeHybridIndex();
  const chunks = new Map<string, { readonly document: string; readonly chunk: Chunk }>();
  const ofDocument = new Map<string, { readonly text: string; readonly ids: readonly string[] }>();
  const refreshing = new Map<string, Promise<Refreshed>>();

  // ── index ─────────────────────────────────────────────────────────────────────────────────────

  function forget(id: string): void {
    for (const chunk of ofDocument.get(id)?.ids ?? []) {
      index.drop(chunk);
      chunks.delete(chunk);
    }
    ofDocument.delete(id);
  }

  async function take(id: string, row: DocumentRow | undefined): Promise<void> {
    if (row === undefined) return forget(id);
    if (ofDocument.get(id)?.text === row.text) return undefined;
    try {
      const text = await readText(row);
      if (rows.hot("document").get(id)?.text !== row.text) return undefined; // changed meanwhile
      forget(id);
      const found = chunksOf(text, row.format, row.title);
      const room = LIMIT.knowledgeChunks.max - chunks.size;
      const ids = found.slice(0, Math.max(0, room)).map((chunk, at) => {
        const name = `${id}#${at}`;
        chunks.set(name, { document: id, chunk });
        index.put(name, GROUP, chunkText(chunk));
        return name;
      });
      ofDocument.set(id, { text: row.text, ids });
    } catch (error) {
      hub.log.warn({ document: id, error: toErrorRecord(error) }, "a document is not searched");
    }
    return undefined;
  }

  async function readText({ text: blob }: DocumentRow): Promise<string> {
    const size = (await blobs.store.size(blob)) ?? LIMIT.knowledgeFileBytes.max;
    return new TextDecoder().decode(await blobs.store.read(blob, 0, size));
  }

  function load(): void {
    for (const id of ofDocument.keys()) if (!rows.hot("document").has(id)) forget(id);
    for (const [id, row] of rows.hot("document")) void take(id, row);
  }
  load();
  const end = rows.observe("document", {
    changed: (id, row) => void take(id, row),
    reloaded: load,
  });

  // ── refresh ───────────────────────────────────────────────────────────────────────────────────

  async function refreshOnce(id: string, by: By, signal: AbortSignal): Promise<Refreshed> {
    const row = rows.hot("knowledge").get(id);
    if (row === undefined) throw new GantryError("not_found", `There is no knowledge ${id}`);
    const owner = `knowledge/${id}`;
    const lock = { name: RESEARCH_LOCK, owner, ttlMs: LOCK_MS };
    const { token } = (await act(hub, { type: "lockAcquired", ...lock }, byHub(hub), signal)) as {
      token: number; // domains/locks.ts
    }; // KW2
    try {
      const found = await changesOf(row, signal);
      const body = { type: "knowledgeRefreshed" as const, knowledge: id, fromVersion: row.version };
      return (await act(hub, { ...body, ...found }, by, signal)) as Refreshed; // domains/knowledge.ts
    } finally {
      const released = { type: "lockReleased" as const, name: RESEARCH_LOCK, token };
      await propose(hub, released, byHub(hub), new AbortController().signal).catch(() => {});
    }
  }

  /** KW1. */
  async function changesOf(row: KnowledgeRow, signal: AbortSignal) {
    const read: DocumentFacts[] = [];
    const faults: KnowledgeFault[] = [];
    const found = await files.list(row.folder);
    for (const file of found) {
      signal.throwIfAborted();
      try {
        const facts = await documentOf(row, file, signal);
        if (facts !== undefined) read.push(facts);
      } catch (error) {
        if (signal.aborted) throw error;
        if (faults.length < LIMIT.knowledgeDocuments.max)
          faults.push({ path: file.path, error: toErrorRecord(error) });
      }
    }
    const paths = new Set(found.map(({ path }) => path));
    const gone = [...rows.hot("document").values()]
      .filter(({ knowledge, path }) => knowledge === row.id && !paths.has(path))
      .map(({ path }) => path);
    return { read, gone, faults };
  }

  async function documentOf(
    { id, folder }: KnowledgeRow,
    file: FoundFile,
    signal: AbortSignal,
  ): Promise<DocumentFacts | undefined> {
    const known = rows.hot("document").get(`${id}/${file.path}`);
    const { text, ...facts } = await files.read(folder, file, known?.sha256);
    if (text === undefined) return undefined;
    const writer = await blobs.store.write();
    await writer.write(new TextEncoder().encode(text));
    const { sha256 } = await writer.finish();
    await blobs.spread(sha256, signal); // KW3
    return { ...facts, ...file, text: sha256, title: titleOf(text, file) };
  }

  function refresh(id: string, by: By, signal: AbortSignal): Promise<Refreshed> {
    const running = refreshing.get(id);
    if (running !== undefined) return running; // KW2
    const work = refreshOnce(id, by, signal).finally(() => refreshing.delete(id));
    refreshing.set(id, work);
    return work;
  }

  function refreshBySchedule(name: string | undefined, signal: AbortSignal): void {
    for (const { id, name: own } of rows.hot("knowledge").values()) {
      if (name !== undefined && name !== own && name !== id) continue;
      refresh(id, byHub(hub), signal).catch((error: unknown) => {
        if (!signal.aborted)
          hub.log.warn({ knowledge: id, error: toErrorRecord(error) }, "it was not refreshed");
      });
    }
  }

  // ── search ────────────────────────────────────────────────────────────────────────────────────

  const hits = (found: readonly Hit[]): readonly KnowledgeHit[] =>
    found.flatMap(({ id, likeness }) => {
      const of = chunks.get(id);
      const document = of === undefined ? undefined : rows.hot("document").get(of.document);
      return of === undefined || document === undefined
        ? []
        : [{ id, document, chunk: of.chunk, likeness }];
    });

  function near(
    text: string,
    vector: Awaited<ReturnType<typeof vectorOf>>,
    count: number,
  ): readonly Hit[] {
    const asked = { text, groups: [GROUP], count };
    const isSame = vector !== undefined && vector.tag === index.tag;
    return index.search(isSame ? { ...asked, vector: vector.vector } : asked);
  }

  return {
    get facts() {
      return { documents: ofDocument.size, chunks: chunks.size, vectors: index.vectors };
    },
    checkFolder: (path) => files.folder(path),
    refresh,
    async search(text, count, signal) {
      if (chunks.size === 0) return [];
      return hits(near(text, await vectorOf(hub, models, text, signal), count));
    },
    find(text, vector, count) {
      const found = near(text, vector, count).filter(
        ({ byWords, likeness = 0 }) => byWords || likeness >= ALIKE,
      );
      return hits(found).map(({ document, chunk }) => ({
        name: `${document.path}:${chunk.line}`,
        text: chunkText(chunk),
      }));
    },
    async run(signal) {
      hub.feed.watch(
        (items) => {
          for (const item of items) {
            if (item.kind !== "ledger") continue;
            for (const { data } of item.events) heardEvent(data, signal);
          }
        },
        signal,
        ["schedule.event"],
      );
      await indexVectors(hub, models, index, signal);
    },
    close: end,
  };

  function heardEvent(data: unknown, signal: AbortSignal): void {
    const { name, data: asked } = data as { name?: unknown; data?: unknown };
    if (name !== REFRESH_EVENT) return;
    const { knowledge } = (asked ?? {}) as { knowledge?: unknown };
    refreshBySchedule(typeof knowledge === "string" ? knowledge : undefined, signal);
  }
}

function titleOf(text: string, { path, format }: FoundFile): string {
  const heading = format === "markdown" ? /^#\s+(.{1,120}?)\s*#*\s*$/m.exec(text)?.[1] : undefined;
  return heading ?? path;
}
