// The beds as they are, whatever anybody believes: what lies in them, what began on them, how often.
//
// PX1. The first byte of a job leaves at most once, on whichever printer.
// PX2. No first byte leaves while a part lies in that bed.
// PX5. No first byte of a job leaves after the ledger has its end.

import type { World } from "../world.ts";
import { insist } from "../hands/insist.ts";

export interface Beds {
  readonly starts: ReadonlyMap<string, string>;
  /** The first byte of a job leaves for a printer. PX1, PX2, PX5 */
  firstByte(printer: string, job: string): void;
  /** The job whose part lies there. */
  partIn(printer: string): string | undefined;
  /** A person takes the part out. */
  takeOut(printer: string): void;
}

/** `endOf`: how the ledger says that a job ended; undefined while it has not. */
export function makeBeds(world: World, endOf: (job: string) => string | undefined): Beds {
  const starts = new Map<string, string>();
  const parts = new Map<string, string>();
  return {
    starts,
    firstByte(printer, job) {
      world.note(() => `${printer} starts ${job}`);
      const before = starts.get(job);
      insist(world, before === undefined, () => `PX1 ${job} began on ${before}, now on ${printer}`);
      const part = parts.get(printer);
      insist(
        world,
        part === undefined,
        () => `PX2 ${job} begins on ${printer} over the part of ${part}`,
      );
      const end = endOf(job);
      insist(world, end === undefined, () => `PX5 ${job} begins on ${printer} though it is ${end}`);
      starts.set(job, printer);
      parts.set(printer, job);
    },
    partIn: (printer) => parts.get(printer),
    takeOut(printer) {
      parts.delete(printer);
    },
  };
}
