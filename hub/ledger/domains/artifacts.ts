// What runs leave behind, and by what it is found. Lists are of numbers in the order in which things
// were kept (../postings.ts), so a time is found by halving.
//
//   artifacts/N             the N-th one kept -> id          artifacts/of/RUN, artifacts/by/PERSON,
//                                                            artifacts/type/TYPE, artifacts/kind/KIND,
//                                                            artifacts/word/WORD -> N
//
// AR1. One thing has one record: it is named by run, place and attempt, or by what the writer was asked
//      for, so a fact that is told twice keeps it once.
// AR2. LIMIT.artifacts records, and LIMIT.artifactBytes of values: the oldest leave the list. A number
//      in a list whose record has left, or is of another number, counts for nothing.
// AR3. A replay leaves nothing behind: it reaches nobody (RH4 of hands/runs.ts).

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ArtifactRow } from "@gantry/shared/contract/artifacts.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { DOCUMENT_TYPES } from "@gantry/shared/contract/documents.ts";
import type { NamedValue } from "../../workflow/engine-types.ts";
import { isObject, type Json } from "../../workflow/json-value.ts";
import { allRead, type Context, rowOf } from "../context.ts";
import { makePostings, type Postings } from "../postings.ts";
import { OF_RESULTS, type RunRow } from "../run-row.ts";
import { searchWords } from "./run-index.ts";

const ALL = "artifacts";
/** Below this number, none is left. */
export const ARTIFACTS_DROPPED = "artifacts/dropped";
const BYTES = "artifacts/bytes";
const DROPS_MAX = 64; // by one that is kept: large ones come after many small ones
const NAME_WORDS_MAX = 20;

/** `finished` of a place gives the same name again, its retry another one. */
export const artifactIdOf = (run: string, place: string, attempt: number): string =>
  `art_${sha256(`${run} ${place} ${attempt}`).slice(0, 26)}`;

/** Of artifact nodes; the caller flushes the postings. */
export function keepValues(
  context: Context,
  postings: Postings,
  row: RunRow,
  named: readonly NamedValue[],
): void {
  if (row.replayOf !== undefined || !allRead(context, OF_RESULTS)) return; // AR3
  for (const { place, attempt, name, mediaType, value } of named) {
    const id = artifactIdOf(row.id, place, attempt);
    if (context.rows.get("artifact", id) !== undefined) continue; // AR1
    const blob = blobOf(value);
    const sizeBytes = blob?.sizeBytes ?? sizeOf(value);
    const words = [name, row.workflow].flatMap(searchWords).slice(0, NAME_WORDS_MAX);
    const made = {
      id,
      kind: "value" as const,
      name: name.slice(0, 200),
      mediaType,
      by: row.by,
      ...ofRun(row, place),
      sizeBytes,
      ...(blob === undefined ? {} : { blob }),
    };
    if (blob === undefined) context.rows.cool("artifactValue", id, { value });
    keep(context, postings, made, words, blob === undefined ? sizeBytes : 0);
  }
}

const ofRun = (
  { id, root, workflow }: RunRow,
  place: string,
): Pick<ArtifactRow, "run" | "root" | "place" | "workflow"> => ({
  run: id,
  place,
  ...(root === id ? {} : { root }),
  ...(workflow === "" ? {} : { workflow }),
});

/** As hub/hands/run-calls.ts makes them; what only looks like one is kept as it is. */
function blobOf(value: Json): { readonly sha256: string; readonly sizeBytes: number } | undefined {
  if (!isObject(value) || Object.keys(value).length !== 2) return undefined;
  const { $blob, sizeBytes } = value;
  if (typeof $blob !== "string" || typeof sizeBytes !== "number") return undefined;
  return /^[0-9a-f]{64}$/.test($blob) ? { sha256: $blob, sizeBytes } : undefined;
}

const sizeOf = (value: Json): number =>
  Buffer.byteLength(typeof value === "string" ? value : JSON.stringify(value));

export function documentKept(context: Context, command: CommandOf<"documentKept">): unknown {
  const { rows } = context;
  const { artifact, title, author, words, files, found, place } = command;
  if (rows.get("artifact", artifact) !== undefined) return { artifact }; // AR1
  const [first] = Object.entries(files);
  if (first === undefined) throw new GantryError("bad_request", "A document has one file at least");
  const run = command.run === undefined ? undefined : rowOf(context, "run", command.run, "run");
  const postings = makePostings(rows);
  const made = {
    id: artifact,
    kind: "document" as const,
    name: title,
    mediaType: DOCUMENT_TYPES[first[0] as keyof typeof files], // a key of `files`
    by: run?.by ?? context.command.actor,
    ...(author === "" ? {} : { author }),
    ...(run === undefined ? {} : ofRun(run, place ?? "")),
    sizeBytes: Object.values(files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    words,
    files,
  };
  keep(context, postings, made, found.slice(0, LIMIT.documentWords.max), 0);
  postings.flush();
  context.audit("document.kept", artifact, {
    title,
    ...(run === undefined ? {} : { run: run.id }),
  });
  return { artifact };
}

function keep(
  context: Context,
  postings: Postings,
  made: Omit<ArtifactRow, "number" | "atMs">,
  words: readonly string[],
  ownBytes: number,
): void {
  const { rows, nowMs } = context;
  const number = rows.get("count", ALL) ?? 0;
  const row: ArtifactRow = { ...made, number, atMs: nowMs };
  rows.cool("artifact", row.id, row);
  rows.cool("order", `${ALL}/${number}`, row.id);
  rows.cool("count", ALL, number + 1);
  rows.cool("count", BYTES, (rows.get("count", BYTES) ?? 0) + ownBytes);
  for (const list of listsOf(row)) postings.append(list, number);
  for (const word of new Set(words)) postings.append(`${ALL}/word/${word}`, number);
  const { id, kind, name, run, sizeBytes } = row;
  context.emit("artifact.kept", id, {
    id,
    kind,
    name,
    sizeBytes,
    ...(run === undefined ? {} : { run }),
  });
  makeRoom(context, number + 1);
}

function listsOf({ run, root, kind, mediaType, by, files }: ArtifactRow): readonly string[] {
  const types = files === undefined ? [mediaType] : Object.keys(files);
  return [
    ...[run, root].flatMap((each) => (each === undefined ? [] : [`${ALL}/of/${each}`])),
    `${ALL}/kind/${kind}`,
    `${ALL}/by/${by}`,
    ...types.map((type) => `${ALL}/type/${type}`),
  ];
}

/** AR2. */
function makeRoom(context: Context, count: number): void {
  const { rows } = context;
  let dropped = rows.get("count", ARTIFACTS_DROPPED) ?? 0;
  const isOver = (): boolean =>
    count - dropped > LIMIT.artifacts.max ||
    (rows.get("count", BYTES) ?? 0) > LIMIT.artifactBytes.max;
  if (!isOver()) return;
  for (let drops = 0; drops < DROPS_MAX && dropped < count - 1 && isOver(); drops += 1) {
    const id = rows.get("order", `${ALL}/${dropped}`);
    const row = id === undefined ? undefined : rows.get("artifact", id);
    if (row !== undefined) forget(context, row);
    rows.remove("order", `${ALL}/${dropped}`);
    dropped += 1;
  }
  rows.cool("count", ARTIFACTS_DROPPED, dropped);
}

function forget({ rows }: Context, row: ArtifactRow): void {
  rows.remove("artifact", row.id);
  if (row.kind !== "value" || row.blob !== undefined) return;
  rows.remove("artifactValue", row.id);
  rows.cool("count", BYTES, Math.max(0, (rows.get("count", BYTES) ?? 0) - row.sizeBytes));
}

export function artifactDropped(context: Context, command: CommandOf<"artifactDropped">): unknown {
  const row = rowOf(context, "artifact", command.artifact, "artifact");
  forget(context, row);
  context.audit("artifact.dropped", row.id, { name: row.name });
  return { artifact: row.id };
}
