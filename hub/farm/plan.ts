// Which print goes to which printer now. Pure: the same prints and printers give the same plan.
//
// FP1. Only a print whose word is given is planned, and only for a printer that fits and is free
//      (fit.ts FM1): idle, online, its bed said to be clear.
// FP2. One print for each printer, one printer for each print.
// FP3. A print is due at its deadline less its own time, or when it has waited as long as its priority
//      lets it; never before it was ordered. Prints are served by that time. So whatever is ordered
//      after a print's due time comes after it: nothing starves.
// FP4. A print that comes first is never left out for one that comes later; within that, as many
//      printers get a print as can (augmenting paths: prints that have a printer form a matroid).
// FP5. A print that does not care for the material goes where nobody waits for the material that is
//      loaded, so that fewer filaments have to be changed.

import { PRIORITY } from "@gantry/shared/contract/farm.ts";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import { type FarmPrinter, hindranceOf, isSame, loadedOf, misfitOf } from "./fit.ts";

/** How long a print of the lowest priority is content to wait, in hours per step below the highest. */
const PATIENCE_H = 8;

export interface Assignment {
  readonly job: PrintRow;
  readonly printer: FarmPrinter;
  /** Why this printer, for a person. */
  readonly why: string;
}

/** FP3: ms since 1970. A print for a named printer counts as of usual priority. */
export function dueAtMs({ farm, createdAtMs, gcode }: PrintRow): number {
  const priority = farm?.priority ?? PRIORITY.usual;
  const patientMs = createdAtMs + (PRIORITY.max - priority) * PATIENCE_H * 3_600_000;
  const deadlineMs = farm?.deadlineAtMs;
  if (deadlineMs === undefined) return patientMs;
  return Math.max(createdAtMs, Math.min(patientMs, deadlineMs - gcode.estimatedS * 1_000));
}

/** The order in which prints are served. */
export function compareJobs(a: PrintRow, b: PrintRow): number {
  return (
    dueAtMs(a) - dueAtMs(b) ||
    (b.farm?.priority ?? PRIORITY.usual) - (a.farm?.priority ?? PRIORITY.usual) ||
    a.createdAtMs - b.createdAtMs ||
    (a.id < b.id ? -1 : 1)
  );
}

/** `jobs`: ready ones without a lease, in any order; others are left out. O(jobs x free printers). */
export function planPrints(
  jobs: readonly PrintRow[],
  printers: readonly FarmPrinter[],
): readonly Assignment[] {
  const free = printers.filter(
    ({ holder, phase, device }) =>
      holder === undefined && phase === "idle" && device.isOnline && device.bed === "clear",
  );
  if (free.length === 0) return [];
  const ready = jobs.filter(isPlannable).toSorted(compareJobs); // FP1
  const demand = demandOf(ready);
  const taken = new Map<string, PrintRow>(); // FP2: by printer
  const choices = new Map<string, readonly FarmPrinter[]>();
  const hopeless = new Set<string>(); // printers from which no free one can be reached any more

  /** Gives `job` a printer, moving those that came before to others that fit them (FP4). */
  function place(job: PrintRow, seen: Set<string>): boolean {
    for (const { device } of choices.get(job.id) ?? []) {
      if (seen.has(device.id) || hopeless.has(device.id)) continue;
      seen.add(device.id);
      const before = taken.get(device.id);
      if (before === undefined || place(before, seen)) {
        taken.set(device.id, job);
        return true;
      }
    }
    return false;
  }

  for (const job of ready) {
    if (taken.size === free.length) break;
    const fitting = free.filter((printer) => isFree(job, printer));
    choices.set(
      job.id,
      fitting.toSorted((a, b) => comparePrinters(job, a, b, demand)),
    );
    const seen = new Set<string>();
    if (!place(job, seen)) for (const id of seen) hopeless.add(id);
  }

  const byId = new Map(free.map((printer) => [printer.device.id, printer]));
  return [...taken]
    .flatMap(([id, job]) => {
      const printer = byId.get(id);
      return printer === undefined ? [] : [{ job, printer, why: whyOf(job, printer, demand) }];
    })
    .toSorted((a, b) => compareJobs(a.job, b.job));
}

export const isPlannable = ({ state, lease, startedCount }: PrintRow): boolean =>
  state === "ready" && lease === undefined && startedCount === 0;

const isFree = (job: PrintRow, printer: FarmPrinter): boolean =>
  misfitOf(job, printer) === undefined && hindranceOf(job, printer) === undefined;

/** How many prints wait for each material, by its name in upper case. */
function demandOf(jobs: readonly PrintRow[]): ReadonlyMap<string, number> {
  const demand = new Map<string, number>();
  for (const { farm } of jobs) {
    const material = farm?.needs.material?.toUpperCase();
    if (material !== undefined) demand.set(material, (demand.get(material) ?? 0) + 1);
  }
  return demand;
}

type Demand = ReadonlyMap<string, number>;

/** How many others wait for what is loaded here. */
function wantedHere({ farm }: PrintRow, printer: FarmPrinter, demand: Demand): number {
  const { material } = loadedOf(printer);
  if (material === undefined) return 0;
  const own = farm?.needs.material !== undefined && isSame(farm.needs.material, material) ? 1 : 0;
  return (demand.get(material.toUpperCase()) ?? 0) - own;
}

const volumeOf = ({ device }: FarmPrinter): number => {
  const { x, y, z } = device.printer.sizeMm;
  return x * y * z;
};

/** FP5, then the smallest that fits, then the one that has printed least. */
const comparePrinters = (job: PrintRow, a: FarmPrinter, b: FarmPrinter, demand: Demand): number =>
  wantedHere(job, a, demand) - wantedHere(job, b, demand) ||
  volumeOf(a) - volumeOf(b) ||
  (a.profile?.printedS ?? 0) - (b.profile?.printedS ?? 0) ||
  (a.device.id < b.device.id ? -1 : 1);

function whyOf(job: PrintRow, printer: FarmPrinter, demand: Demand): string {
  if (job.farm === undefined) return "it was ordered for this printer";
  const { material, color, freeG } = loadedOf(printer);
  const { needs } = job.farm;
  const facts = [
    needs.material === undefined || material === undefined ? undefined : `${material} is loaded`,
    needs.color === undefined || color === undefined ? undefined : `in ${color}`,
    needs.nozzleMm === undefined ? undefined : `nozzle ${needs.nozzleMm} mm`,
    needs.labels === undefined || needs.labels.length === 0 ? undefined : needs.labels.join(", "),
    job.grams === undefined || freeG === undefined
      ? undefined
      : `${Math.floor(freeG)} g for ${Math.ceil(job.grams)}`,
    needs.material === undefined && material !== undefined && wantedHere(job, printer, demand) === 0
      ? `nobody else waits for its ${material}`
      : undefined,
  ].filter((fact) => fact !== undefined);
  return ["idle, bed clear, fits the part", ...facts].join("; ");
}
