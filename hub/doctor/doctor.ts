// The doctor: every check over one data folder, in an order in which each can rely on the one before.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { conversations, counts, references } from "./books.ts";
import type { Check, Finding } from "./finding.ts";
import { membership } from "./membership.ts";
import { money } from "./money-books.ts";
import { openPatient, type Patient } from "./patient.ts";
import { audit, format, log, replay, snapshots } from "./stored.ts";

const CHECKS: readonly Check[] = [
  format,
  log,
  membership,
  snapshots,
  audit,
  replay,
  counts,
  conversations,
  money,
  references,
];

export interface Result extends Finding {
  readonly name: string;
  readonly isOk: boolean;
  readonly advice: string;
}

export interface Report {
  readonly dataDir: string;
  readonly isOk: boolean;
  readonly checks: readonly Result[];
}

/**
 * Examines a data folder and changes nothing in it. Takes about as long as reading it three times.
 * Throws not_found, data_dir_locked, data_damaged when a store cannot be opened at all, io_error.
 */
export async function examine(
  dataDir: string,
  onProgress: (note: string) => void,
): Promise<Report> {
  await using patient = await openPatient(dataDir);
  const checks: Result[] = [];
  for (const check of CHECKS) {
    onProgress(check.name);
    const finding = await run(check, patient, onProgress);
    const { name, advice } = check;
    checks.push({ name, isOk: finding.faults.length === 0, advice, ...finding });
  }
  return { dataDir, isOk: checks.every(({ isOk }) => isOk), checks };
}

/** What a check cannot read is a fault, and the next check still runs. */
async function run(
  check: Check,
  patient: Patient,
  onProgress: (note: string) => void,
): Promise<Finding> {
  try {
    return await check.examine(patient, onProgress);
  } catch (error) {
    const fault =
      error instanceof GantryError || !(error instanceof Error)
        ? toErrorRecord(error).message
        : `${error.name}: ${error.message}`;
    return { note: "", faults: [fault] };
  }
}
