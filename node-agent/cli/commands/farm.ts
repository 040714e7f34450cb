// gantry farm: prints for any printer: what waits and why, how prints turned out, what the wall shows.

import type {
  FarmView,
  QueuedPrint,
  TallyView,
  WallView,
} from "@gantry/shared/contract/schemas/farm.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { type Look, paint } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatHeat, formatSeconds, formatShare, formatTime } from "../render/units.ts";

export const farm: Command = async (context) => {
  const { signal } = context.world;
  const client = openClient(context);
  const [first] = context.words;
  switch (first) {
    case undefined:
    case "queue": {
      const view = await client.farm({ signal });
      return show(context, view, (look) => board(look, view));
    }
    case "rank":
      return await rank(context);
    case "outcomes": {
      const of = ofWord(context);
      const view = await client.outcomes({ query: { of }, signal });
      return show(context, view, (look) => tallies(look, view.outcomes));
    }
    case "wall": {
      const view = await client.wall({ signal });
      return show(context, view, (look) => wall(look, view));
    }
    default:
      throw badUsage(context.name, context.spec, `${first} is nothing that a farm has`);
  }
};

async function rank(context: Context): Promise<void> {
  const id = wordAt(context, 1, "The print's id");
  const priority = intOption(context.options, "priority", { min: 0, max: 9 });
  const until = textOption(context.options, "deadline");
  if (priority === undefined && until === undefined) {
    throw badUsage(context.name, context.spec, "Give --priority or --deadline");
  }
  const body = {
    ...(priority === undefined ? {} : { priority }),
    ...(until === undefined ? {} : { deadline: until === "none" ? null : until }),
  };
  const view = await openClient(context).printRanked({ id, body, signal: context.world.signal });
  show(context, view, (look) => board(look, view));
}

function ofWord(context: Context): "printer" | "material" | "file" {
  const word = context.words[1] ?? "printer";
  if (word === "printer" || word === "material" || word === "file") return word;
  throw badUsage(context.name, context.spec, "Outcomes are by printer, material or file");
}

function board(look: Look, { queue, more, loadings }: FarmView): string {
  const table = renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "NAME", value: (row) => row.name },
      { title: "FOR", value: needsOf },
      { title: "PRIO", value: (row) => String(row.farm?.priority ?? ""), align: "right" },
      { title: "DUE", value: (row) => formatTime(row.dueAt) },
      { title: "TAKES", value: (row) => formatSeconds(row.estimatedS) },
      { title: "WAITS FOR", value: (row) => row.reason.message },
    ],
    queue,
    "Nothing waits.",
  );
  const changes = queue.map(
    ({ name, reason }) => `${cleanLine(name)}: ${cleanLine(reason.change)}`,
  );
  const loads = loadings.map(({ printer, material, color, jobs }) =>
    paint(
      look,
      "yellow",
      cleanLine(
        `Load ${material}${color === undefined ? "" : ` ${color}`} in ${printer}: ${jobs.length} waiting`,
      ),
    ),
  );
  return [table, ...(more > 0 ? [`and ${more} more`] : []), ...changes, ...loads].join("\n");
}

function needsOf({ printer, farm: order }: QueuedPrint): string {
  if (order === undefined) return printer;
  const { material, color, nozzleMm, labels } = order.needs;
  const needs = [
    material,
    color,
    nozzleMm === undefined ? undefined : `${nozzleMm} mm`,
    ...(labels ?? []),
  ].filter((need) => need !== undefined);
  return needs.length === 0 ? "any" : needs.join(" ");
}

const tallies = (look: Look, rows: readonly TallyView[]): string =>
  renderTable(
    look,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "GOOD", value: (row) => String(row.good), align: "right" },
      { title: "BAD", value: (row) => String(row.bad), align: "right" },
      { title: "SHARE", value: (row) => formatShare(row.goodShare), align: "right" },
      { title: "HOURS", value: (row) => row.printedH.toFixed(1), align: "right" },
      { title: "GRAMS", value: (row) => row.grams.toFixed(0), align: "right" },
      { title: "WHY BAD", value: (row) => reasonsOf(row.reasons) },
    ],
    rows,
    "Nobody has said how a print turned out: gantry bed clear PRINTER --outcome ok|failed",
  );

const reasonsOf = (reasons: TallyView["reasons"]): string =>
  Object.entries(reasons)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(", ");

const wall = (look: Look, { printers, waiting }: WallView): string =>
  renderTable(
    look,
    [
      { title: "PRINTER", value: (row) => row.id },
      { title: "STATE", value: (row) => row.state },
      {
        title: "DONE",
        value: ({ progress }) => (progress === undefined ? "" : formatShare(progress)),
        align: "right",
      },
      {
        title: "LEFT",
        value: ({ remainingS }) => (remainingS === undefined ? "" : formatSeconds(remainingS)),
      },
      {
        title: "NOZZLE · BED",
        value: ({ temperatures: heat }) =>
          heat === undefined
            ? ""
            : `${formatHeat(heat.nozzleC, heat.nozzleTargetC)} · ${formatHeat(heat.bedC, heat.bedTargetC)} °C`,
      },
      { title: "BED", value: (row) => row.bed },
      { title: "FILAMENT", value: (row) => row.material ?? "" },
    ],
    printers,
    "There are no printers.",
  ) + `\n${waiting} waiting`;
