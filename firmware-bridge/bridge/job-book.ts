// What the journal knows of one printer's jobs and tokens. Upholds DR1, DR2 and DR5 (driver.ts) on
// the disk; which job is worked on is not its business.

import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import type { JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { type ControlOrder, isEnded, type JobRow, type Journal } from "../ports.ts";

export interface JobBook {
  /** DR5. Throws stale_token. */
  assertFresh(token: number): void;
  raise(token: number): Promise<void>;
  find(job: string): JobRow | undefined;
  /** A job got its first byte, and its end is not on record. */
  hasStarted(): boolean;
  /** The order is taken; nothing was sent. */
  prepare(job: string, token: number): Promise<void>;
  /** Resolves when the first byte, or the command to start, may leave (DR1). */
  start(job: string, token: number, remoteFile?: string): Promise<JobRow>;
  /** Writes an end down. Never rejects: the end is true even if the disk does not take it. */
  end(row: JobRow): Promise<void>;
  /**
   * Pause, resume and cancel of a job that nobody works on. Gives the note for the asker. Throws
   * not_found or conflict.
   */
  controlEnded(order: ControlOrder): string;
  /** DR1: a known job is answered, never started. Gives the note for the asker. */
  recall(known: JobRow, token: number): Promise<string>;
  /** DR2. `isOurs`: it is worked on. */
  endLost(why: string, isOurs: (job: string) => boolean): Promise<void>;
}

export interface BookPorts {
  readonly journal: Journal;
  readonly log: Logger;
  onJob(row: JobRow, phase: JobPhase): void;
}

export function makeJobBook(printer: string, ports: BookPorts): JobBook {
  const { journal, log } = ports;

  async function put(
    job: string,
    token: number,
    phase: "preparing" | "started",
    remoteFile?: string,
  ): Promise<JobRow> {
    const startedCount = phase === "started" ? 1 : 0;
    const row = { printer, job, token, phase, progress: 0, startedCount, isAcknowledged: false };
    const whole = remoteFile === undefined ? row : { ...row, remoteFile };
    await journal.put(whole);
    return whole;
  }

  return {
    assertFresh(token) {
      const highest = journal.highestToken(printer);
      if (token >= highest) return;
      throw new GantryError("stale_token", `Token ${token} is older than ${highest}`);
    },
    raise: (token) => journal.raiseToken(printer, token),
    find: (job) => journal.find(printer, job),
    hasStarted: () => journal.rows(printer).some(({ phase }) => phase === "started"),
    async prepare(job, token) {
      await put(job, token, "preparing");
    },
    start: (job, token, remoteFile) => put(job, token, "started", remoteFile),
    async end(row) {
      try {
        await journal.put(row);
      } catch (cause) {
        // A crash before the disk works again makes it `interrupted`.
        log.error({ job: row.job, error: String(cause) }, "the end of a job is not on the disk");
      }
      log.info({ job: row.job, phase: row.phase, error: row.error?.code }, "job ended");
    },
    controlEnded(order) {
      const known = journal.find(printer, order.job);
      if (known === undefined) {
        throw new GantryError("not_found", `Printer ${printer} knows no job ${order.job}`);
      }
      if (order.type !== "cancel") throw new GantryError("conflict", `It is over: ${known.phase}`);
      if (known.phase !== "preparing") ports.onJob(known, known.phase);
      return `it is over: ${known.phase}`;
    },
    async recall(known, token) {
      await journal.raiseToken(printer, token);
      const row = token > known.token ? { ...known, token } : known;
      if (row !== known) await journal.put(row);
      if (row.phase !== "preparing") ports.onJob(row, row.phase);
      return `job ${row.job} is known: ${row.phase}; it was not started again`;
    },
    async endLost(why, isOurs) {
      for (const row of journal.rows(printer)) {
        if (isEnded(row) || isOurs(row.job)) continue;
        const ended = { ...row, phase: "interrupted" as const, error: lossOf(row, why) };
        await journal.put(ended);
        log.warn({ job: row.job }, "job was interrupted");
        ports.onJob(ended, "interrupted");
      }
    },
  };
}

function lossOf(row: JobRow, why: string): ErrorRecord {
  const message = row.phase === "preparing" ? "The bridge stopped before the first byte" : why;
  return { code: "interrupted", message };
}
