// gantry printers: what was found around the machines and waits for a word, and how all printers are.

import { readFile } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type {
  FleetCheckView,
  FoundListView,
  FoundView,
} from "@gantry/shared/contract/schemas/workshop.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const printers: Command = async (context) => {
  const { signal } = context.world;
  const client = openClient(context);
  const [first] = context.words;
  switch (first) {
    case "discover": {
      const view = await client.foundScanned({ body: {}, signal });
      return show(context, view, (look) => foundTable(look, view));
    }
    case undefined:
    case "found": {
      const view = await client.found({ signal });
      return show(context, view, (look) => foundTable(look, view));
    }
    case "approve": {
      const body = await approvalFrom(context);
      const view = await client.foundApproved({ body, signal });
      return show(
        context,
        view,
        () => `${body.printer} is a printer of ${cleanLine(view.machine)}`,
      );
    }
    case "ignore": {
      const key = wordAt(context, 1, "The key of what was found");
      const ignored = !isOn(context.options, "again");
      const reply = await client.foundIgnored({ body: { key, ignored }, signal });
      return show(
        context,
        reply,
        () => `${cleanLine(key)} ${ignored ? "is ignored" : "waits again"}`,
      );
    }
    case "health": {
      if (isOn(context.options, "now")) {
        const view = await client.fleetChecked({ body: {}, signal });
        return show(context, view, (look) => healthTable(look, view));
      }
      const view = await client.fleetHealth({ signal });
      const [last] = view.checks;
      const none = "Nobody has looked yet: gantry printers health --now";
      return show(context, view, (look) => (last === undefined ? none : healthTable(look, last)));
    }
    default:
      throw badUsage(context.name, context.spec, `${first} is nothing that printers know`);
  }
};

type Approval = Parameters<ReturnType<typeof openClient>["foundApproved"]>[0]["body"];

/** The secret comes from a file: what stands on a command line is seen by everybody on the machine. */
async function approvalFrom(context: Context): Promise<Approval> {
  const { options } = context;
  const file = textOption(options, "secret-file");
  const secret = file === undefined ? undefined : (await readSecret(file)).trim();
  const [user, size] = [textOption(options, "user"), textOption(options, "size")];
  const baud = intOption(options, "baud", { min: 1_200, max: 10_000_000 });
  return {
    key: wordAt(context, 1, "The key of what was found"),
    printer: wordAt(context, 2, "The printer's name"),
    ...(secret === undefined ? {} : { secret }),
    ...(user === undefined ? {} : { user }),
    ...(size === undefined ? {} : { size }),
    ...(baud === undefined ? {} : { baud }),
    ...(isOn(options, "grbl") ? { firmware: "grbl" as const } : {}),
  };
}

const readSecret = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((cause: unknown) => {
    throw new GantryError("not_found", `${path} cannot be read`, { cause });
  });

const foundTable = (look: Look, { found, silent, scannedAt }: FoundListView): string =>
  [
    renderTable(
      look,
      [
        { title: "KEY", value: (row: FoundView) => row.key },
        { title: "NAME", value: (row: FoundView) => row.name },
        { title: "KIND", value: (row: FoundView) => row.kind },
        { title: "SEEN BY", value: (row: FoundView) => row.machine },
        { title: "STATE", value: stateOf },
      ],
      found,
      scannedAt === null
        ? "Nobody has looked around yet: gantry printers discover"
        : "Nothing was found. Printers that tell nothing of themselves go into GANTRY_PRINTERS.",
    ),
    ...silent.map(({ machine, why }) => `${cleanLine(machine)} did not look: ${cleanLine(why)}`),
  ].join("\n");

const stateOf = ({ state, printer, canAdopt }: FoundView): string =>
  state === "waiting" && !canAdopt
    ? "shown only"
    : `${state}${printer === undefined ? "" : ` as ${printer}`}`;

const healthTable = (look: Look, { at, printers: rows }: FleetCheckView): string =>
  `${renderTable(
    look,
    [
      { title: "PRINTER", value: (row) => row.printer },
      { title: "HEALTH", value: (row) => row.state },
      { title: "PHASE", value: (row) => row.phase },
      { title: "MACHINE", value: (row) => row.machine },
      { title: "WHY", value: (row) => row.why ?? "" },
    ],
    rows,
    "There are no printers.",
  )}\nas of ${formatTime(at)}`;
