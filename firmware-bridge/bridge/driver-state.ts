// What one driver holds: the cable, the work, and what the printer said. Its parts share this value.
//
// The cable goes offline -> opening -> online -> offline; `down` lasts until a person says `reset`.
// The work goes none -> preparing -> printing -> none.

import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { PrinterSpec } from "../config.ts";
import type { Cable, JobRow, Journal, OpenCable, OpenJobFile } from "../ports.ts";
import type { Link } from "../protocols/link.ts";
import type { HostPrompt } from "../protocols/host-prompt.ts";
import type { Reading } from "../protocols/marlin-codec.ts";
import type { ActiveJob } from "./active-job.ts";
import type { Identity } from "./handshake.ts";
import type { JobBook } from "./job-book.ts";
import type { Preparing, Work } from "./preparation.ts";

export interface Online {
  readonly kind: "online";
  readonly cable: Cable;
  readonly link: Link;
  readonly identity: Identity;
}

export type CableState =
  | { readonly kind: "offline"; readonly why: string }
  | { readonly kind: "opening"; readonly cable?: Cable }
  | Online
  | { readonly kind: "down"; readonly isStopped: boolean; readonly error: ErrorRecord };

export interface Printing {
  readonly kind: "printing";
  readonly active: ActiveJob;
}

/** What the printer showed since its cable was opened. */
export interface Signs {
  /** It said that it halted itself. */
  wasKilled: boolean;
  isSilent: boolean;
  isWaitingForPerson: boolean;
  /** What it asks that person, if it says so. */
  prompt: HostPrompt | undefined;
}

export const noSigns = (): Signs => ({
  wasKilled: false,
  isSilent: false,
  isWaitingForPerson: false,
  prompt: undefined,
});

export interface DriverState {
  cable: CableState;
  work: Work<Printing>;
  signs: Signs;
  reading: Reading;
  /** The speed that is tried now, or that worked. */
  baud: number;
  baudTries: number;
  /** As of the last handshake. */
  identity: Identity | undefined;
  /** From a job's first byte until a handshake has switched the heaters off. */
  mayBeHot: boolean;
}

export interface DriverPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly openCable: OpenCable;
  readonly openJobFile: OpenJobFile;
  readonly journal: Journal;
  /** `isPhase`: more than a temperature or the progress changed. */
  onPrinter(isPhase: boolean): void;
  onJob(row: JobRow, phase: JobPhase): void;
}

export interface DriverContext {
  readonly spec: PrinterSpec;
  readonly ports: DriverPorts;
  readonly state: DriverState;
  readonly book: JobBook;
  readonly scope: Scope;
  /** Tells the world what changed: phases at once, the rest at most once a second. */
  tell(): void;
}

// Functions, not fields: what they say may change in every call and await between two of them.

export const activeIn = ({ work }: DriverState): ActiveJob | undefined =>
  work.kind === "printing" ? work.active : undefined;

export const preparingIn = ({ work }: DriverState): Preparing | undefined =>
  work.kind === "preparing" ? work : undefined;

export const onlineIn = ({ cable }: DriverState): Online | undefined =>
  cable.kind === "online" ? cable : undefined;

export const isDown = ({ cable }: DriverState): boolean => cable.kind === "down";

export const isStopped = ({ cable }: DriverState): boolean =>
  cable.kind === "down" && cable.isStopped;

/** Throws device_fault or device_offline. */
export function requireOnline({ cable }: DriverState, printer: string): Online {
  if (cable.kind === "online") return cable;
  if (cable.kind === "down") throw new GantryError("device_fault", cable.error.message);
  throw new GantryError("device_offline", `Printer ${printer} is ${cable.kind}`);
}
