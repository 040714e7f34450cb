// The ports of the bridge: what it asks of printers, files, cables and the disk.
//
// Each driver fulfils PrinterPort:
// PP1. A job is started at most once: `started` is in the journal before the command leaves, a job
//      that the journal knows is never started again, and no lost answer is a reason to repeat it.
// PP2. No printer delays another: whatever waits has a time-out and a signal.
// PP3. `stop` waits for nothing and needs no token; the printer stays `stopped` until `reset`.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Outcome, RemoteStatus } from "./protocols/remote.ts";
import type { BridgeOrder, JobPhase, Printer } from "@gantry/shared/contract/bridge.ts";

export type OrderOf<T extends BridgeOrder["type"]> = Extract<BridgeOrder, { type: T }>;
export type ControlOrder = OrderOf<"pause" | "resume" | "cancel">;

/** One printer, whatever it speaks. PP1, PP2 */
export interface PrinterPort {
  readonly id: string;
  /** What it is doing now, its temperatures and its faults, as far as it told. Never waits. */
  printer(): Printer;
  /** Connects, and connects again, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Checks the file, brings it to the printer and starts it. Resolves when the order is journalled,
   * with a note for the asker, if any; what is found wrong later is the job's end. Rejects with
   * stale_token, conflict, device_offline, device_fault, not_found or io_error.
   */
  start(order: OrderOf<"start">): Promise<string | undefined>;
  /** Resolves with a note, if any. Rejects with stale_token, not_found, conflict or io_error. */
  control(order: ControlOrder): Promise<string | undefined>;
  /** Emergency. PP3 */
  stop(): void;
  /** A person says that it may be used again. Gives a note where there is nothing to reset. */
  reset(): string | undefined;
  /** The bridge ends; takes a few seconds at most. */
  shutdown(): Promise<void>;
}

/** A printer that keeps files and prints them by itself, spoken to over the network. */
export interface RemotePrinter {
  readonly driver: string;
  /**
   * Resolves when the first status was told. Rejects with unreachable, timeout, unauthenticated or
   * device_fault; leaves nothing open then.
   */
  open(events: RemoteEvents, signal: AbortSignal): Promise<RemoteSession>;
}

export interface RemoteEvents {
  onStatus(status: RemoteStatus): void;
  /** Once, whoever closed it. */
  onClosed(why: string): void;
}

/**
 * Commands reject with device_fault and `details.isRefused` where the printer said no; with any
 * other error nobody knows whether they were carried out.
 */
export interface RemoteSession {
  /** Under this name, over what is there; never starts it. May be repeated. */
  upload(name: string, file: PrintFile, signal: AbortSignal): Promise<void>;
  /** Starts the file. Sent once; never to be repeated. PP1 */
  begin(name: string, signal: AbortSignal): Promise<void>;
  pause(signal: AbortSignal): Promise<void>;
  resume(signal: AbortSignal): Promise<void>;
  cancel(signal: AbortSignal): Promise<void>;
  /** The hardest stop that the printer knows. Its request leaves in this turn. PP3 */
  halt(signal: AbortSignal): Promise<void>;
  /** After a stop or a fault, when a person says so. */
  recover(signal: AbortSignal): Promise<void>;
  /** What became of a file that it does not work on, as far as it remembers. */
  outcome(name: string, signal: AbortSignal): Promise<Outcome>;
  /** Removes a file of which the job is over, so that its storage does not fill up. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The bytes that were checked. `chunks` may be read again. */
export interface PrintFile {
  readonly sizeBytes: number;
  readonly sha256: string;
  chunks(): AsyncIterable<Uint8Array>;
}

/** An open cable to a printer. */
export interface Cable {
  /** Never waits. Text is latin-1. */
  write(text: string): void;
  /** The emergency lane: past everything that still waits to be written, which is thrown away. */
  urgent(text: string): void;
  /** Pulls DTR, which resets most boards. Does nothing where there is no such line. */
  pulseReset(): Promise<void>;
  close(): Promise<void>;
}

export interface CableEvents {
  onBytes(bytes: Uint8Array): void;
  /** Once, whoever closed it. */
  onClosed(why: string): void;
}

/** Opens the cable, at `baud` where it is given. Rejects with unreachable or port_busy. */
export type OpenCable = (events: CableEvents, signal: AbortSignal, baud?: number) => Promise<Cable>;

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
  /** The name that the job's file has on a printer that prints files by itself. */
  readonly remoteFile?: string;
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
