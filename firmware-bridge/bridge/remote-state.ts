// What the driver of a printer on the network holds. Its parts share this value.
//
// The connection goes offline -> opening -> online -> offline for ever; `down` lasts over it, until a
// person says `reset`. The work goes none -> preparing -> printing -> none, and is not touched by a
// connection that is lost: the printer prints on.

import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { JobPhase, Printer, PrinterPhase } from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { JobRow, Journal, OpenJobFile, RemotePrinter, RemoteSession } from "../ports.ts";
import type { Activity, RemoteJob, RemoteStatus } from "../protocols/remote.ts";
import type { JobBook } from "./job-book.ts";
import type { Preparing, Work } from "./preparation.ts";

export interface RemoteSpec {
  readonly id: string;
  /** Used where the printer does not tell its own. */
  readonly sizeMm: Printer["sizeMm"];
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly chamberMaxC: number;
  readonly marginMm: number;
}

export type Connection =
  | { readonly kind: "offline"; readonly why: string }
  | { readonly kind: "opening" }
  | { readonly kind: "online"; readonly session: RemoteSession };

export interface RemotePrint {
  readonly kind: "printing";
  readonly job: string;
  token: number;
  readonly remote: RemoteJob;
  /** The printer is being asked what became of it. */
  isAsking: boolean;
  /** Its end is being written down. */
  isEnding: boolean;
  /** From when on the printer may be told again to cancel it, monotonic ms. */
  cancelNextMs: number;
}

export interface RemoteState {
  connection: Connection;
  down: { readonly isStopped: boolean; readonly error: ErrorRecord } | undefined;
  /** An emergency stop or a reset that the printer has not taken yet. */
  owed: "halt" | "recover" | undefined;
  work: Work<RemotePrint>;
  /** Names of files that could not be removed yet; at most LIMIT.printerFacts. */
  readonly leftovers: string[];
  /** As it said last; kept while it is offline. */
  status: RemoteStatus | undefined;
}

export interface RemoteDriverPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly remote: RemotePrinter;
  readonly openJobFile: OpenJobFile;
  readonly journal: Journal;
  /** `isPhase`: more than a temperature or the progress changed. */
  onPrinter(isPhase: boolean): void;
  onJob(row: JobRow, phase: JobPhase): void;
}

export interface RemoteContext {
  readonly spec: RemoteSpec;
  readonly ports: RemoteDriverPorts;
  readonly state: RemoteState;
  readonly book: JobBook;
  readonly scope: Scope;
  tell(): void;
}

// Functions, not fields: what they say may change in every call and await between two of them.

export const printIn = ({ work }: RemoteState): RemotePrint | undefined =>
  work.kind === "printing" ? work : undefined;

export const preparingIn = ({ work }: RemoteState): Preparing | undefined =>
  work.kind === "preparing" ? work : undefined;

export const sessionIn = ({ connection }: RemoteState): RemoteSession | undefined =>
  connection.kind === "online" ? connection.session : undefined;

/** Throws device_offline. */
export function requireSession(state: RemoteState, printer: string): RemoteSession {
  const session = sessionIn(state);
  if (session !== undefined) return session;
  throw new GantryError("device_offline", `Printer ${printer} is ${state.connection.kind}`);
}

const READY: ReadonlySet<Activity> = new Set(["idle", "done", "failed", "cancelled"]);

/** Throws device_fault, device_offline or conflict. */
export function requireReady(state: RemoteState, printer: string): void {
  if (state.down !== undefined) throw new GantryError("device_fault", state.down.error.message);
  requireSession(state, printer);
  const { activity = "starting", fault } = state.status ?? {};
  if (READY.has(activity)) return;
  if (activity === "fault") {
    throw new GantryError("device_fault", fault ?? `Printer ${printer} has a fault`);
  }
  throw new GantryError("conflict", `Printer ${printer} is ${activity}, and not by our order`);
}

export function phaseOf(state: RemoteState): PrinterPhase {
  if (state.down !== undefined) return state.down.isStopped ? "stopped" : "fault";
  const { connection, status } = state;
  if (connection.kind !== "online" || status === undefined) {
    return connection.kind === "offline" ? "offline" : "opening";
  }
  const print = printIn(state);
  if (print?.isEnding === true) return "finishing";
  switch (status.activity) {
    case "starting":
      return "opening";
    case "idle":
    case "done":
    case "failed":
    case "cancelled":
      return print === undefined ? "idle" : "printing"; // its start does not show yet
    case "printing":
      return isWarmingUp(status) ? "heating" : "printing";
    case "busy":
      return "printing";
    case "heating":
    case "paused":
    case "finishing":
    case "fault":
      return status.activity;
  }
}

const WARM_C = 5;

const isWarmingUp = ({ progress = 0, temperatures }: RemoteStatus): boolean =>
  progress < 0.01 &&
  temperatures !== undefined &&
  temperatures.nozzleTargetC - temperatures.nozzleC > WARM_C;

/** As the agent sees it. */
export function printerOf(spec: RemoteSpec, driver: string, state: RemoteState): Printer {
  const { status, connection, down } = state;
  const print = printIn(state);
  const isOnline = connection.kind === "online";
  const faultOfDevice = status?.activity === "fault" && isOnline ? status.fault : undefined;
  const fault =
    down?.error ??
    (faultOfDevice === undefined ? undefined : { code: "device_fault", message: faultOfDevice });
  return {
    id: spec.id,
    driver,
    phase: phaseOf(state),
    isSimulated: status?.isSimulated ?? false,
    ...(status?.firmware === undefined ? {} : { firmware: status.firmware }),
    sizeMm: sizeMmOf(spec, state),
    nozzleMaxC: spec.nozzleMaxC,
    bedMaxC: spec.bedMaxC,
    ...(isOnline ? liveOf(status) : {}),
    ...(print === undefined ? {} : { job: print.job, progress: print.remote.progress() }),
    ...(fault === undefined ? {} : { fault: { code: fault.code, message: fault.message } }),
  };
}

export const sizeMmOf = (spec: RemoteSpec, { status }: RemoteState): Printer["sizeMm"] =>
  status?.sizeMm ?? spec.sizeMm;

type Live = Pick<
  Printer,
  "temperatures" | "remainingS" | "notices" | "power" | "webcamUrl" | "materials"
>;

function liveOf(status: RemoteStatus | undefined): Partial<Live> {
  if (status === undefined) return {};
  const { temperatures, remainingS, notices, power, webcamUrl, materials } = status;
  return {
    ...(temperatures === undefined ? {} : { temperatures }),
    ...(remainingS === undefined ? {} : { remainingS }),
    ...(notices === undefined ? {} : { notices }),
    ...(power === undefined ? {} : { power }),
    ...(webcamUrl === undefined ? {} : { webcamUrl }),
    ...(materials === undefined ? {} : { materials }),
  };
}
