// Test equipment: a farm that does not exist, in the shapes of contract/schemas/farm.ts.

import type { EventType } from "@gantry/shared/contract/events.ts";
import type {
  FleetHealthView,
  FoundListView,
  PrintLayersView,
} from "@gantry/shared/contract/schemas/workshop.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type {
  FarmPrinterView,
  FarmView,
  SpoolView,
  TallyView,
  WallView,
} from "@gantry/shared/contract/schemas/farm.ts";

export interface FarmFacts {
  view: FarmView;
  spools: SpoolView[];
  outcomes: Record<string, TallyView[]>;
  wall: WallView;
}

const at = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();

export const noFarm = (): FarmFacts => ({
  view: { queue: [], more: 0, loadings: [] },
  spools: [],
  outcomes: {},
  wall: { at: at(0), printers: [], waiting: 0 },
});

const tally = (id: string, good: number, bad: number, reasons: Record<string, number> = {}) => ({
  id,
  name: id,
  good,
  bad,
  goodShare: good / (good + bad),
  reasons,
  printedH: (good + bad) * 2.5,
  grams: (good + bad) * 42,
});

export const someFarm = (): FarmFacts => ({
  view: {
    queue: [
      {
        id: "prt_f1",
        name: "hinge-left",
        by: "mara",
        state: "ready",
        printer: "any",
        farm: {
          needs: { material: "PETG", color: "FF8800", nozzleMm: 0.4, labels: ["enclosed"] },
          dialect: "marlin",
          priority: 7,
          deadline: at(600),
        },
        estimatedS: 7_420,
        grams: 84.2,
        createdAt: at(-30),
        dueAt: at(460),
        reason: {
          code: "bed_not_clear",
          message: "prusa: its bed holds the part of prt_9",
          change: "Take it off and say so: gantry bed clear prusa --outcome ok|failed",
          printers: [
            {
              printer: "prusa",
              code: "bed_not_clear",
              message: "its bed holds the part of prt_9",
              change: "Take it off",
            },
            {
              printer: "ender",
              code: "material_not_loaded",
              message: "it holds PLA, not PETG",
              change: "Load PETG",
            },
          ],
        },
      },
      {
        id: "prt_f2",
        name: "a-case-with-a-very-long-name-that-has-no-room-on-a-phone",
        by: "jon",
        state: "ready",
        printer: "any",
        farm: { needs: { material: "ABS" }, dialect: "marlin", priority: 5 },
        estimatedS: 3_600,
        grams: 30,
        createdAt: at(-20),
        dueAt: at(1_900),
        reason: {
          code: "material_not_loaded",
          message: "ender: it holds PLA, not ABS",
          change: "Load ABS: gantry printer load ender SPOOL",
          printers: [],
        },
      },
    ],
    more: 0,
    loadings: [{ printer: "ender", material: "ABS", jobs: ["prt_f2"] }],
  },
  spools: [
    {
      id: "petg-1",
      material: "PETG",
      color: "FF8800",
      leftG: 612.4,
      reservedG: 84.2,
      reservedFor: "prt_9",
      usedG: 387.6,
      costMicroUsdPerKg: 24_900_000,
      printer: "prusa",
      changedAt: at(-5),
    },
    {
      id: "abs-1",
      material: "ABS",
      name: "from the shelf",
      leftG: 1_000,
      reservedG: 0,
      usedG: 0,
      changedAt: at(-500),
    },
  ],
  outcomes: {
    printer: [
      tally("ender", 40, 3, { adhesion: 2, layer_shift: 1 }),
      tally("prusa", 71, 1, { warping: 1 }),
    ],
    material: [tally("PETG", 60, 1, { warping: 1 }), tally("PLA", 51, 3, { adhesion: 3 })],
    file: [],
  },
  wall: {
    at: at(0),
    waiting: 2,
    printers: [
      { id: "ender", state: "idle", bed: "clear", isMaintenanceDue: false, material: "PLA" },
      {
        id: "prusa",
        state: "printing",
        bed: "part",
        isMaintenanceDue: false,
        progress: 0.62,
        remainingS: 2_520,
        endsAt: at(42),
        temperatures: { nozzleC: 239.6, nozzleTargetC: 240, bedC: 84.8, bedTargetC: 85 },
        material: "PETG",
      },
      { id: "voron-1", state: "idle", bed: "part", isMaintenanceDue: false, material: "ABS" },
      { id: "voron-2", state: "offline", bed: "clear", isMaintenanceDue: true },
    ],
  },
});

function printersOf(devices: readonly DeviceView[]): FarmPrinterView[] {
  return devices.map((device, index) =>
    index > 1
      ? { device, loaded: {} }
      : {
          device,
          loaded: { material: index === 0 ? "PLA" : "PETG", freeG: 528.2 },
          profile: {
            nozzleMm: 0.4,
            labels: ["enclosed"],
            isHeld: false,
            maintenanceEveryH: 200,
            printedH: 1_204.3,
            sinceMaintenanceH: index === 0 ? 201.5 : 12,
            isMaintenanceDue: index === 0,
            ...(index === 0 ? {} : { spool: "petg-1" }),
          },
        },
  );
}

/** What the farm answers; undefined where it is not asked. */
export function readFarm(
  facts: FarmFacts,
  devices: readonly DeviceView[],
  path: string,
  query: URLSearchParams,
): unknown {
  if (path.endsWith("/layers"))
    return someLayers(Number(query.get("from")), Number(query.get("to")));
  switch (path) {
    case "/api/farm":
      return facts.view;
    case "/api/farm/printers":
      return { printers: printersOf(devices), limits: {} };
    case "/api/farm/spools":
      return { spools: facts.spools };
    case "/api/farm/outcomes":
      return { outcomes: facts.outcomes[query.get("of") ?? "printer"] ?? [] };
    case "/api/discovery":
      return someFound();
    case "/api/farm/health":
      return someHealth();
    case "/api/wall":
      return facts.wall;
    default:
      return undefined;
  }
}

/** A change of the queue, with the event that a hub makes of it. */
export function actOnFarm(
  facts: FarmFacts,
  path: string,
  body: string,
  emit: (type: EventType, id: string) => void,
): unknown {
  const [, , area, part, id] = path.split("/");
  if (area !== "farm" || part !== "queue") return undefined;
  const { priority } = JSON.parse(body) as { priority: number };
  facts.view = {
    ...facts.view,
    queue: facts.view.queue.map((print) =>
      print.id === id && print.farm !== undefined
        ? { ...print, farm: { ...print.farm, priority } }
        : print,
    ),
  };
  emit("print.changed", id ?? "");
  return facts.view;
}

const foundAt = { node: "node_1", machine: "workbench", seenAt: at(-1) } as const;

/** As a look around would have it; nothing of it exists. */
const someFound = (): FoundListView => ({
  scannedAt: at(-1),
  silent: [{ machine: "attic", why: "It is not connected" }],
  found: [
    {
      ...foundAt,
      key: "bambu:01SIMULATED0001",
      kind: "bambu",
      name: "Left one",
      model: "X1",
      address: "10.0.0.9",
      by: "bambu",
      state: "waiting",
      canAdopt: true,
    },
    {
      ...foundAt,
      key: "camera:10.0.0.40",
      kind: "camera",
      name: "A camera with a name that is longer than any phone is wide",
      address: "10.0.0.40",
      by: "ssdp",
      state: "waiting",
      canAdopt: false,
    },
    {
      ...foundAt,
      key: "moonraker:10.0.0.5:7125",
      kind: "moonraker",
      name: "voron",
      address: "10.0.0.5:7125",
      by: "mdns",
      state: "printer",
      printer: "voron-1",
      canAdopt: true,
    },
  ],
});

function ring(radius: number): number[] {
  const at24 = (side: number): number[] => {
    const angle = (side / 24) * 2 * Math.PI;
    return [110 + radius * Math.cos(angle), 110 + radius * Math.sin(angle)];
  };
  return Array.from({ length: 24 }, (_, side) => [...at24(side), ...at24(side + 1)]).flat();
}

/** A ring that grows narrower. */
function someLayers(from: number, to: number): PrintLayersView {
  const drawn = Array.from({ length: to - from + 1 }, (_, at) => ({
    layer: from + at,
    zMm: (from + at) * 0.2,
    lines: ring(Math.max(5, 30 - (from + at) * 0.1)),
    stride: 1,
  }));
  return { layers: to, drawn };
}

const someHealth = (): FleetHealthView => ({
  nextAt: at(200),
  checks: [
    {
      at: at(-40),
      by: "hub",
      isScheduled: true,
      printers: [
        { printer: "voron-1", machine: "workbench", state: "busy", phase: "printing" },
        { printer: "ender", machine: "workbench", state: "well", phase: "idle" },
        {
          printer: "prusa",
          machine: "attic",
          state: "offline",
          phase: "offline",
          why: "its machine did not say how it is",
        },
      ],
    },
  ],
});
