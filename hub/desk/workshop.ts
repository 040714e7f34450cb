// Use cases: devices that were found and wait for a person's word, and how the fleet is.
//
// FD1. What was found becomes a printer only when an admin says so; the machine that found it drives it.
// FD2. The secret that opens it goes to that machine and nowhere else: it is in no row, event or log.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makeLayerReader } from "@gantry/shared/gcode/layer-path.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type {
  FleetCheckView,
  FleetHealthView,
  FoundListView,
  FoundView,
  PrintLayersView,
} from "@gantry/shared/contract/schemas/workshop.ts";
import { ADOPTABLE, type Adopt } from "@gantry/shared/contract/adopt.ts";
import type { FleetCheckRow } from "@gantry/shared/contract/workshop.ts";
import type { Fleet, FoundThere } from "../hands/fleet.ts";
import { act, type Hub } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, paramOf, type UseCase } from "./context.ts";
import { isoTime } from "./views.ts";

export const WORKSHOP_USE_CASES: Partial<Record<RouteName, UseCase>> = {
  found: (parts) => listView(parts.hub, fleetOf(parts)),
  foundScanned,
  foundApproved,
  foundIgnored,
  fleetHealth,
  fleetChecked,
  printLayers,
  camera: ({ cameras }, request) => {
    if (cameras === undefined) throw new GantryError("capability_missing", "No cameras are shown");
    return cameras.picture(paramOf(request, "id"));
  },
};

function fleetOf({ fleet }: DeskParts): Fleet {
  if (fleet === undefined) throw new GantryError("capability_missing", "This hub has no workshop");
  return fleet;
}

const machineOf = ({ rows }: Hub, node: string): string => rows.get("node", node)?.name ?? node;

function foundView(hub: Hub, { node, found, seenAtMs }: FoundThere): FoundView {
  const row = hub.rows.get("found", found.key);
  const isThere = row?.printer !== undefined && hub.rows.get("device", row.printer) !== undefined;
  return {
    ...found,
    node,
    machine: machineOf(hub, node),
    state: isThere ? "printer" : (row?.decision ?? "waiting"),
    ...(row?.printer === undefined ? {} : { printer: row.printer }),
    canAdopt: ADOPTABLE.has(found.kind),
    seenAt: isoTime(seenAtMs),
  };
}

function listView(hub: Hub, fleet: Fleet): FoundListView {
  const { scannedAtMs } = fleet;
  return {
    scannedAt: scannedAtMs === undefined ? null : isoTime(scannedAtMs),
    found: fleet
      .found()
      .map((one) => foundView(hub, one))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    silent: fleet.silent.map(({ node, why }) => ({ machine: machineOf(hub, node), why })),
  };
}

async function foundScanned(
  parts: DeskParts,
  _request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FoundListView> {
  const fleet = fleetOf(parts);
  await fleet.discover(signal);
  return listView(parts.hub, fleet);
}

function thereOf(fleet: Fleet, key: string): FoundThere {
  const there = fleet.found().find(({ found }) => found.key === key);
  if (there !== undefined) return there;
  throw new GantryError("not_found", `Nothing with the key ${key} was found; scan again`);
}

async function foundApproved(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FoundView> {
  const { hub } = parts;
  const fleet = fleetOf(parts);
  const { key, printer, ...given } = request.body as Omit<Adopt, "id"> & {
    key: string;
    printer: string;
  };
  const there = thereOf(fleet, key);
  const { kind, address, serial } = there.found;
  if (!ADOPTABLE.has(kind)) {
    throw new GantryError("conflict", `A ${kind} is found and shown, but is no printer`);
  }
  if (hub.rows.get("device", printer) !== undefined) {
    throw new GantryError("conflict", `There is a printer ${printer} already`);
  }
  const order: Adopt = {
    ...given,
    id: printer,
    kind,
    address,
    ...(serial === undefined ? {} : { serial }),
  };
  await fleet.ask(
    there.node,
    { ask: "adopt", printer: order },
    TIMEOUT.fabricationCommandMs,
    signal,
  );
  const body = { type: "foundDecided" as const, key, node: there.node };
  await act(hub, { ...body, decision: "approved", printer }, byOf(request), signal); // FD2
  return foundView(hub, there);
}

async function foundIgnored(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { key, ignored } = request.body as { key: string; ignored: boolean };
  const { node } = thereOf(fleetOf(parts), key);
  const decision = ignored ? "ignored" : "forgotten";
  await act(parts.hub, { type: "foundDecided", key, node, decision }, byOf(request), signal);
  return { ok: true };
}

// ── layers ──────────────────────────────────────────────────────────────────────────────────────

/** Small enough that nobody else of this thread waits for it to be read. */
const PIECE_BYTES = 65_536;

async function printLayers(
  { hub, blobs }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<PrintLayersView> {
  const id = paramOf(request, "id");
  const row = hub.rows.get("print", id);
  if (row === undefined) throw new GantryError("not_found", `There is no print job ${id}`);
  if (blobs === undefined) throw new GantryError("not_found", "There is no blob store here");
  const [from, to] = [Number(request.query["from"]), Number(request.query["to"])];
  const { sha256, sizeBytes, layers } = row.gcode;
  const reader = makeLayerReader(from, to, LIMIT.layerLines.max);
  const endBytes = Math.min(sizeBytes, LIMIT.layerBytes.max);
  for (let offset = 0; offset < endBytes && !reader.isPast(); offset += PIECE_BYTES) {
    signal.throwIfAborted();
    reader.push(await blobs.read(sha256, offset, Math.min(PIECE_BYTES, endBytes - offset)));
  }
  const { layers: read, drawn } = reader.finish();
  return {
    layers: Math.max(layers, read),
    drawn: drawn.map((one) => ({ ...one, lines: [...one.lines] })),
  };
}

// ── health ──────────────────────────────────────────────────────────────────────────────────────

const checkView = (
  hub: Hub,
  { atMs, by, isScheduled, printers }: FleetCheckRow,
): FleetCheckView => ({
  at: isoTime(atMs),
  by,
  isScheduled,
  printers: printers.map(({ node, ...health }) => ({ ...health, machine: machineOf(hub, node) })),
});

function fleetHealth(parts: DeskParts): FleetHealthView {
  const fleet = fleetOf(parts);
  const nextAtMs = fleet.nextAtMs();
  return {
    checks: fleet.checks().map((row) => checkView(parts.hub, row)),
    nextAt: nextAtMs === undefined ? null : isoTime(nextAtMs),
  };
}

async function fleetChecked(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<FleetCheckView> {
  const row = await fleetOf(parts).check(byOf(request), false, signal);
  return checkView(parts.hub, row);
}
