// Why a print has not started, for a person: of all printers, what keeps each from it, and which of
// these is ended most easily. And what to load where, so that few filaments are changed.
//
// FE1. A print that is given to no printer has a reason for each printer there is.

import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import {
  type FarmPrinter,
  hindranceOf,
  HINDRANCES,
  isSame,
  loadedOf,
  MISFITS,
  misfitOf,
  type Obstacle,
  type WaitCode,
} from "./fit.ts";
import { type Assignment, compareJobs, isPlannable, planPrints } from "./plan.ts";

export interface WaitReason {
  readonly code: WaitCode;
  readonly message: string;
  /** What would change it. */
  readonly change: string;
  readonly printers: readonly (Obstacle & { readonly printer: string })[];
}

export interface Loading {
  readonly printer: string;
  readonly material: string;
  readonly color?: string;
  /** Prints that wait for it, the first due first. */
  readonly jobs: readonly string[];
}

export interface FarmPlan {
  readonly assignments: readonly Assignment[];
  /** Prints that wait, the first due first, as many as were asked for. */
  readonly waiting: readonly { readonly job: PrintRow; readonly reason: WaitReason }[];
  readonly loadings: readonly Loading[];
}

/**
 * `jobs`: those that wait, for a word or for a printer. `most`: of how many it is told why, and what
 * to load. O(most x printers) beside the plan.
 */
export function explainFarm(
  jobs: readonly PrintRow[],
  printers: readonly FarmPrinter[],
  most: number,
): FarmPlan {
  const assignments = planPrints(jobs, printers);
  const given = new Map(assignments.map((each) => [each.job.id, each]));
  const waiting = jobs.toSorted(compareJobs).slice(0, most);
  const others = new Map(assignments.map(({ job, printer }) => [printer.device.id, job]));
  return {
    assignments,
    waiting: waiting.map((job) => ({
      job,
      reason: reasonOf(job, printers, given.get(job.id), others),
    })),
    loadings: loadingsFor(waiting.filter(isPlannable), printers),
  };
}

function reasonOf(
  job: PrintRow,
  printers: readonly FarmPrinter[],
  given: Assignment | undefined,
  others: ReadonlyMap<string, PrintRow>,
): WaitReason {
  if (job.state === "awaiting") {
    const change = "Give the word: gantry confirm, or the button of the console";
    return { code: "confirmation", message: "nobody has confirmed it yet", change, printers: [] };
  }
  if (given !== undefined) {
    const { id } = given.printer.device;
    const message = `it is about to start on ${id}: ${given.why}`;
    return { code: "starting", message, change: "It starts", printers: [] };
  }
  const meant = job.farm === undefined ? printers.filter(isOf(job)) : printers;
  const all = meant.map((printer) => ({
    printer: printer.device.id,
    ...obstacleOf(job, printer, others.get(printer.device.id)),
  })); // FE1
  const [nearest] = all.toSorted((a, b) => ease(a.code) - ease(b.code));
  if (nearest === undefined) {
    const message = job.farm === undefined ? `${job.printer} is not known` : "there is no printer";
    return { code: "no_printer", message, change: "Connect a printer", printers: [] };
  }
  const { printer, code, message, change } = nearest;
  return { code, message: `${printer}: ${message}`, change, printers: all };
}

const isOf =
  (job: PrintRow) =>
  ({ device }: FarmPrinter): boolean =>
    device.id === job.printer;

function obstacleOf(job: PrintRow, printer: FarmPrinter, other: PrintRow | undefined): Obstacle {
  return (
    misfitOf(job, printer) ??
    hindranceOf(job, printer) ?? {
      code: "taken",
      message: `${other?.name ?? "another print"} comes first there`,
      change: "That one ends; or give this one a higher priority or an earlier deadline",
    }
  );
}

/** What ends by itself comes first, then what a hand at the printer ends, then what needs another file. */
const EASE: readonly WaitCode[] = [
  ...HINDRANCES,
  "not_enough_filament",
  "color_not_loaded",
  "material_not_loaded",
  "nozzle_unknown",
  "nozzle_differs",
  "label_missing",
  "held",
  "not_in_farm",
];
const ease = (code: WaitCode): number => {
  const at = EASE.indexOf(code);
  return at === -1 ? EASE.length + MISFITS.findIndex((each) => each === code) : at;
};

/** For each filament that is loaded nowhere it could be used: where the least is lost by loading it. */
function loadingsFor(
  jobs: readonly PrintRow[],
  printers: readonly FarmPrinter[],
): readonly Loading[] {
  const wanted = new Map<
    string,
    { material: string; color: string | undefined; jobs: PrintRow[] }
  >();
  for (const job of jobs) {
    const { material, color } = job.farm?.needs ?? {};
    if (material === undefined) continue;
    const key = `${material.toUpperCase()} ${color ?? ""}`;
    const group = wanted.get(key) ?? { material, color, jobs: [] };
    group.jobs.push(job);
    wanted.set(key, group);
  }
  const used = new Set<string>();
  /** How many prints wait for what would be taken off. */
  const loss = (printer: FarmPrinter): number => {
    const { material: held } = loadedOf(printer);
    if (held === undefined) return -1;
    return jobs.filter(({ farm }) => isSame(farm?.needs.material ?? "", held)).length;
  };
  return [...wanted.values()].flatMap(({ material, color, jobs: group }) => {
    const able = printers.filter(
      (printer) => !used.has(printer.device.id) && group.some((job) => lacksFilament(job, printer)),
    );
    const [best] = able.toSorted(
      (a, b) => loss(a) - loss(b) || (a.device.id < b.device.id ? -1 : 1),
    );
    const isLoaded = printers.some((one) => group.some((job) => misfitOf(job, one) === undefined));
    if (best === undefined || isLoaded) return [];
    used.add(best.device.id);
    const served = group.filter((job) => lacksFilament(job, best)).map(({ id }) => id);
    const where = { printer: best.device.id, material, jobs: served };
    return [color === undefined ? where : { ...where, color }];
  });
}

const FILAMENT: readonly (WaitCode | undefined)[] = [
  "material_not_loaded",
  "color_not_loaded",
  "not_enough_filament",
];
/** It could do it if it held another filament. */
const lacksFilament = (job: PrintRow, printer: FarmPrinter): boolean =>
  FILAMENT.includes(misfitOf(job, printer)?.code);
