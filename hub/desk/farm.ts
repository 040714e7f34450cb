// Use cases: the farm.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { PrintDraft } from "@gantry/shared/contract/commands.ts";
import {
  ANY_PRINTER,
  type Failure,
  type FarmOrder,
  PRIORITY,
} from "@gantry/shared/contract/farm.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { TallyRow } from "@gantry/shared/contract/farm.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type {
  FarmPrinters,
  FarmPrinterView,
  FarmView,
  FarmWish,
  ProfileFacts,
  SpoolFactsBody,
  SpoolView,
  TallyView,
  WallView,
} from "@gantry/shared/contract/schemas/farm.ts";
import { draftPrint } from "../ask/rules.ts";
import { explainFarm } from "../farm/explain.ts";
import type { FarmPrinter } from "../farm/fit.ts";
import { limitsOfFarm } from "../farm/limits.ts";
import { gramsOf } from "../farm/use.ts";
import { farmPrinters } from "../hands/farm.ts";
import { act, type Hub } from "../hub.ts";
import type { DeskCallOptions, DeskRequest, PrintUpload } from "../ports.ts";
import { byOf, type DeskParts, paramOf, type UseCase } from "./context.ts";
import {
  farmPrinterView,
  profileOf,
  queuedView,
  spoolView,
  tallyView,
  wallTile,
} from "./farm-views.ts";
import { deviceView, isoTime } from "./views.ts";

export const FARM_USE_CASES: Partial<Record<RouteName, UseCase>> = {
  farm,
  farmPrinters: printersOf,
  printerProfiled,
  printerUnprofiled,
  printerMaintained,
  spoolLoaded,
  printRanked,
  spools: ({ hub }) => ({ spools: inIdOrder(hub.rows.hot("spool").values()).map(spoolView) }),
  spoolKept,
  spoolDropped,
  outcomes,
  bedJudged,
  wall,
};

// ── orders ──────────────────────────────────────────────────────────────────────────────────────

/** The draft of an order for any printer. What the file itself says counts where nobody said anything. */
export function draftFarmPrint(
  hub: Hub,
  { name, gcode }: Pick<PrintUpload, "name" | "gcode">,
  wish: NonNullable<PrintUpload["farm"]>,
): PrintDraft & { readonly farm: FarmOrder; readonly grams: number } {
  const farm = orderOf(wish, gcode.analysis?.filament.material);
  const grams = gramsOf(gcode, wish.grams);
  const where = ["any printer of the farm that fits", ...needsInWords(farm)].join(", ");
  return { ...draftPrint(hub, { printer: ANY_PRINTER, name, gcode }, where), farm, grams };
}

function orderOf(
  { material, color, nozzle, volume, labels, deadline, priority, dialect }: FarmWish & Dialect,
  materialOfFile: string | undefined,
): FarmOrder {
  const wanted = material ?? materialOfFile;
  return {
    dialect,
    priority: priority ?? PRIORITY.usual,
    ...(deadline === undefined ? {} : { deadlineAtMs: Date.parse(deadline) }),
    needs: {
      ...(wanted === undefined ? {} : { material: wanted.toUpperCase() }),
      ...(color === undefined ? {} : { color }),
      ...(nozzle === undefined ? {} : { nozzleMm: nozzle }),
      ...(volume === undefined ? {} : { sizeMm: volume }),
      ...(labels === undefined || labels.length === 0 ? {} : { labels }),
    },
  };
}
type Dialect = Pick<FarmOrder, "dialect">;

function needsInWords({ needs }: FarmOrder): readonly string[] {
  const { material, color, nozzleMm, labels } = needs;
  return [
    material,
    color === undefined ? undefined : `colour ${color}`,
    nozzleMm === undefined ? undefined : `nozzle ${nozzleMm} mm`,
    ...(labels ?? []),
  ].filter((need) => need !== undefined);
}

// ── the queue ───────────────────────────────────────────────────────────────────────────────────

const seen = ({ hub, link, schedules }: DeskParts): FarmPrinter[] =>
  farmPrinters(hub, link().heard(), (zone, ms) => schedules?.calendar.localOf(zone, ms) ?? ms);

function farm(parts: DeskParts): FarmView {
  const jobs = [...parts.hub.rows.hot("print").values()].filter(
    ({ state, lease }) => (state === "awaiting" || state === "ready") && lease === undefined,
  );
  const { waiting, loadings } = explainFarm(jobs, seen(parts), LIMIT.farmBoard.max);
  return {
    queue: waiting.map(({ job, reason }) => queuedView(job, reason)),
    more: jobs.length - waiting.length,
    loadings: loadings.map((loading) => ({ ...loading, jobs: [...loading.jobs] })),
  };
}

async function printRanked(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FarmView> {
  const { priority, deadline } = request.body as {
    priority?: number;
    deadline?: string | null;
  };
  const body = {
    type: "printRanked" as const,
    job: paramOf(request, "id"),
    ...(priority === undefined ? {} : { priority }),
    ...(deadline === undefined
      ? {}
      : { deadlineAtMs: deadline === null ? null : Date.parse(deadline) }),
  };
  await act(parts.hub, body, byOf(request), signal);
  return farm(parts);
}

// ── printers ────────────────────────────────────────────────────────────────────────────────────

const viewOf = ({ hub }: DeskParts, printer: FarmPrinter): DeviceView =>
  deviceView(hub.rows, printer.device, hub.soft.printer(printer.device.id));

function printersOf(parts: DeskParts): FarmPrinters {
  const all = seen(parts);
  const own = all.filter(({ profile }) => profile !== undefined);
  return {
    printers: all.map((printer) => farmPrinterView(printer, viewOf(parts, printer))),
    limits: limitsOfFarm(own.map(({ device }) => device.printer)),
  };
}

function printerView(parts: DeskParts, request: DeskRequest): FarmPrinterView {
  const id = paramOf(request, "id");
  const printer = seen(parts).find(({ device }) => device.id === id);
  if (printer === undefined) throw new GantryError("not_found", `There is no device ${id}`);
  return farmPrinterView(printer, viewOf(parts, printer));
}

async function printerProfiled(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FarmPrinterView> {
  const facts = request.body as ProfileFacts;
  if (facts.offPeak !== undefined) parts.schedules?.calendar.checkZone(facts.offPeak.zone);
  const device = paramOf(request, "id");
  const body = { type: "printerProfiled" as const, device, profile: profileOf(facts) };
  await act(parts.hub, body, byOf(request), signal);
  return printerView(parts, request);
}

async function printerUnprofiled(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const device = paramOf(request, "id");
  await act(hub, { type: "printerUnprofiled", device }, byOf(request), signal);
  return { ok: true };
}

async function printerMaintained(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FarmPrinterView> {
  const device = paramOf(request, "id");
  await act(parts.hub, { type: "printerMaintained", device }, byOf(request), signal);
  return printerView(parts, request);
}

async function spoolLoaded(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FarmPrinterView> {
  const device = paramOf(request, "id");
  const { spool } = request.body as { spool: string | null };
  await act(parts.hub, { type: "spoolLoaded", device, spool }, byOf(request), signal);
  return printerView(parts, request);
}

// ── spools and outcomes ─────────────────────────────────────────────────────────────────────────

function inIdOrder<T extends { readonly id: string }>(rows: Iterable<T>): T[] {
  return [...rows].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function spoolKept(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<SpoolView> {
  const spool = paramOf(request, "id");
  const { material, color, name, leftG, costMicroUsdPerKg } = request.body as SpoolFactsBody;
  const body = {
    type: "spoolKept" as const,
    spool,
    material: material.toUpperCase(),
    leftG,
    ...(color === undefined ? {} : { color }),
    ...(name === undefined ? {} : { name }),
    ...(costMicroUsdPerKg === undefined ? {} : { costMicroUsdPerKg }),
  };
  await act(hub, body, byOf(request), signal);
  const row = hub.rows.get("spool", spool);
  if (row === undefined) throw new GantryError("gone", `Spool ${spool} was dropped meanwhile`);
  return spoolView(row);
}

async function spoolDropped(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  await act(hub, { type: "spoolDropped", spool: paramOf(request, "id") }, byOf(request), signal);
  return { ok: true };
}

/** Of printers and materials by name; of files the last that were counted first. */
function outcomes({ hub }: DeskParts, { query }: DeskRequest): { outcomes: TallyView[] } {
  const { rows } = hub;
  const of = typeof query["of"] === "string" ? query["of"] : "printer";
  const found: TallyRow[] = [];
  if (of === "file") {
    const made = rows.get("count", "tallies") ?? 0;
    const { max } = LIMIT.farmFiles;
    for (let at = made - 1; at >= Math.max(0, made - Math.min(max, LIMIT.farmBoard.max)); at -= 1) {
      const row = rows.get("tally", rows.get("order", `tallies/${at % max}`) ?? "");
      if (row !== undefined) found.push(row);
    }
  } else {
    const hot = [...rows.hot("tally").values()].filter(({ key }) => key.startsWith(`${of}/`));
    found.push(...hot.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
  }
  return { outcomes: found.map(tallyView) };
}

async function bedJudged(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<DeviceView> {
  const { job, outcome, reason, note } = request.body as {
    job?: string;
    outcome: "ok" | "failed";
    reason?: Failure;
    note?: string;
  };
  const device = paramOf(request, "id");
  const body = {
    type: "bedJudged" as const,
    device,
    isGood: outcome === "ok",
    ...(job === undefined ? {} : { job }),
    ...(reason === undefined ? {} : { reason }),
    ...(note === undefined || note === "" ? {} : { note }),
  };
  await act(parts.hub, body, byOf(request), signal);
  return printerView(parts, request).device;
}

function wall(parts: DeskParts): WallView {
  const { hub } = parts;
  const nowMs = hub.stampMs();
  const waiting = [...hub.rows.hot("print").values()].filter(
    ({ state, lease }) => state === "ready" && lease === undefined,
  );
  return {
    at: isoTime(nowMs),
    printers: seen(parts).map((printer) => wallTile(printer, viewOf(parts, printer), nowMs)),
    waiting: waiting.length,
  };
}
