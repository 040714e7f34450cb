// How prints turned out, counted by printer, material and file.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { PrintOutcome, TallyRow } from "@gantry/shared/contract/farm.ts";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import type { Context } from "../context.ts";

const OTHER = "other";

export function countOutcome(context: Context, row: PrintRow, outcome: PrintOutcome): void {
  const { rows } = context;
  const { sha256, analysis } = row.gcode;
  const material = (
    row.use?.material ??
    row.farm?.needs.material ??
    analysis?.filament.material ??
    "unknown"
  ).toUpperCase();
  const printerKey = `printer/${row.printer}`;
  rows.put("tally", printerKey, counted(context, printerKey, row.printer, row, outcome));
  const materialKey = `material/${roomFor(context, material)}`;
  rows.put("tally", materialKey, counted(context, materialKey, material, row, outcome));
  const fileKey = `file/${sha256}`;
  if (rows.get("tally", fileKey) === undefined) takeSlot(context, fileKey);
  rows.cool("tally", fileKey, counted(context, fileKey, row.name, row, outcome));
}

/** LIMIT.farmMaterials: names come from files and people. */
function roomFor({ rows }: Context, material: string): string {
  if (rows.get("tally", `material/${material}`) !== undefined) return material;
  const known = [...rows.hot("tally").keys()].filter((key) => key.startsWith("material/"));
  return known.length < LIMIT.farmMaterials.max ? material : OTHER;
}

/** LIMIT.farmFiles: a ring; the place of `order` that comes round names the file that goes. */
function takeSlot({ rows }: Context, key: string): void {
  const made = rows.get("count", "tallies") ?? 0;
  const slot = `tallies/${made % LIMIT.farmFiles.max}`;
  const dropped = rows.get("order", slot);
  if (dropped !== undefined) rows.remove("tally", dropped);
  rows.cool("order", slot, key);
  rows.cool("count", "tallies", made + 1);
}

function counted(
  { rows, command }: Context,
  key: string,
  name: string,
  { use }: PrintRow,
  { isGood, reason }: PrintOutcome,
): TallyRow {
  const before = rows.get("tally", key);
  const reasons = before?.reasons ?? {};
  return {
    key,
    name,
    good: (before?.good ?? 0) + (isGood ? 1 : 0),
    bad: (before?.bad ?? 0) + (isGood ? 0 : 1),
    reasons:
      isGood || reason === undefined
        ? reasons
        : { ...reasons, [reason]: (reasons[reason] ?? 0) + 1 },
    printedS: (before?.printedS ?? 0) + (use?.printedS ?? 0),
    grams: Math.round(((before?.grams ?? 0) + (use?.grams ?? 0)) * 100) / 100,
    changedAtMs: command.atMs,
  };
}
