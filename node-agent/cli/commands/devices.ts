// gantry devices, bed-cleared: printers.

import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { textOption } from "../args.ts";
import { type Command, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
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

type Spool = NonNullable<DeviceView["materials"]>[number];

const spoolOf = ({ slot, material, color, remaining, isActive }: Spool): string =>
  [
    `${slot} ${material}`,
    ...(color === undefined ? [] : [`#${color}`]),
    ...(remaining === undefined ? [] : [formatShare(remaining)]),
    ...(isActive ? ["in use"] : []),
  ].join(" ");

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
    ["says", device.notices?.join("; ")],
    ["power", device.power?.map(({ name, isOn }) => `${name} ${isOn ? "on" : "off"}`).join(", ")],
    ["spools", device.materials?.map(spoolOf).join(", ")],
    ["camera", device.webcamUrl],
  ]);
