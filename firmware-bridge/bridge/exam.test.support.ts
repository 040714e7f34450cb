// Test equipment: what the exam asks of each kind of printer, and the rig in which a driver sits it.
// The drivers run in this process, at ten times the speed of the clock; journals are in memory and
// live through the death of a driver, as a disk would.

import { createHash } from "node:crypto";
import type { JobPhase, Printer } from "@gantry/shared/contract/bridge.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { type LogFields, type Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { JobFile, JobRow, Journal, OrderOf, PrinterPort } from "../ports.ts";

export const SPEED = 10;
export const PRINTER = "p1";
const WAIT_MS = 30_000;

export const fastClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * SPEED,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
  timeout: (ms, parent) => systemClock.timeout(ms / SPEED, parent),
};

/** What every driver is made of, whatever it speaks. */
export interface ExamPorts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly journal: Journal;
  openJobFile(path: string): Promise<JobFile>;
  onPrinter(isPhase: boolean): void;
  onJob(row: JobRow, phase: JobPhase): void;
}

/** A simulated printer, and how things are done to it. */
export interface ExamDevice {
  /** A driver for it: one life of the bridge. */
  driver(ports: ExamPorts): PrinterPort;
  /** How often a print was begun. */
  begins(): number;
  /** A print was begun and is in its middle. */
  isUnderWay(): boolean;
  isHalted(): boolean;
  /** Goes on to the end of the print. */
  finish(): void;
  disconnect(): void;
  hang(isHung: boolean): void;
  /** What it says next is noise. */
  garble(): void;
  failPrint(): void;
  /** Its power goes and comes back. */
  restart(): void;
  repeatItself(): void;
  loseNextAnswer(): void;
  refuseNext(): void;
  close(): Promise<void>;
}

export type End = "done" | "failed" | "interrupted";

export interface Examinee {
  readonly driver: string;
  /** What becomes of a print in the middle of which this happens. Differs with who holds the file. */
  readonly ends: Readonly<
    Record<
      | "disconnect"
      | "hang"
      | "garble"
      | "failPrint"
      | "restart"
      | "crash"
      | "refuse"
      | "lostAnswer",
      End
    >
  >;
  /** A job for it, where it is no printer, and one that it must not take. */
  readonly program?: readonly string[];
  readonly unfit?: { readonly lines: readonly string[]; readonly code: string };
  /** Words that no log line and no error may hold. */
  readonly secrets: readonly string[];
  open(): Promise<ExamDevice>;
}

export interface Told {
  readonly job: string;
  readonly phase: JobPhase;
  readonly row: JobRow;
}

export interface Rig extends AsyncDisposable {
  readonly device: ExamDevice;
  readonly told: readonly Told[];
  readonly logged: readonly string[];
  /** Each phase that the driver told, in order. */
  readonly phases: readonly string[];
  /** Called with each row before it counts as written; may wait. */
  onPut: ((row: JobRow) => Promise<void> | void) | undefined;
  port(): PrinterPort;
  /** The driver of this life is gone, as after SIGKILL; another takes over. */
  crash(): Promise<void>;
  order(job: string, token?: number, lines?: readonly string[]): OrderOf<"start">;
  phase(phase: Printer["phase"]): Promise<Printer>;
  job(job: string, phase: JobPhase): Promise<JobRow>;
  /** The row as it is in the journal. */
  row(job: string): JobRow | undefined;
}

/** Resolves with the first value that is neither undefined nor false. */
export async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const MOVES = Array.from(
  { length: 400 },
  (_, i) => `G1 X${50 + (i % 40)} Y${50 + ((i * 3) % 40)} F3000`,
);
export const PROGRAM: readonly string[] = ["G28", ...MOVES];

export async function makeExamRig(examinee: Examinee): Promise<Rig> {
  const device = await examinee.open();
  const files = new Map<string, Buffer>();
  const told: Told[] = [];
  const logged: string[] = [];
  const phases: string[] = [];
  const disk = { tokens: new Map<string, number>(), rows: new Map<string, JobRow>() };
  let life = startLife();

  function startLife(): { readonly port: PrinterPort; end(): Promise<void> } {
    const scope = makeScope((_task, error) => {
      logged.push(`task failed: ${String(error)}`);
    });
    let isAlive = true;
    const journal: Journal = {
      highestToken: (printer) => disk.tokens.get(printer) ?? 0,
      async raiseToken(printer, token) {
        if (isAlive) disk.tokens.set(printer, Math.max(token, disk.tokens.get(printer) ?? 0));
      },
      find: (printer, job) => disk.rows.get(`${printer} ${job}`),
      rows: (printer) => [...disk.rows.values()].filter((row) => row.printer === printer),
      async put(row) {
        await rig.onPut?.(row);
        if (isAlive) disk.rows.set(`${row.printer} ${row.job}`, row);
        else await new Promise(() => undefined); // a dead program hears no more of its disk
      },
      async close() {},
    };
    const port = device.driver({
      clock: fastClock,
      random: () => 0.5,
      log: recorder(logged),
      journal,
      openJobFile: (path) => Promise.resolve(jobFile(files.get(path) ?? Buffer.alloc(0))),
      onPrinter: () => void phases.push(life.port.printer().phase),
      onJob(row, phase) {
        if (isAlive) told.push({ job: row.job, phase, row });
      },
    });
    scope.start("run", (signal) => port.run(signal));
    return {
      port,
      end() {
        isAlive = false;
        return scope.close();
      },
    };
  }

  const rig: Rig = {
    device,
    told,
    logged,
    phases,
    onPut: undefined,
    port: () => life.port,
    async crash() {
      await life.end();
      life = startLife();
    },
    order(job, token = 1, lines = examinee.program ?? PROGRAM) {
      const bytes = Buffer.from(`${lines.join("\n")}\n`);
      files.set(`/${job}`, bytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const sizeBytes = bytes.length;
      return {
        type: "start",
        id: "1",
        printer: PRINTER,
        job,
        token,
        path: `/${job}`,
        sha256,
        sizeBytes,
      };
    },
    phase: (phase) =>
      until(`phase ${phase} instead of ${life.port.printer().phase}`, () => {
        const seen = life.port.printer();
        return seen.phase === phase ? seen : undefined;
      }),
    job: (job, phase) =>
      until(
        `job ${job} to be ${phase}, not ${told.map((one) => one.phase).join()}`,
        () => told.find((one) => one.job === job && one.phase === phase)?.row,
      ),
    row: (job) => disk.rows.get(`${PRINTER} ${job}`),
    async [Symbol.asyncDispose]() {
      await life.end();
      await device.close();
    },
  };
  return rig;
}

const jobFile = (bytes: Buffer): JobFile => ({
  sizeBytes: bytes.length,
  read: (offset, sizeBytes) => Promise.resolve(bytes.subarray(offset, offset + sizeBytes)),
  close: () => Promise.resolve(),
});

function recorder(lines: string[]): Logger {
  const write =
    (level: string) =>
    (fields: LogFields, message: string): void => {
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  return { error: write("error"), warn: write("warn"), info: write("info"), debug: write("debug") };
}
