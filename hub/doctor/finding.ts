// What a check found. A check reads and says; it throws GantryError only where it cannot read.

import type { Patient } from "./patient.ts";

export interface Finding {
  /** What was looked at, with numbers: "12 entries, 1 to 12". */
  readonly note: string;
  /** What is wrong, each in one sentence; empty when all is well. */
  readonly faults: readonly string[];
}

export interface Check {
  readonly name: string;
  /** What a person does when it fails. */
  readonly advice: string;
  examine(patient: Patient, onProgress: (note: string) => void): Promise<Finding>;
}

const FAULTS_MAX = 20;

/** Collects faults up to a bound; the rest is a number. */
export function makeFaults(): { add: (fault: string) => void; list: () => readonly string[] } {
  const kept: string[] = [];
  let more = 0;
  return {
    add(fault) {
      if (kept.length < FAULTS_MAX) kept.push(fault);
      else more += 1;
    },
    list: () => (more === 0 ? kept : [...kept, `and ${more} more`]),
  };
}
