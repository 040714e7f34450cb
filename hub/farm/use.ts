// What a print takes and what it costs, before and after.

import type { FarmPrinterRow, PrintUse, SpoolRow } from "@gantry/shared/contract/farm.ts";
import type { GcodeFacts, PrintRow } from "@gantry/shared/contract/rows.ts";

/** Of the usual filament, and of PLA: what is taken where nothing is known but the length. */
const DIAMETER_MM = 1.75;
const DENSITY_G_CM3 = 1.24;

/** The file's own figure, else what the person said, else from the length as of PLA. Grams. */
export function gramsOf({ analysis, filamentMm }: GcodeFacts, said: number | undefined): number {
  const known = analysis?.filament.massG ?? said;
  if (known !== undefined) return known;
  const volumeCm3 =
    analysis?.filament.volumeCm3 ?? (filamentMm * Math.PI * (DIAMETER_MM / 2) ** 2) / 1_000;
  return Math.round(volumeCm3 * DENSITY_G_CM3 * 100) / 100;
}

/** What it did take: all of it when it is done, else as far as it came. */
export function useOf(
  row: PrintRow,
  isDone: boolean,
  progress: number,
  endedAtMs: number,
  profile: FarmPrinterRow | undefined,
  spool: SpoolRow | undefined,
): PrintUse {
  const { startedAtMs, grams: whole } = row;
  const printedS =
    startedAtMs === undefined ? 0 : Math.max(0, Math.round((endedAtMs - startedAtMs) / 1_000));
  const share = row.startedCount === 0 ? 0 : isDone ? 1 : progress;
  const grams = whole === undefined ? undefined : Math.round(whole * share * 100) / 100;
  const material = spool?.material ?? row.farm?.needs.material ?? profile?.material;
  const cost = costOf({ grams, hours: printedS / 3_600 }, profile, spool);
  return {
    printedS,
    ...(grams === undefined ? {} : { grams }),
    ...(material === undefined ? {} : { material }),
    ...(spool === undefined ? {} : { spool: spool.id }),
    ...(cost === undefined ? {} : { costMicroUsd: cost }),
  };
}

/** undefined where nobody has said what filament or hours cost. */
export function costOf(
  taken: { readonly grams: number | undefined; readonly hours: number },
  profile: FarmPrinterRow | undefined,
  spool: SpoolRow | undefined,
): number | undefined {
  const perKg = spool?.costMicroUsdPerKg;
  const perH = profile?.costMicroUsdPerH;
  if (perKg === undefined && perH === undefined) return undefined;
  return Math.round(((taken.grams ?? 0) / 1_000) * (perKg ?? 0) + taken.hours * (perH ?? 0));
}
