// Print jobs: awaiting -> ready -> printing <-> paused -> done | failed | cancelled | interrupted.
//
// P1. A job that needs a confirmation leaves `awaiting` only through it.
// P2. A lease hands out a fencing token, the log position, which only grows; a report with another
//     token than the job's lease changes nothing.
// P3. A printer has one job at a time, and takes none while a part is in its bed.
// P4. startedCount says how often the firmware saw the first byte; a job is never leased again once
//     it has started.
// P5. A report may come twice; the second changes nothing and is answered alike.
// P6. A file that is only kept is a job that ended in the command that made it: no word and no duty
//     can start it. It is printed by a job of its own.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf, PrintDraft, PrintWish } from "@gantry/shared/contract/commands.ts";
import type { DeviceRow, PrintRow, PrintState } from "@gantry/shared/contract/rows.ts";
import { appendOrder, checkNew, type Context, inOrder, rowOf } from "../context.ts";
import { farmObstacle } from "../farm-facts.ts";
import { checkDraft, closeConfirmation, openConfirmation } from "./confirmation-rows.ts";
import { releaseFilament, reserveFilament } from "./farm-rows.ts";
import { asIs, changePrint, endPrint, holderOf, isEnded, without } from "./print-rows.ts";

export function printSubmitted(context: Context, command: CommandOf<"printSubmitted">): unknown {
  return addPrint(context, command, command.actor);
}

/** `order`: of a print for whichever printer fits; it names none yet. */
export function addPrint(
  context: Context,
  draft: PrintDraft,
  person: string,
  order: Pick<PrintRow, "farm" | "grams"> = {},
): unknown {
  const { rows, command } = context;
  checkNew(context, "print", draft.job, "print job");
  if (order.farm === undefined) rowOf(context, "device", draft.printer, "printer");
  checkDraft(context, draft);
  if (rows.hot("print").size >= LIMIT.normalJobs.max) {
    throw new GantryError("busy", "The print queue is full", { details: { retryAfterS: 60 } });
  }
  const row: PrintRow = {
    id: draft.job,
    printer: draft.printer,
    name: draft.name,
    state: draft.confirmation === undefined ? "ready" : "awaiting", // P1
    gcode: draft.gcode,
    by: person,
    createdAtMs: command.atMs,
    changedAtMs: command.atMs,
    startedCount: 0,
    progress: 0,
    ...order,
    ...(draft.conversation === undefined ? {} : { conversation: draft.conversation }),
    ...(draft.confirmation === undefined ? {} : { confirmation: draft.confirmation.id }),
  };
  rows.put("print", row.id, row);
  appendOrder(context, "prints", row.id);
  context.audit("print.submitted", row.id, {
    name: row.name,
    printer: row.printer,
    sha256: row.gcode.sha256,
  });
  context.emit("print.changed", row.id, row);
  if (draft.confirmation !== undefined) {
    const { job, printer, name, gcode } = draft;
    const action = { type: "print" as const, job, printer, name, sha256: gcode.sha256 };
    openConfirmation(context, draft.confirmation, action, person, draft.conversation);
  }
  return { job: row.id, state: row.state, confirmation: row.confirmation };
}

export function printKept(context: Context, command: CommandOf<"printKept">): unknown {
  const { job, printer, name, gcode, actor, atMs } = command;
  checkNew(context, "print", job, "print job");
  rowOf(context, "device", printer, "printer");
  const row: PrintRow = {
    id: job,
    printer,
    name,
    state: "cancelled", // P6
    gcode,
    isKept: true,
    by: actor,
    createdAtMs: atMs,
    changedAtMs: atMs,
    startedCount: 0,
    progress: 0,
  };
  appendOrder(context, "prints", job);
  context.audit("print.kept", job, { name, printer, sha256: gcode.sha256 });
  return { job, state: endPrint(context, row, "cancelled", {}).state };
}

/** Why this job cannot be leased now; undefined when it can. A sentence for a person. */
export function printWaitsFor(
  rows: Context["rows"],
  job: PrintRow,
  device: DeviceRow | undefined,
): string | undefined {
  if (job.state === "awaiting" && job.farm !== undefined) return "a confirmation";
  if (device === undefined) {
    return job.farm === undefined
      ? `printer ${job.printer} is not known`
      : "a printer of the farm that fits and is free";
  }
  if (job.state === "awaiting") return "a confirmation";
  if (device.bed === "part")
    return `the part of ${device.bedJob ?? "another job"} to be cleared from the bed`;
  if (!device.isOnline) return `printer ${device.id} to come online`;
  const { phase } = device.printer;
  if (phase === "fault" || phase === "stopped") return `printer ${device.id} to be reset`;
  const holder = holderOf(rows, device.id);
  if (holder !== undefined && holder.id !== job.id) return `job ${holder.id} to finish`;
  const misfit = farmObstacle(rows, job, device);
  if (misfit !== undefined) return `something else on ${device.id}: ${misfit.message}`;
  return undefined;
}

export function printLeased(context: Context, command: CommandOf<"printLeased">): unknown {
  const row = rowOf(context, "print", command.job, "print job");
  const device = rowOf(context, "device", row.printer, "printer");
  if (row.state !== "ready" || row.lease !== undefined || row.startedCount > 0) {
    throw new GantryError("conflict", `The job is ${row.state} and cannot be leased`); // P4
  }
  const obstacle = printWaitsFor(context.rows, row, device);
  if (obstacle !== undefined) throw new GantryError("conflict", `The job waits for ${obstacle}`);
  if (device.node !== command.node) {
    throw new GantryError("conflict", `${device.id} belongs to another node`);
  }
  const token = context.position; // P2
  context.rows.put("device", device.id, { ...device, token });
  const { node, bootId, atMs } = command;
  const reserved = reserveFilament(context, row);
  changePrint(context, row, { lease: { node, bootId, token, atMs }, ...reserved });
  context.audit("print.leased", row.id, { printer: device.id, token });
  return { job: row.id, token };
}

export function printReported(context: Context, command: CommandOf<"printReported">): unknown {
  const row = rowOf(context, "print", command.job, "print job");
  if (row.lease?.token !== command.token) {
    throw new GantryError("stale_token", `Token ${command.token} is not the lease of ${row.id}`); // P2
  }
  if (isEnded(row.state)) return { job: row.id, state: row.state }; // P5
  const startedCount = Math.max(row.startedCount, command.startedCount);
  if (startedCount > row.startedCount) markBed(context, row);
  const { progress, error, atMs } = command;
  const facts = {
    startedCount,
    progress,
    ...(row.startedAtMs === undefined && startedCount > 0 ? { startedAtMs: atMs } : {}),
    ...(error === undefined ? {} : { error }),
  };
  switch (command.phase) {
    case "started":
      return row.state === "ready"
        ? changePrint(context, row, { ...facts, state: "printing" })
        : asIs(row);
    case "paused":
      return changePrint(context, without(row, "wish"), { ...facts, state: "paused" });
    case "resumed":
      return changePrint(context, without(row, "wish"), { ...facts, state: "printing" });
    case "done":
      return endPrint(context, row, "done", { ...facts, progress: 1 });
    case "failed":
    case "cancelled":
    case "interrupted":
      return endPrint(context, row, command.phase, facts);
  }
}

/** The bed is not clear from the first byte on, whatever comes of the job. */
function markBed(context: Context, row: PrintRow): void {
  const device = context.rows.get("device", row.printer);
  if (device === undefined) return;
  const after: DeviceRow = {
    ...device,
    bed: "part",
    bedJob: row.id,
    changedAtMs: context.command.atMs,
  };
  context.rows.put("device", device.id, after);
  context.emit("device.changed", device.id, after);
}

/** The bridge did not take the job. What may pass by itself sends it back to the queue. */
export function printRefused(context: Context, command: CommandOf<"printRefused">): unknown {
  const row = rowOf(context, "print", command.job, "print job");
  if (row.lease?.token !== command.token) {
    throw new GantryError("stale_token", `Token ${command.token} is not the lease of ${row.id}`);
  }
  if (row.startedCount > 0 || isEnded(row.state)) return asIs(row);
  const { error } = command;
  const passes = ["device_offline", "unreachable", "busy", "bed_not_clear"].includes(error.code);
  if (!passes) return endPrint(context, row, "failed", { error });
  releaseFilament(context, row);
  return row.wish === "cancel"
    ? endPrint(context, row, "cancelled", {})
    : changePrint(context, without(row, "lease"), { error });
}

export function printWished(context: Context, command: CommandOf<"printWished">): unknown {
  return wish(context, command.job, command.wish);
}

const WISH_FROM: Readonly<Record<PrintWish, readonly PrintState[]>> = {
  pause: ["printing"],
  resume: ["paused"],
  cancel: ["awaiting", "ready", "printing", "paused"],
};

/** What nobody has begun is cancelled at once; else the bridge is asked, and its report decides. */
export function wish(
  context: Context,
  id: string,
  wanted: PrintWish,
): { id: string; state: string } {
  const row = rowOf(context, "print", id, "print job");
  if (wanted === "cancel" && row.state === "cancelled") return asIs(row);
  if (!WISH_FROM[wanted].includes(row.state)) {
    throw new GantryError("conflict", `The job is ${row.state}; it cannot ${wanted} now`);
  }
  context.audit(`print.${wanted}`, row.id, { state: row.state });
  if (wanted === "cancel" && row.lease === undefined) {
    closeConfirmation(context, row.confirmation);
    return endPrint(context, row, "cancelled", {});
  }
  return changePrint(context, row, { wish: wanted });
}

/** A person says how a job ended that nobody could follow to its end. */
export function printResolved(context: Context, command: CommandOf<"printResolved">): unknown {
  const row = rowOf(context, "print", command.job, "print job");
  if (row.state !== "unknown") throw new GantryError("conflict", `The job is ${row.state}`);
  context.audit("print.resolved", row.id, { outcome: command.outcome });
  return endPrint(context, row, command.outcome, {});
}

/** The node is gone for good: what it held is `unknown` until a person has looked. */
export function losePrintsOf(context: Context, node: string): void {
  for (const row of inOrder(context, "print")) {
    if (row.lease?.node === node) changePrint(context, row, { state: "unknown" });
  }
}

export function bedCleared(context: Context, command: CommandOf<"bedCleared">): unknown {
  return clearBed(context, command.device, command.job);
}

export function clearBed(context: Context, id: string, job: string | undefined): unknown {
  const device = rowOf(context, "device", id, "printer");
  if (job !== undefined && device.bedJob !== job) {
    throw new GantryError("conflict", `The part in ${id} is not of ${job}`);
  }
  const holder = holderOf(context.rows, id);
  if (holder !== undefined && holder.startedCount > 0) {
    throw new GantryError("conflict", `${holder.name} is ${holder.state} on ${id}`);
  }
  const { bedJob: cleared, ...rest } = device;
  const after: DeviceRow = { ...rest, bed: "clear", changedAtMs: context.command.atMs };
  context.rows.put("device", id, after);
  context.audit("bed.cleared", id, { job: cleared ?? null });
  context.emit("device.changed", id, after);
  return { device: id };
}

export function emergencyStopped(
  context: Context,
  command: CommandOf<"emergencyStopped">,
): unknown {
  context.audit("stop.pressed", command.devices.join(","), { devices: command.devices });
  context.emit("stop.pressed", command.devices.join(","), {
    devices: command.devices,
    by: command.actor,
  });
  return { devices: command.devices };
}
