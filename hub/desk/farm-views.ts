// The farm as people and programs see it. Pure.

import type {
  FarmPrinterRow,
  OffPeak,
  PrinterProfile,
  SpoolRow,
  TallyRow,
} from "@gantry/shared/contract/farm.ts";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type {
  FarmPrinterView,
  ProfileFacts,
  QueuedPrint,
  SpoolView,
  TallyView,
  WallView,
} from "@gantry/shared/contract/schemas/farm.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { WaitReason } from "../farm/explain.ts";
import { type FarmPrinter, isMaintenanceDue, loadedOf } from "../farm/fit.ts";
import { dueAtMs } from "../farm/plan.ts";
import { costOf, gramsOf } from "../farm/use.ts";
import type { Rows } from "../ledger/rows.ts";

const isoTime = (ms: number): string => new Date(ms).toISOString();
const hours = (seconds: number): number => Math.round((seconds / 3_600) * 10) / 10;

/** What a print's view says of the farm; nothing for a print of which the farm knows nothing. */
export function farmFactsOf(
  rows: Rows,
  row: PrintRow,
): Pick<PrintView, "farm" | "grams" | "estimatedCostMicroUsd" | "use" | "outcome"> {
  const profile = rows.get("farmPrinter", row.printer);
  const spool = profile?.spool === undefined ? undefined : rows.get("spool", profile.spool);
  const grams = row.grams ?? gramsOf(row.gcode, undefined);
  const cost = costOf({ grams, hours: row.gcode.estimatedS / 3_600 }, profile, spool);
  const { outcome, use } = row;
  return {
    ...(row.farm === undefined ? {} : { farm: orderView(row.farm) }),
    ...(row.grams === undefined ? {} : { grams: row.grams }),
    ...(cost === undefined || use !== undefined ? {} : { estimatedCostMicroUsd: cost }),
    ...(use === undefined ? {} : { use: { ...use } }),
    ...(outcome === undefined ? {} : { outcome: outcomeView(outcome) }),
  };
}

function outcomeView({
  atMs,
  ...outcome
}: NonNullable<PrintRow["outcome"]>): NonNullable<PrintView["outcome"]> {
  return { ...outcome, at: isoTime(atMs) };
}

function orderView({
  needs: { labels, ...needs },
  dialect,
  priority,
  deadlineAtMs,
}: NonNullable<PrintRow["farm"]>): NonNullable<PrintView["farm"]> {
  return {
    needs: { ...needs, ...(labels === undefined ? {} : { labels: [...labels] }) },
    dialect,
    priority,
    ...(deadlineAtMs === undefined ? {} : { deadline: isoTime(deadlineAtMs) }),
  };
}

export function queuedView(row: PrintRow, reason: WaitReason): QueuedPrint {
  const { id, name, by, state, printer, grams, gcode, createdAtMs } = row;
  return {
    id,
    name,
    by,
    state,
    printer,
    estimatedS: gcode.estimatedS,
    createdAt: isoTime(createdAtMs),
    dueAt: isoTime(dueAtMs(row)),
    ...(row.farm === undefined ? {} : { farm: orderView(row.farm) }),
    ...(grams === undefined ? {} : { grams }),
    reason: { ...reason, printers: reason.printers.map((each) => ({ ...each })) },
  };
}

export function farmPrinterView(printer: FarmPrinter, device: DeviceView): FarmPrinterView {
  const { profile } = printer;
  const loaded = { ...loadedOf(printer) };
  return { device, loaded, ...(profile === undefined ? {} : { profile: profileView(profile) }) };
}

type ProfileView = NonNullable<FarmPrinterView["profile"]>;

function profileView(row: FarmPrinterRow): ProfileView {
  const { id: _id, changedAtMs: _at, printedS, sinceMaintenanceS, maintainedAtMs, ...facts } = row;
  const { labels, offPeak, ...plain } = facts;
  return {
    ...plain,
    labels: [...labels],
    printedH: hours(printedS),
    sinceMaintenanceH: hours(sinceMaintenanceS),
    isMaintenanceDue: isMaintenanceDue(row),
    ...(offPeak === undefined ? {} : { offPeak: offPeakView(offPeak) }),
    ...(maintainedAtMs === undefined ? {} : { maintainedAt: isoTime(maintainedAtMs) }),
  };
}

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

const offPeakView = ({
  fromMinute,
  toMinute,
  zone,
  longerThanS,
}: OffPeak): NonNullable<ProfileView["offPeak"]> => ({
  from: clock(fromMinute),
  to: clock(toMinute),
  zone,
  longerThanS,
});

function minuteOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return hour * 60 + minute;
}

/** What a person said, as the ledger keeps it. */
export function profileOf({
  labels = [],
  isHeld = false,
  offPeak,
  ...facts
}: ProfileFacts): PrinterProfile {
  const given = Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined),
  );
  return {
    ...(given as typeof facts & Record<never, never>),
    labels: [...new Set(labels)].toSorted(),
    isHeld,
    ...(offPeak === undefined
      ? {}
      : {
          offPeak: {
            fromMinute: minuteOf(offPeak.from),
            toMinute: minuteOf(offPeak.to),
            zone: offPeak.zone,
            longerThanS: offPeak.longerThanS,
          },
        }),
  } as PrinterProfile; // without the undefined members
}

export function spoolView({ reserved, changedAtMs, ...row }: SpoolRow): SpoolView {
  return {
    ...row,
    reservedG: reserved?.grams ?? 0,
    ...(reserved === undefined ? {} : { reservedFor: reserved.job }),
    changedAt: isoTime(changedAtMs),
  };
}

export function tallyView({ key, name, good, bad, reasons, printedS, grams }: TallyRow): TallyView {
  return {
    id: key.slice(key.indexOf("/") + 1),
    name,
    good,
    bad,
    goodShare: good + bad === 0 ? 0 : good / (good + bad),
    reasons: { ...reasons },
    printedH: hours(printedS),
    grams,
  };
}

/** Nothing but what anybody may see who stands in front of the screen. */
export function wallTile(printer: FarmPrinter, view: DeviceView, nowMs: number): WallTile {
  const { remainingS, progress, temperatures, fault } = view;
  const { material } = loadedOf(printer);
  return {
    id: view.id,
    state: view.online ? view.phase : "offline",
    bed: view.bed,
    isMaintenanceDue: isMaintenanceDue(printer.profile),
    ...(temperatures === undefined ? {} : { temperatures }),
    ...(progress === undefined ? {} : { progress }),
    ...(remainingS === undefined
      ? {}
      : { remainingS, endsAt: isoTime(nowMs + remainingS * 1_000) }),
    ...(material === undefined ? {} : { material }),
    ...(fault === undefined ? {} : { fault: fault.code }),
  };
}
type WallTile = WallView["printers"][number];
