// A run wherever its rows are: in the ledger, or in a pack among the blobs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { PackedRow } from "@gantry/shared/contract/run-commands.ts";
import type { RunLineRow } from "@gantry/shared/contract/run-rows.ts";
import { unpackRun } from "../adapters/run-packs.ts";
import { act } from "../hub.ts";
import type { Tables } from "../ledger/rows.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, paramOf } from "./context.ts";

const PIECE_BYTES = 1_048_576;
/** JSON of the rows of one command: half of what one log entry holds. */
const PIECE_CHARS = 500_000;

type RunTable = PackedRow[0];

export interface OpenedRun {
  readonly row: RunRow;
  /** `place`: what follows the run's id in the key. */
  readonly get: <T extends Exclude<RunTable, "run">>(
    table: T,
    place: string,
  ) => Tables[T] | undefined;
}

/** Throws not_found; gone where its pack was dropped; data_damaged. */
export async function openRun(parts: DeskParts, request: DeskRequest): Promise<OpenedRun> {
  const { rows } = parts.hub;
  const id = paramOf(request, "id");
  const packed = packedLine(parts, id);
  if (packed === undefined) {
    const row = rows.get("run", id);
    if (row === undefined) throw new GantryError("not_found", `There is no run ${id}`);
    return { row, get: (table, place) => rows.get(table, `${id}/${place}`) };
  }
  const found = new Map<string, unknown>();
  for (const [table, place, row] of await readPacked(parts, packed))
    found.set(`${table} ${place}`, row);
  return {
    row: found.get("run ") as RunRow, // hands/run-history.ts put it there
    get: <T extends RunTable>(table: T, place: string) =>
      found.get(`${table} ${place}`) as Tables[T] | undefined, // as that table had it
  };
}

type PackedLine = RunLineRow & { readonly pack: NonNullable<RunLineRow["pack"]> };

function packedLine({ hub }: DeskParts, id: string): PackedLine | undefined {
  const line = hub.rows.get("runLine", id);
  return line?.pack === undefined ? undefined : { ...line, pack: line.pack };
}

/** For what changes a run: one in a pack is brought back first. Throws conflict. */
export function checkUnpacked(parts: DeskParts, id: string): void {
  if (packedLine(parts, id) === undefined) return;
  throw new GantryError("conflict", `${id} is archived: POST /api/runs/${id}/restore first`, {
    details: { state: "archived" },
  });
}

async function readPacked(
  { hub, blobs }: DeskParts,
  { id, pack }: PackedLine,
): Promise<readonly PackedRow[]> {
  const found = hub.rows.get("runPack", String(pack.number));
  if (found === undefined)
    throw new GantryError(
      "gone",
      `${id} is archived, and its archive was dropped for want of room`,
    );
  if (blobs === undefined) throw new GantryError("not_found", "There is no blob store here");
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < found.sizeBytes;) {
    const piece = await blobs.read(found.sha256, offset, PIECE_BYTES);
    if (piece.length === 0) throw new GantryError("data_damaged", `${found.sha256} is too short`);
    pieces.push(piece);
    offset += piece.length;
  }
  return unpackRun(Buffer.concat(pieces), pack.place, id);
}

/** Its rows are in the ledger again, for another LIFE.runHotMs. Of one that is there: nothing. */
export async function runRestored(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const id = paramOf(request, "id");
  const line = packedLine(parts, id);
  if (line !== undefined) {
    const { replay: _, session: __, ...by } = byOf(request); // each piece is a command of its own
    for (const { rows, isLast } of piecesOf(await readPacked(parts, line))) {
      const piece = { type: "runRestored" as const, run: id, pack: line.pack.number, rows, isLast };
      await act(parts.hub, piece, by, signal);
    }
  }
  const { row } = await openRun(parts, request);
  return { run: { id, state: row.state.state } };
}

function* piecesOf(
  rows: readonly PackedRow[],
): Generator<{ readonly rows: readonly PackedRow[]; readonly isLast: boolean }> {
  let piece: PackedRow[] = [];
  let chars = 0;
  for (const row of rows) {
    const length = JSON.stringify(row).length;
    if (length > PIECE_CHARS)
      throw new GantryError("too_large", `A row of ${length} bytes cannot go back into the log`);
    if (piece.length > 0 && chars + length > PIECE_CHARS) {
      yield { rows: piece, isLast: false };
      piece = [];
      chars = 0;
    }
    piece.push(row);
    chars += length;
  }
  yield { rows: piece, isLast: true };
}
