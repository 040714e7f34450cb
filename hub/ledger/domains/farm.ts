// The farm: orders for whichever printer fits, what printers and spools are said to be, and how prints
// turned out.
//
// FL1. A print is assigned only while nobody has leased it, and only to a printer that fits it, is free
//      and has a clear bed; leasing checks the same again (prints.ts). So a plan that is late does no harm.
// FL2. An assignment starts nothing: the lease does, by the same way as for every print.
// FL3. A spool is loaded in one printer at most, and stays there while a print has reserved of it.
// FL4. The word about a part clears the bed of just that part, and is said once.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { FarmPrinterRow, PrintOutcome, SpoolRow } from "@gantry/shared/contract/farm.ts";
import { hindranceOf, misfitOf } from "../../farm/fit.ts";
import { type Context, rowOf } from "../context.ts";
import { farmPrinterOf, foldedMoment } from "../farm-facts.ts";
import { putSpool } from "./farm-rows.ts";
import { countOutcome } from "./farm-tallies.ts";
import { asIs, changePrint, holderOf } from "./print-rows.ts";
import { addPrint, clearBed } from "./prints.ts";

// ── orders ──────────────────────────────────────────────────────────────────────────────────────

export function farmPrintSubmitted(
  context: Context,
  command: CommandOf<"farmPrintSubmitted">,
): unknown {
  const { farm, grams } = command;
  return addPrint(context, command, command.actor, {
    farm,
    ...(grams === undefined ? {} : { grams }),
  });
}

/** FL1, FL2. */
export function printAssigned(context: Context, command: CommandOf<"printAssigned">): unknown {
  const { rows } = context;
  const row = rowOf(context, "print", command.job, "print job");
  if (row.farm === undefined) {
    throw new GantryError("conflict", `The job is for ${row.printer} and for no other printer`);
  }
  if (row.state !== "ready" || row.lease !== undefined || row.startedCount > 0) {
    throw new GantryError("conflict", `The job is ${row.state} and cannot be assigned`);
  }
  const device = rowOf(context, "device", command.printer, "printer");
  const holder = holderOf(rows, device.id)?.id;
  const printer = farmPrinterOf(rows, device, holder, foldedMoment(device));
  const obstacle = misfitOf(row, printer) ?? hindranceOf(row, printer);
  if (obstacle !== undefined) {
    throw new GantryError("conflict", `${device.id} cannot take it: ${obstacle.message}`);
  }
  if (row.printer === device.id) return { job: row.id, printer: device.id };
  changePrint(context, row, { printer: device.id });
  context.audit("print.assigned", row.id, { printer: device.id, why: command.why });
  return { job: row.id, printer: device.id };
}

export function printRanked(context: Context, command: CommandOf<"printRanked">): unknown {
  const row = rowOf(context, "print", command.job, "print job");
  const { farm } = row;
  if (farm === undefined) {
    throw new GantryError("conflict", `The job is for ${row.printer}: it has no rank in the farm`);
  }
  if (row.state !== "awaiting" && row.state !== "ready") {
    throw new GantryError("conflict", `The job is ${row.state} already`);
  }
  const { deadlineAtMs: before, ...rest } = farm;
  const { priority = farm.priority, deadlineAtMs = before ?? null } = command;
  const after = { ...rest, priority, ...(deadlineAtMs === null ? {} : { deadlineAtMs }) };
  context.audit("print.ranked", row.id, { priority, deadlineAtMs });
  changePrint(context, row, { farm: after });
  return asIs(row);
}

// ── printers ────────────────────────────────────────────────────────────────────────────────────

export function printerProfiled(context: Context, command: CommandOf<"printerProfiled">): unknown {
  const { rows } = context;
  const { id } = rowOf(context, "device", command.device, "printer");
  const before = rows.get("farmPrinter", id);
  if (before === undefined && rows.hot("farmPrinter").size >= LIMIT.farmPrinters.max) {
    throw new GantryError("busy", `The farm has ${LIMIT.farmPrinters.max} printers already`);
  }
  putPrinter(context, {
    ...command.profile,
    id,
    printedS: before?.printedS ?? 0,
    sinceMaintenanceS: before?.sinceMaintenanceS ?? 0,
    ...(before?.spool === undefined ? {} : { spool: before.spool }),
    ...(before?.maintainedAtMs === undefined ? {} : { maintainedAtMs: before.maintainedAtMs }),
    ...(before?.maintainedBy === undefined ? {} : { maintainedBy: before.maintainedBy }),
    changedAtMs: command.atMs,
  });
  context.audit("printer.profiled", id, { ...command.profile });
  return { device: id };
}

export function printerUnprofiled(
  context: Context,
  command: CommandOf<"printerUnprofiled">,
): unknown {
  const { id, spool } = profileOf(context, command.device);
  const loaded = spool === undefined ? undefined : context.rows.get("spool", spool);
  if (loaded !== undefined) assertLoose(loaded);
  if (loaded !== undefined) putSpool(context, unloaded(loaded));
  context.rows.remove("farmPrinter", id);
  context.audit("printer.unprofiled", id);
  context.emit("farm.changed", id, { kind: "printer", id });
  return { device: id };
}

export function printerMaintained(
  context: Context,
  command: CommandOf<"printerMaintained">,
): unknown {
  const row = profileOf(context, command.device);
  const { atMs, actor } = command;
  const after = { ...row, sinceMaintenanceS: 0, maintainedAtMs: atMs, maintainedBy: actor };
  putPrinter(context, { ...after, changedAtMs: atMs });
  context.audit("printer.maintained", row.id, { printedS: row.sinceMaintenanceS });
  return { device: row.id };
}

function profileOf(context: Context, id: string): FarmPrinterRow {
  rowOf(context, "device", id, "printer");
  const row = context.rows.get("farmPrinter", id);
  if (row !== undefined) return row;
  throw new GantryError("conflict", `${id} is not of the farm: say first what it is`);
}

function putPrinter(context: Context, row: FarmPrinterRow): void {
  context.rows.put("farmPrinter", row.id, row);
  context.emit("farm.changed", row.id, { kind: "printer", ...row });
}

// ── spools ──────────────────────────────────────────────────────────────────────────────────────

export function spoolKept(context: Context, command: CommandOf<"spoolKept">): unknown {
  const { rows } = context;
  const { spool: id, material, color, name, leftG, costMicroUsdPerKg } = command;
  const before = rows.get("spool", id);
  if (before === undefined && rows.hot("spool").size >= LIMIT.spools.max) {
    throw new GantryError(
      "busy",
      `There are ${LIMIT.spools.max} spools already; drop an empty one`,
    );
  }
  if (before !== undefined && before.material !== material) assertLoose(before); // FL3
  putSpool(context, {
    id,
    material,
    leftG,
    usedG: before?.usedG ?? 0,
    ...(color === undefined ? {} : { color }),
    ...(name === undefined ? {} : { name }),
    ...(costMicroUsdPerKg === undefined ? {} : { costMicroUsdPerKg }),
    ...(before?.printer === undefined ? {} : { printer: before.printer }),
    ...(before?.reserved === undefined ? {} : { reserved: before.reserved }),
    changedAtMs: command.atMs,
  });
  context.audit("spool.kept", id, { material, leftG });
  return { spool: id };
}

export function spoolDropped(context: Context, command: CommandOf<"spoolDropped">): unknown {
  const row = rowOf(context, "spool", command.spool, "spool");
  assertLoose(row);
  takeOff(context, row);
  context.rows.remove("spool", row.id);
  context.audit("spool.dropped", row.id, { leftG: row.leftG });
  context.emit("farm.changed", row.id, { kind: "spool", id: row.id });
  return { spool: row.id };
}

/** FL3. */
export function spoolLoaded(context: Context, command: CommandOf<"spoolLoaded">): unknown {
  const printer = profileOf(context, command.device);
  const before = printer.spool === undefined ? undefined : context.rows.get("spool", printer.spool);
  if (before?.id === (command.spool ?? undefined)) return { device: printer.id };
  const after =
    command.spool === null ? undefined : rowOf(context, "spool", command.spool, "spool");
  if (before !== undefined) assertLoose(before);
  if (after !== undefined) assertLoose(after);
  if (before !== undefined) putSpool(context, unloaded(before));
  if (after !== undefined) {
    takeOff(context, after);
    putSpool(context, { ...after, printer: printer.id });
  }
  const { spool: _, ...rest } = printer;
  const loaded = after === undefined ? rest : { ...rest, spool: after.id };
  putPrinter(context, { ...loaded, changedAtMs: command.atMs });
  context.audit("spool.loaded", printer.id, { spool: command.spool });
  return { device: printer.id };
}

/** The printer in which it is holds no spool any more. */
function takeOff(context: Context, { printer }: SpoolRow): void {
  const row = printer === undefined ? undefined : context.rows.get("farmPrinter", printer);
  if (row === undefined) return;
  const { spool: _, ...rest } = row;
  putPrinter(context, { ...rest, changedAtMs: context.command.atMs });
}

function unloaded(row: SpoolRow): SpoolRow {
  const { printer: _, ...rest } = row;
  return rest;
}

/** FL3. */
function assertLoose({ id, reserved, printer }: SpoolRow): void {
  if (reserved === undefined) return;
  throw new GantryError(
    "conflict",
    `Spool ${id} is in use on ${printer ?? "a printer"} by ${reserved.job}`,
  );
}

// ── outcomes ────────────────────────────────────────────────────────────────────────────────────

/** FL4. */
export function bedJudged(context: Context, command: CommandOf<"bedJudged">): unknown {
  const { rows } = context;
  const { isGood, reason, note, actor: by, atMs } = command;
  const device = rowOf(context, "device", command.device, "printer");
  if (device.bed !== "part" || device.bedJob === undefined) {
    throw new GantryError("conflict", `The bed of ${device.id} holds no part`);
  }
  const job = device.bedJob;
  const cleared = clearBed(context, device.id, command.job ?? job);
  const row = rows.get("print", job);
  if (row === undefined) return cleared;
  const said = reason === undefined || isGood ? {} : { reason };
  const outcome: PrintOutcome = {
    isGood,
    ...said,
    ...(note === undefined ? {} : { note }),
    by,
    atMs,
  };
  const after = { ...row, outcome };
  rows.cool("print", job, after);
  countOutcome(context, after, outcome);
  context.audit("print.judged", job, { printer: device.id, isGood, ...said });
  context.emit("print.changed", job, after);
  return cleared;
}
