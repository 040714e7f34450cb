// gantry printer, spool, bed: what printers of the farm are and hold, and how their parts turned out.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { FAILURES } from "@gantry/shared/contract/farm.ts";
import type {
  FarmPrinterView,
  ProfileFacts,
  SpoolFactsBody,
  SpoolView,
} from "@gantry/shared/contract/schemas/farm.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

const USD = 1_000_000; // in millionths

// ── printers ────────────────────────────────────────────────────────────────────────────────────

export const printer: Command = async (context) => {
  const { signal } = context.world;
  const client = openClient(context);
  const [first] = context.words;
  const id = (): string => wordAt(context, 1, "The printer's id");
  switch (first) {
    case undefined: {
      const view = await client.farmPrinters({ signal });
      return show(context, view, (look) => printersTable(look, view.printers));
    }
    case "set": {
      const view = await client.printerProfiled({
        id: id(),
        body: await profileFrom(context, id()),
        signal,
      });
      return show(context, view, (look) => printerFacts(look, view));
    }
    case "remove": {
      const reply = await client.printerUnprofiled({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(id())} takes no prints of the farm any more`);
    }
    case "maintained": {
      const view = await client.printerMaintained({ id: id(), body: {}, signal });
      return show(context, view, () => `${cleanLine(id())}: its hours begin anew`);
    }
    case "load": {
      const word = wordAt(context, 2, "The spool, or none");
      const spool = word === "none" ? null : word;
      const view = await client.spoolLoaded({ id: id(), body: { spool }, signal });
      return show(context, view, (look) => printerFacts(look, view));
    }
    default: {
      const { printers } = await client.farmPrinters({ signal });
      const view = printers.find(({ device }) => device.id === first);
      if (view === undefined) throw new GantryError("not_found", `There is no printer ${first}`);
      return show(context, view, (look) => printerFacts(look, view));
    }
  }
};

/** What was said before, with what is said now. */
async function profileFrom(context: Context, id: string): Promise<ProfileFacts> {
  const { options } = context;
  const { printers } = await openClient(context).farmPrinters({ signal: context.world.signal });
  const before = printers.find(({ device }) => device.id === id)?.profile;
  const material = textOption(options, "material") ?? before?.material;
  const color = textOption(options, "color") ?? before?.color;
  const nozzleMm = numberOption(context, "nozzle") ?? before?.nozzleMm;
  const hours = numberOption(context, "maintain-every") ?? before?.maintenanceEveryH;
  const perH = numberOption(context, "cost-per-hour");
  const cost = perH === undefined ? before?.costMicroUsdPerH : Math.round(perH * USD);
  const labels = listOption(context, "label");
  const offPeak = offPeakOf(context) ?? before?.offPeak;
  return {
    labels: labels.length === 0 ? (before?.labels ?? []) : labels,
    isHeld: isOn(options, "hold") || (before?.isHeld === true && !isOn(options, "release")),
    ...(material === undefined ? {} : { material }),
    ...(color === undefined ? {} : { color }),
    ...(nozzleMm === undefined ? {} : { nozzleMm }),
    ...(hours === undefined ? {} : { maintenanceEveryH: hours }),
    ...(cost === undefined ? {} : { costMicroUsdPerH: cost }),
    ...(offPeak === undefined ? {} : { offPeak }),
  };
}

/** `22:00-06:00`, of prints longer than --long minutes, in the zone of this machine unless told. */
function offPeakOf(context: Context): ProfileFacts["offPeak"] {
  const text = textOption(context.options, "off-peak");
  if (text === undefined) return undefined;
  const [, from = "", to = ""] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  if (from === "") throw badUsage(context.name, context.spec, "--off-peak takes 22:00-06:00");
  const minutes = intOption(context.options, "long", { min: 0, max: 525_600 }) ?? 120;
  const zone =
    textOption(context.options, "zone") ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { from, to, zone, longerThanS: minutes * 60 };
}

export function numberOption(context: Context, name: string): number | undefined {
  const text = textOption(context.options, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && text.trim() !== "") return value;
  throw badUsage(context.name, context.spec, `--${name} takes a number`);
}

/** An option that may be given several times. */
export function listOption({ options }: Context, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];
}

const printersTable = (look: Look, rows: readonly FarmPrinterView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: ({ device }) => device.id },
      { title: "FARM", value: placeOf },
      { title: "NOZZLE", value: ({ profile }) => mm(profile?.nozzleMm) },
      { title: "HOLDS", value: ({ loaded }) => loaded.material ?? "" },
      { title: "COLOUR", value: ({ loaded }) => loaded.color ?? "" },
      {
        title: "GRAMS",
        value: ({ loaded }) => (loaded.freeG === undefined ? "" : loaded.freeG.toFixed(0)),
        align: "right",
      },
      { title: "LABELS", value: ({ profile }) => profile?.labels.join(" ") ?? "" },
      {
        title: "HOURS",
        value: ({ profile }) => profile?.printedH.toFixed(1) ?? "",
        align: "right",
      },
    ],
    rows,
    "There are no printers. Name one in GANTRY_PRINTERS.",
  );

function placeOf({ profile }: FarmPrinterView): string {
  if (profile === undefined) return "no";
  if (profile.isHeld) return "held";
  return profile.isMaintenanceDue ? "maintenance due" : "yes";
}

const mm = (value: number | undefined): string => (value === undefined ? "" : `${value} mm`);

function printerFacts(look: Look, view: FarmPrinterView): string {
  const { device, profile, loaded } = view;
  const every = profile?.maintenanceEveryH;
  return renderFacts(look, [
    ["printer", device.id],
    ["farm", placeOf(view)],
    ["nozzle", mm(profile?.nozzleMm)],
    ["holds", [loaded.material, loaded.color].filter(Boolean).join(" ")],
    ["spool", profile?.spool],
    ["grams", loaded.freeG?.toFixed(0)],
    ["labels", profile?.labels.join(" ")],
    ["printed", profile === undefined ? undefined : `${profile.printedH} h`],
    [
      "maintenance",
      every === undefined ? undefined : `${profile?.sinceMaintenanceH ?? 0} h of ${every} h`,
    ],
    [
      "off-peak",
      profile?.offPeak === undefined
        ? undefined
        : `${profile.offPeak.from}-${profile.offPeak.to} ${profile.offPeak.zone}`,
    ],
  ]);
}

// ── spools ──────────────────────────────────────────────────────────────────────────────────────

export const spool: Command = async (context) => {
  const { signal } = context.world;
  const client = openClient(context);
  const [first] = context.words;
  switch (first) {
    case undefined: {
      const view = await client.spools({ signal });
      return show(context, view, (look) => spoolsTable(look, view.spools));
    }
    case "set": {
      const id = wordAt(context, 1, "The spool's id");
      const view = await client.spoolKept({ id, body: await spoolFrom(context, id), signal });
      return show(context, view, (look) => spoolsTable(look, [view]));
    }
    case "drop": {
      const id = wordAt(context, 1, "The spool's id");
      const reply = await client.spoolDropped({ id, signal });
      return show(context, reply, () => `${cleanLine(id)} is dropped`);
    }
    default:
      throw badUsage(context.name, context.spec, `${first} is nothing that is done to a spool`);
  }
};

async function spoolFrom(context: Context, id: string): Promise<SpoolFactsBody> {
  const { options } = context;
  const { spools } = await openClient(context).spools({ signal: context.world.signal });
  const before = spools.find((each) => each.id === id);
  const material = textOption(options, "material") ?? before?.material;
  const leftG = numberOption(context, "grams") ?? before?.leftG;
  if (material === undefined || leftG === undefined) {
    throw badUsage(context.name, context.spec, "A new spool needs --material and --grams");
  }
  const color = textOption(options, "color") ?? before?.color;
  const name = textOption(options, "name") ?? before?.name;
  const perKg = numberOption(context, "price");
  const price = perKg === undefined ? before?.costMicroUsdPerKg : Math.round(perKg * USD);
  return {
    material,
    leftG,
    ...(color === undefined ? {} : { color }),
    ...(name === undefined ? {} : { name }),
    ...(price === undefined ? {} : { costMicroUsdPerKg: price }),
  };
}

const spoolsTable = (look: Look, rows: readonly SpoolView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "MATERIAL", value: (row) => row.material },
      { title: "COLOUR", value: (row) => row.color ?? "" },
      { title: "LEFT", value: (row) => `${row.leftG.toFixed(0)} g`, align: "right" },
      { title: "RESERVED", value: (row) => `${row.reservedG.toFixed(0)} g`, align: "right" },
      { title: "USED", value: (row) => `${row.usedG.toFixed(0)} g`, align: "right" },
      { title: "IN", value: (row) => row.printer ?? "" },
      { title: "NAME", value: (row) => row.name ?? "" },
    ],
    rows,
    "There is no spool. Make one: gantry spool set ID --material PLA --grams 1000",
  );

// ── beds ────────────────────────────────────────────────────────────────────────────────────────

export const bed: Command = async (context) => {
  const { signal } = context.world;
  if (context.words[0] !== "clear") {
    throw badUsage(context.name, context.spec, "Say: gantry bed clear PRINTER");
  }
  const id = wordAt(context, 1, "The printer's id");
  const client = openClient(context);
  const job = textOption(context.options, "job");
  const named = job === undefined ? {} : { job };
  const outcome = textOption(context.options, "outcome");
  const reason = failureOf(context);
  const note = textOption(context.options, "note");
  if (outcome === undefined) {
    if (reason !== undefined || note !== undefined) {
      throw badUsage(context.name, context.spec, "--reason and --note go with --outcome");
    }
    const view = await client.bedCleared({ id, body: named, signal });
    return show(context, view, () => `The bed of ${cleanLine(view.id)} is ${view.bed}`);
  }
  if (outcome !== "ok" && outcome !== "failed") {
    throw badUsage(context.name, context.spec, "--outcome takes ok or failed");
  }
  const body = {
    ...named,
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(note === undefined ? {} : { note }),
  } as const;
  const view = await client.bedJudged({ id, body, signal });
  const how = outcome === "ok" ? "the part is good" : "the part is bad";
  show(context, view, () => `The bed of ${cleanLine(view.id)} is ${view.bed}; ${how}`);
};

function failureOf(context: Context): (typeof FAILURES)[number] | undefined {
  const text = textOption(context.options, "reason");
  if (text === undefined) return undefined;
  const reason = FAILURES.find((each) => each === text);
  if (reason !== undefined) return reason;
  throw badUsage(context.name, context.spec, `--reason takes ${FAILURES.join(", ")}`);
}
