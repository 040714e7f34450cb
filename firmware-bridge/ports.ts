// The ports of the bridge: what its loops ask of files, cables and the disk.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { JobPhase } from "@gantry/shared/contract/bridge.ts";

/** An open cable to a printer. */
export interface Cable {
  /** Never waits. Text is latin-1. */
  write(text: string): void;
  /** Pulls DTR, which resets most boards. Does nothing where there is no such line. */
  pulseReset(): Promise<void>;
  close(): Promise<void>;
}

export interface CableEvents {
  onBytes(bytes: Uint8Array): void;
  /** Once, whoever closed it. */
  onClosed(why: string): void;
}

/** Opens the cable. Rejects with unreachable or port_busy. */
export type OpenCable = (events: CableEvents, signal: AbortSignal) => Promise<Cable>;

/** A job's file, held open: what was checked is what is sent, even if the name is replaced. */
export interface JobFile {
  readonly sizeBytes: number;
  /** Bytes from `offset`, at most `sizeBytes`; shorter at the end. Rejects with io_error. */
  read(offset: number, sizeBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Rejects with not_found or io_error. */
export type OpenJobFile = (path: string) => Promise<JobFile>;

export type EndPhase = Extract<JobPhase, "done" | "failed" | "cancelled" | "interrupted">;

export interface JobRow {
  readonly printer: string;
  readonly job: string;
  readonly token: number;
  /** `preparing` while it is checked, then `started` until an end is on record. */
  readonly phase: "preparing" | "started" | EndPhase;
  readonly progress: number;
  /** First bytes that may have been sent: 1 from before the first byte on, else 0. */
  readonly startedCount: number;
  readonly isAcknowledged: boolean;
  readonly error?: ErrorRecord;
}

export const isEnded = ({ phase }: JobRow): boolean => phase !== "preparing" && phase !== "started";

/** What the bridge remembers through a crash. Every write is on the disk before it resolves. */
export interface Journal {
  highestToken(printer: string): number;
  raiseToken(printer: string, token: number): Promise<void>;
  find(printer: string, job: string): JobRow | undefined;
  rows(printer: string): readonly JobRow[];
  put(row: JobRow): Promise<void>;
  close(): Promise<void>;
}
