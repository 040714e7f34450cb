// What a print does to the farm: it reserves filament with its lease, takes it when it ends, and adds
// to the hours of its printer. All of it touches only rows that commands of the farm have made, so an
// older release, which has no such rows, does the same to the rows that it has (hub/cluster/formats.ts).
//
// FR1. Filament is reserved with the lease and let go of with it: a spool is never promised twice.
// FR2. A print ends once, so it takes its filament and adds its hours once.

import type { FarmPrinterRow, PrintUse, SpoolRow } from "@gantry/shared/contract/farm.ts";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import { gramsOf, useOf } from "../../farm/use.ts";
import type { Context } from "../context.ts";

function loadedAt(
  { rows }: Context,
  printer: string,
): {
  readonly profile: FarmPrinterRow | undefined;
  readonly spool: SpoolRow | undefined;
} {
  const profile = rows.get("farmPrinter", printer);
  return {
    profile,
    spool: profile?.spool === undefined ? undefined : rows.get("spool", profile.spool),
  };
}

/** FR1. What the lease adds to the print. */
export function reserveFilament(context: Context, row: PrintRow): { grams?: number } {
  const { spool } = loadedAt(context, row.printer);
  if (spool === undefined) return {};
  const grams = row.grams ?? gramsOf(row.gcode, undefined);
  putSpool(context, { ...spool, reserved: { job: row.id, grams } });
  return { grams };
}

/** FR1. The lease is given back and nothing was printed. */
export function releaseFilament(context: Context, row: PrintRow): void {
  const { spool } = loadedAt(context, row.printer);
  if (spool?.reserved?.job === row.id) putSpool(context, unreserved(spool));
}

/** FR2. What the print took; undefined where its printer is not of the farm. */
export function settleFilament(
  context: Context,
  row: PrintRow,
  isDone: boolean,
): PrintUse | undefined {
  const { profile, spool: loaded } = loadedAt(context, row.printer);
  if (profile === undefined) return undefined;
  const spool = loaded?.reserved?.job === row.id ? loaded : undefined;
  const use = useOf(row, isDone, row.progress, context.command.atMs, profile, spool);
  if (spool !== undefined) {
    const usedG = use.grams ?? 0;
    const leftG = Math.max(0, hundredths(spool.leftG - usedG));
    putSpool(context, { ...unreserved(spool), leftG, usedG: hundredths(spool.usedG + usedG) });
  }
  if (use.printedS > 0) {
    context.rows.put("farmPrinter", profile.id, {
      ...profile,
      printedS: profile.printedS + use.printedS,
      sinceMaintenanceS: profile.sinceMaintenanceS + use.printedS,
    });
  }
  return row.startedCount === 0 ? undefined : use;
}

export function putSpool(context: Context, row: SpoolRow): void {
  const after = { ...row, changedAtMs: context.command.atMs };
  context.rows.put("spool", row.id, after);
  context.emit("farm.changed", row.id, { kind: "spool", ...after });
}

function unreserved(spool: SpoolRow): SpoolRow {
  const { reserved: _, ...rest } = spool;
  return rest;
}

const hundredths = (grams: number): number => Math.round(grams * 100) / 100;
