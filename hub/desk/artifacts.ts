// Use cases: results of runs, artifacts, documents.
//
// UA1. A page looks at LIMIT.runLooks entries of an index at most; a short one has `next` all the same.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ArtifactRow } from "@gantry/shared/contract/artifacts.ts";
import { DOCUMENT_TYPES, type DocumentFormat } from "@gantry/shared/contract/documents.ts";
import type {
  ArtifactPiece,
  ArtifactView,
  DocumentOrder,
} from "@gantry/shared/contract/schemas/artifacts.ts";
import { readMarkdown } from "../documents/read-markdown.ts";
import { runReport } from "../hands/documents.ts";
import { artifactAt, artifactView, resultOf } from "../hands/run-results.ts";
import { act } from "../hub.ts";
import { searchWords } from "../ledger/domains/run-index.ts";
import { type Numbers, numbersIn } from "../ledger/postings.ts";
import type { Rows } from "../ledger/rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, paramOf } from "./context.ts";
import { openRun } from "./run-archive.ts";
import { firstPlace } from "./run-list.ts";

const PIECE_BYTES = 1_048_576;

export async function runResult(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const source = await openRun(parts, request);
  const limit = Number(request.query["limit"] ?? 50);
  return resultOf(
    parts.hub.rows,
    source,
    { after: cursorOf(request) ?? 0, limit },
    parts.hub.stampMs(),
  );
}

function cursorOf({ query }: DeskRequest): number | undefined {
  const after = query["after"];
  if (after === undefined) return undefined;
  const number = Number(after);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new GantryError("bad_request", "The cursor `after` is not one of ours");
}

interface ArtifactsQuery {
  readonly run?: string;
  readonly kind?: string;
  readonly type?: string;
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly text?: string;
}

/** The newest first; of all that is asked for the shortest list is walked. */
export function artifacts({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const query = request.query as ArtifactsQuery;
  const limit = Number(request.query["limit"] ?? 50);
  const lists = listsFor(query);
  const count = rows.get("count", "artifacts") ?? 0;
  const [fromMs, toMs] = [timeOf(query.from, -Infinity), timeOf(query.to, Infinity)];
  const numbers = lookDown(rows, lists, count);
  const found: ArtifactView[] = [];
  const start = Math.min(
    cursorOf(request) ?? Infinity,
    query.to === undefined ? count : beforeTime(rows, count, toMs),
  );
  let looks = 0;
  let next: number | undefined;
  for (const { number, isLike } of numbers(start)) {
    if (found.length >= limit || looks >= LIMIT.runLooks.max) {
      next = number + 1; // UA1
      break;
    }
    looks += 1;
    const row = isLike ? artifactAt(rows, number) : undefined;
    if (row === undefined) continue;
    if (row.atMs < fromMs) break;
    if (row.atMs < toMs) found.push(artifactView(row));
  }
  return { artifacts: found, ...(next === undefined ? {} : { next: String(next) }) };
}

const timeOf = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : Date.parse(text);

/** The first number that was kept at this time or later; one that has left the list counts as old. */
const beforeTime = (rows: Rows, count: number, toMs: number): number =>
  firstPlace(count, (number) => (artifactAt(rows, number)?.atMs ?? -Infinity) >= toMs);

function listsFor({ run, kind, type, by, text }: ArtifactsQuery): readonly string[] {
  const words = text === undefined ? [] : [...new Set(searchWords(text))];
  if (text !== undefined && words.length === 0)
    throw new GantryError("bad_request", "text: there is no word in it");
  const named = { of: run, kind, type, by };
  return [
    ...Object.entries(named).flatMap(([name, value]) =>
      value === undefined ? [] : [`artifacts/${name}/${value}`],
    ),
    ...words.map((word) => `artifacts/word/${word}`),
  ];
}

interface Look {
  readonly number: number;
  readonly isLike: boolean;
}

const holds = (list: Numbers, number: number): boolean => {
  const place = firstPlace(list.count, (at) => list.at(at) >= number);
  return place < list.count && list.at(place) === number;
};

/** Numbers below a start, downwards, and whether they are in all lists: halving says so for each other list. */
function lookDown(
  rows: Rows,
  lists: readonly string[],
  count: number,
): (before: number) => Generator<Look, void> {
  const [shortest, ...others] = lists
    .map((list) => numbersIn(rows, list))
    .toSorted((a, b) => a.count - b.count);
  const walked = shortest ?? { count, at: (place: number) => place };
  return function* down(before) {
    const start = Math.min(
      walked.count,
      firstPlace(walked.count, (at) => walked.at(at) >= before),
    );
    for (let place = start - 1; place >= 0; place -= 1) {
      const number = walked.at(place);
      yield { number, isLike: others.every((list) => holds(list, number)) };
    }
  };
}

function rowFor({ hub }: DeskParts, request: DeskRequest): ArtifactRow {
  const id = paramOf(request, "id");
  const row = hub.rows.get("artifact", id);
  if (row === undefined) throw new GantryError("not_found", `There is no artifact ${id}`);
  return row;
}

export const artifact = (parts: DeskParts, request: DeskRequest): ArtifactView =>
  artifactView(rowFor(parts, request));

export async function artifactDropped(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const body = { type: "artifactDropped" as const, artifact: paramOf(request, "id") };
  return act(parts.hub, body, byOf(request), signal);
}

/** A piece; the door asks for the next until it has them all. */
export async function artifactContent(
  parts: DeskParts,
  request: DeskRequest,
): Promise<ArtifactPiece> {
  const row = rowFor(parts, request);
  const offset = Number(request.query["offset"] ?? 0);
  const file = fileOf(row, request.query["format"] as DocumentFormat | undefined); // of its schema
  if (file.sha256 !== undefined) {
    if (parts.blobs === undefined)
      throw new GantryError("not_found", "There is no blob store here");
    const bytes = await parts.blobs.read(file.sha256, offset, PIECE_BYTES);
    return { ...file, sha256: file.sha256, base64: Buffer.from(bytes).toString("base64") };
  }
  const kept = parts.hub.rows.get("artifactValue", row.id);
  if (kept === undefined) throw new GantryError("gone", `${row.id} has left the list`);
  const { value } = kept;
  const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  const piece = bytes.subarray(offset, offset + PIECE_BYTES);
  return {
    ...file,
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    base64: piece.toString("base64"),
  };
}

type NamedFile = Pick<ArtifactPiece, "name" | "mediaType" | "sizeBytes"> & {
  readonly sha256?: string;
};

function fileOf(row: ArtifactRow, format: DocumentFormat | undefined): NamedFile {
  if (row.kind === "value") {
    const { name, mediaType, sizeBytes, blob } = row;
    // Where the run holds it as a blob, that is its JSON.
    return blob === undefined
      ? { name, mediaType, sizeBytes }
      : { name, mediaType: "application/json", ...blob };
  }
  const files = row.files ?? {};
  const wanted = format ?? (Object.keys(files)[0] as DocumentFormat | undefined); // keys of `files`
  const file = wanted === undefined ? undefined : files[wanted];
  if (file === undefined || wanted === undefined)
    throw new GantryError("not_found", `${row.id} has no file of format ${wanted ?? "at all"}`, {
      details: { formats: Object.keys(files) },
    });
  return { name: `${row.name}.${wanted}`, mediaType: DOCUMENT_TYPES[wanted], ...file };
}

export async function documentWritten(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ArtifactView> {
  const { hub, documents } = parts;
  if (documents === undefined)
    throw new GantryError("capability_missing", "No documents are written here");
  const order = request.body as DocumentOrder;
  const { markdown, blocks, run, title, author, formats } = order;
  if ([markdown, blocks, run].filter((each) => each !== undefined).length !== 1)
    throw new GantryError("bad_request", "Give one of markdown, blocks and run");
  const content =
    blocks ??
    (markdown === undefined
      ? runReport(hub, await openRun(parts, { ...request, params: { id: run ?? "" } })).blocks
      : readMarkdown(markdown));
  const { replay, ...by } = byOf(request);
  const kept = await documents.write(
    {
      model: { title, author, blocks: content },
      formats,
      ...(run === undefined ? {} : { run }),
      key: replay?.key ?? request.requestId,
    },
    replay === undefined ? by : { ...by, replay },
    signal,
  );
  const row = hub.rows.get("artifact", kept.artifact);
  if (row === undefined)
    throw new GantryError("gone", `${kept.artifact} has left the list already`);
  return artifactView(row);
}
