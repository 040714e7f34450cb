// The farm in words, and the order of the tiles on the wall. Pure.

import type { QueuedPrint, WallView } from "@gantry/shared/contract/schemas/farm.ts";

/** What a print needs, in a few words. */
export function needsOf({ printer, farm }: QueuedPrint): string {
  if (farm === undefined) return `for ${printer}`;
  const { material, color, nozzleMm, sizeMm, labels } = farm.needs;
  const needs = [
    material,
    color === undefined ? undefined : `#${color}`,
    nozzleMm === undefined ? undefined : `${nozzleMm} mm nozzle`,
    sizeMm === undefined ? undefined : `${sizeMm.x} × ${sizeMm.y} × ${sizeMm.z} mm`,
    ...(labels ?? []),
  ].filter((need) => need !== undefined);
  return needs.length === 0 ? "any printer" : needs.join(", ");
}

export type WallPrinter = WallView["printers"][number];
export type WallTone = "bad" | "warn" | "info" | "plain";

/** What somebody in front of the wall should know of a printer, the most urgent first. */
export function wallWord({ state, bed, isMaintenanceDue, fault }: WallPrinter): {
  readonly tone: WallTone;
  readonly word: string;
} {
  if (fault !== undefined || state === "fault") return { tone: "bad", word: "Fault" };
  if (state === "stopped") return { tone: "bad", word: "Stopped" };
  if (state === "offline") return { tone: "bad", word: "Offline" };
  if (state === "paused") return { tone: "warn", word: "Paused" };
  if (state !== "idle") return { tone: "info", word: capital(state) };
  if (bed === "part") return { tone: "warn", word: "Clear the bed" };
  return isMaintenanceDue
    ? { tone: "warn", word: "Maintenance due" }
    : { tone: "plain", word: "Idle" };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const TONES: readonly WallTone[] = ["bad", "warn", "info", "plain"];

/** Those that need a hand come first, then by name: a tile stays where it is while nothing changes. */
export const inWallOrder = (printers: readonly WallPrinter[]): readonly WallPrinter[] =>
  printers.toSorted(
    (a, b) =>
      TONES.indexOf(wallWord(a).tone) - TONES.indexOf(wallWord(b).tone) || (a.id < b.id ? -1 : 1),
  );

/** `4.20 USD`. */
export const usd = (micro: number): string => `${(micro / 1_000_000).toFixed(2)} USD`;
