// Which printer of the farm a slicer means. OctoPrint has one printer for each address, and slicers
// have no field for a second one.
//
// SP1. In this order: the address (/octoprint/PRINTER/api/...), `?printer=`, the flag
//      `slicer.token.TOKEN`, the flag `slicer.person.PERSON`, the only printer there is. Never a guess.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { idSchema } from "@gantry/shared/contract/schemas/common.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { flagKeySchema } from "@gantry/shared/contract/schemas/registry.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps } from "../door.ts";
import { requestOf, validate } from "../input.ts";
import { deadlineMsOf } from "../routes/plain.ts";

interface Asked {
  readonly params?: Record<string, string>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** The desk's reply to another route, in the name of who asks here. */
export function askDesk(
  { desk, clock }: DoorDeps,
  c: DoorContext,
  route: RouteName,
  { params = {}, query = {}, body }: Asked = {},
): Promise<unknown> {
  const request = requestOf(c, route, { params, query, body });
  return within(clock, deadlineMsOf(route), c.req.raw.signal, (signal) =>
    desk.call(route, request, { signal }),
  );
}

/** Throws bad_request where several printers might be meant, not_found for one that is not there. */
export async function choosePrinter(deps: DoorDeps, c: DoorContext): Promise<string> {
  const said = c.req.param("printer") ?? c.req.query("printer");
  if (said !== undefined) return validate(idSchema, said, "printer");
  return (await byFlag(deps, c)) ?? (await onlyPrinter(deps, c));
}

async function byFlag(deps: DoorDeps, c: DoorContext): Promise<string | undefined> {
  const actor = c.get("actor");
  if (actor === null) return undefined;
  for (const key of [`slicer.token.${actor.token}`, `slicer.person.${actor.person}`]) {
    const checked = flagKeySchema.safeParse(key.toLowerCase());
    const value = checked.success ? await flagValue(deps, c, checked.data) : undefined;
    const printer = idSchema.safeParse(value);
    if (printer.success) return printer.data;
  }
  return undefined;
}

async function flagValue(deps: DoorDeps, c: DoorContext, key: string): Promise<unknown> {
  try {
    const flag = await askDesk(deps, c, "flag", { params: { key } });
    return (flag as { readonly value: unknown }).value; // flagViewSchema
  } catch (error) {
    if (error instanceof GantryError && error.code === "not_found") return undefined;
    throw error;
  }
}

async function onlyPrinter(deps: DoorDeps, c: DoorContext): Promise<string> {
  const reply = await askDesk(deps, c, "devices", { query: { kind: "printer" } });
  const { devices } = reply as { readonly devices: readonly DeviceView[] };
  const [first, second] = devices;
  if (first === undefined) throw new GantryError("not_found", "There is no printer yet");
  if (second === undefined) return first.id;
  const person = c.get("actor")?.person ?? "PERSON";
  throw new GantryError("bad_request", `There are ${devices.length} printers: say which one`, {
    details: {
      printers: devices
        .map(({ id }) => id)
        .toSorted()
        .slice(0, 20),
      hint: `Give the slicer the address .../octoprint/PRINTER, or set the flag slicer.person.${person.toLowerCase()}.`,
    },
  });
}

/** The chosen printer as it is now. */
export async function chosenDevice(deps: DoorDeps, c: DoorContext): Promise<DeviceView> {
  const id = await choosePrinter(deps, c);
  return (await askDesk(deps, c, "device", { params: { id } })) as DeviceView;
}
