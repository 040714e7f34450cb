// Ended runs on their way out of the ledger: into packs, back from them, and away for good.
//
//   rows --runsPacked--> a place in a pack --runRestored--> rows
//                        the pack --runPacksDropped--> nothing but the line
//
// RA1. A line stays for ever: lists, sums and searches are the same wherever the rows are.
// RA2. The bytes are on enough hubs before a command names them, and rows leave the ledger in the
//      command that says where they are: at each position they are in exactly one of the two.
// RA3. What has changed since the pack was made (a retry, an end of its own) is not packed: its place
//      in the pack is one that nobody reads.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { PackedRun } from "@gantry/shared/contract/run-commands.ts";
import type { RunLineRow } from "@gantry/shared/contract/run-rows.ts";
import { OF_RESULTS } from "../run-row.ts";
import { allRead, appendOrder, type Context, rowOf } from "../context.ts";

const PACKS = "runPacks";
export const PACKS_DROPPED = "runPacks/dropped";
export const PACK_BYTES = "runPacks/bytes";
/** Places of `runs/ended` below this one hold nothing to pack. */
export const PACKED_THROUGH = "runs/packed";

export function runsPacked(context: Context, command: CommandOf<"runsPacked">): unknown {
  const { rows } = context;
  const { sha256, sizeBytes, through } = command;
  const count = (name: string): number => rows.get("count", name) ?? 0;
  if (through > count("runs/ended") || through < count(PACKED_THROUGH))
    throw new GantryError("conflict", `Runs are packed through ${count(PACKED_THROUGH)} already`);
  const packed = command.runs.map((packedRun) => lineToPack(context, packedRun));
  const kept = packed.filter((line) => line !== undefined).length;
  if (kept === 0 && command.runs.length > 0)
    throw new GantryError("conflict", "All of them have changed since, or are packed");
  rows.cool("count", PACKED_THROUGH, through);
  if (kept === 0) return { packed: 0 };
  const number = count(PACKS);
  rows.cool("runPack", String(number), { sha256, sizeBytes, runs: kept, atMs: context.nowMs });
  rows.cool("count", PACKS, number + 1);
  rows.cool("count", PACK_BYTES, count(PACK_BYTES) + sizeBytes);
  for (const [place, line] of packed.entries()) {
    if (line === undefined) continue;
    forget(context, line, command.runs[place]?.recorded ?? []);
    rows.cool("runLine", line.id, { ...line, pack: { number, place } });
  }
  if (allRead(context, OF_RESULTS))
    context.emit("run.archived", `pack/${number}`, {
      sha256,
      runs: packed.flatMap((line) => (line === undefined ? [] : [line.id])),
    });
  context.audit("runs.packed", sha256, { runs: kept, sizeBytes });
  return { packed: kept, pack: number };
}

/** RA3. */
function lineToPack({ rows }: Context, { run, ended }: PackedRun): RunLineRow | undefined {
  const line = rows.get("runLine", run);
  if (line === undefined || line.pack !== undefined) return undefined;
  return (line.back ?? line.ended) === ended ? line : undefined;
}

function forget({ rows }: Context, line: RunLineRow, recorded: readonly string[]): void {
  const { id, entries, revision } = line;
  rows.remove("run", id);
  for (let n = 0; n < entries; n += 1) rows.remove("timeline", `${id}/${n}`);
  for (let n = 1; n <= revision; n += 1) rows.remove("runPatch", `${id}/${n}`);
  for (const place of recorded) rows.remove("recorded", `${id}/${place}`);
}

/** Throws not_found, conflict where it is not in that pack, bad_request for rows in the wrong order. */
export function runRestored(context: Context, command: CommandOf<"runRestored">): unknown {
  const { rows } = context;
  const { run, pack, isLast } = command;
  const line = rowOf(context, "runLine", run, "run that is over");
  if (line.pack?.number !== pack)
    throw new GantryError("conflict", `${run} is not in pack ${pack}`, {
      details: { pack: line.pack?.number },
    });
  const hasRun = command.rows.some(([table]) => table === "run");
  if (hasRun !== isLast)
    throw new GantryError("bad_request", "The row of the run itself is in the last piece, alone");
  for (const [table, id, row] of command.rows) {
    const key = id === "" ? run : `${run}/${id}`;
    rows.cool(table, key, row as never); // as this table had it when it was packed
  }
  if (!isLast) return { run };
  const { pack: _, ...rest } = line;
  const back = appendOrder(context, "runs/ended", run);
  rows.cool("runLine", run, { ...rest, back, backAtMs: context.nowMs });
  context.audit("run.restored", run, { pack });
  return { run };
}

export function runPacksDropped(context: Context, command: CommandOf<"runPacksDropped">): unknown {
  const { rows } = context;
  const first = rows.get("count", PACKS_DROPPED) ?? 0;
  const { below } = command;
  if (below <= first || below > (rows.get("count", PACKS) ?? 0))
    throw new GantryError("conflict", `Packs are dropped below ${first} already`);
  let bytes = rows.get("count", PACK_BYTES) ?? 0;
  let runs = 0;
  for (let number = first; number < below; number += 1) {
    const pack = rows.get("runPack", String(number));
    bytes -= pack?.sizeBytes ?? 0;
    runs += pack?.runs ?? 0;
    rows.remove("runPack", String(number));
  }
  rows.cool("count", PACKS_DROPPED, below);
  rows.cool("count", PACK_BYTES, bytes);
  context.audit("runs.dropped", String(below), { packs: below - first, runs });
  return { dropped: below - first };
}
