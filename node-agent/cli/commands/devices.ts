// gantry devices, stop, bed-cleared: printers.

import { ERRORS } from "@gantry/shared/base/errors.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { stopHere } from "../local-stop.ts";
import { openClient } from "../opening.ts";
import { type Look, paint } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatHeat, formatSeconds, formatShare } from "../render/units.ts";

export const devices: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [first] = context.words;
  if (first === undefined) {
    const reply = await client.devices({ signal });
    show(context, reply, (look) => table(look, reply.devices));
    return;
  }
  if (first === "reset") {
    const id = wordAt(context, 1, "The printer's id");
    const reply = await client.deviceReset({ id, body: {}, signal });
    show(context, reply, () => `${cleanLine(id)} may be used again`);
    return;
  }
  const device = await client.device({ id: first, signal });
  show(context, device, (look) => facts(look, device));
};

/**
 * Exit code 69 when a printer could not be reached: somebody must go and switch it off. The bridge of
 * this machine is told at once, whatever the hub does.
 */
export const stop: Command = async (context) => {
  const [printer] = context.words;
  const body = printer === undefined ? {} : { printer };
  const here = stopHere(context, printer);
  try {
    const reply = await openClient(context).stop({ body, signal: context.world.signal });
    const local = (await here) ?? [];
    const stopped = [...new Set([...reply.stopped, ...local])];
    const unreachable = reply.unreachable.filter((id) => !local.includes(id));
    return tellStopped(context, { ...reply, stopped, unreachable });
  } catch (error) {
    const stopped = await here;
    if (stopped === undefined) throw error;
    // The hub was not asked: those of other machines, where all were meant, go on.
    return tellStopped(context, {
      stopped,
      unreachable: printer === undefined ? ["printers of other machines"] : [],
      withoutHub: true,
    });
  }
};

interface Stopped {
  readonly stopped: readonly string[];
  readonly unreachable: readonly string[];
  readonly withoutHub?: boolean;
}

function tellStopped(context: Context, reply: Stopped): number {
  const { stopped, unreachable } = reply;
  show(context, reply, (look) => {
    const how = reply.withoutHub === true ? "Stopped without the hub" : "Stopped";
    const done = cleanLine(`${how}: ${stopped.join(", ") || "none"}`);
    if (unreachable.length === 0) return done;
    const missed = `NOT REACHED: ${unreachable.join(", ")}. Switch off the power there.`;
    return `${done}\n${paint(look, "red", cleanLine(missed))}`;
  });
  return unreachable.length === 0 ? 0 : ERRORS.unreachable.exit;
}

export const bedCleared: Command = async (context) => {
  const id = wordAt(context, 0, "The printer");
  const job = textOption(context.options, "job");
  const body = job === undefined ? {} : { job };
  const client = openClient(context);
  const device = await client.bedCleared({ id, body, signal: context.world.signal });
  show(context, device, () => `The bed of ${cleanLine(device.id)} is ${device.bed}`);
};

const stateOf = (device: DeviceView): string =>
  device.online ? device.phase : `offline (${device.phase})`;

function heatOf({ temperatures: heat }: DeviceView): string {
  if (heat === undefined) return "";
  const nozzle = formatHeat(heat.nozzleC, heat.nozzleTargetC);
  return `${nozzle} · ${formatHeat(heat.bedC, heat.bedTargetC)} °C`;
}

const table = (look: Look, rows: readonly DeviceView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "STATE", value: stateOf },
      { title: "NOZZLE · BED", value: heatOf },
      { title: "BED", value: (row) => row.bed },
      {
        title: "DONE",
        value: ({ progress }) => (progress === undefined ? "" : formatShare(progress)),
      },
      { title: "JOB", value: (row) => row.job ?? "" },
      { title: "TYPE", value: (row) => (row.simulated ? `${row.type} (simulated)` : row.type) },
      { title: "MACHINE", value: (row) => row.machine },
    ],
    rows,
    "There are no printers. Name one in GANTRY_PRINTERS.",
  );

const facts = (look: Look, device: DeviceView): string =>
  renderFacts(look, [
    ["device", device.id],
    ["type", device.simulated ? `${device.type} (simulated)` : device.type],
    ["machine", device.machine],
    ["state", stateOf(device)],
    ["heat", heatOf(device)],
    ["bed", device.bedJob === undefined ? device.bed : `${device.bed} of ${device.bedJob}`],
    ["job", device.job],
    ["progress", device.progress === undefined ? undefined : formatShare(device.progress)],
    ["left", device.remainingS === undefined ? undefined : formatSeconds(device.remainingS)],
    ["size", `${device.sizeMm.x} x ${device.sizeMm.y} x ${device.sizeMm.z} mm`],
    ["fault", device.fault?.message],
  ]);
