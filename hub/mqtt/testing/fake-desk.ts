// A desk in memory for tests of the MQTT door: it answers from plain maps and keeps every call.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { EventType } from "@gantry/shared/contract/events.ts";
import type { Actor, Role } from "@gantry/shared/contract/roles.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { Desk, DeskRequest, FeedItem } from "../../ports.ts";
import type { ConversationFacts } from "../payloads.ts";

export interface FakeCall {
  readonly route: RouteName;
  readonly request: DeskRequest;
}

export interface FakeDesk extends Desk {
  readonly devices: Map<string, DeviceView>;
  readonly prints: Map<string, PrintView>;
  readonly conversations: Map<string, ConversationFacts>;
  /** Calls that change something, in order. */
  readonly orders: FakeCall[];
  /** Awaited before an order is taken: hold it to see what happens meanwhile. */
  gate: Promise<void>;
  token(secret: string, person: string, role: Role): void;
  revoke(secret: string): void;
  say(type: EventType, subject: string, person?: string): void;
  soft(device: string): void;
}

export const device = (id: string, over: Partial<DeviceView> = {}): DeviceView => ({
  id,
  kind: "printer",
  type: "marlin",
  node: "node-1",
  machine: "bench",
  online: true,
  phase: "idle",
  simulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
  bed: "clear",
  ...over,
});

export const print = (id: string, over: Partial<PrintView> = {}): PrintView => ({
  id,
  name: "bracket",
  printer: "sim",
  state: "printing",
  progress: 0.25,
  startedCount: 1,
  by: "olga",
  createdAt: new Date().toISOString(),
  estimatedS: 60,
  gcode: {
    sha256: "0".repeat(64),
    sizeBytes: 1,
    commands: 1,
    nozzleMaxC: 200,
    bedMaxC: 60,
    filamentMm: 1,
    layers: 1,
    hazards: [],
  },
  ...over,
});

const message = (seq: number, text: string): MessageView => ({
  id: `msg-${seq}`,
  seq,
  role: "user",
  text,
  at: "2026-01-01T00:00:00.000Z",
  requestId: "req",
});

/** A conversation of `total` messages whose last one says `text`. */
export const talk = (
  id: string,
  person: string,
  total: number,
  text: string,
): ConversationFacts => ({
  id,
  person,
  title: "a talk",
  createdAt: "2026-01-01T00:00:00.000Z",
  changedAt: "2026-01-01T00:00:00.000Z",
  total,
  messages: [message(total - 1, text)],
});

const ORDERS: readonly RouteName[] = [
  "stop",
  "bedCleared",
  "printPaused",
  "printResumed",
  "printCancelled",
  "jobAdded",
];

function found<T>(map: ReadonlyMap<string, T>, id: string | undefined): T {
  const value = map.get(id ?? "");
  if (value === undefined) throw new GantryError("not_found", `There is no ${id}`);
  return value;
}

/** One event of each conversation, as the journal has them. */
const pastOf = ({ conversations }: FakeDesk): readonly unknown[] =>
  [...conversations.values()].map(({ id, person }) => ({
    id: 1,
    type: "conversation.changed",
    atMs: 0,
    subject: id,
    person,
    data: {},
  }));

export function makeFakeDesk(): FakeDesk {
  const actors = new Map<string, Actor>();
  const watchers = new Set<(items: readonly FeedItem[]) => void>();
  const desk: FakeDesk = {
    devices: new Map(),
    prints: new Map(),
    conversations: new Map(),
    orders: [],
    gate: Promise.resolve(),
    token: (secret, person, role) =>
      void actors.set(sha256(secret), { person, role, token: `tok-${person}` }),
    revoke: (secret) => void actors.delete(sha256(secret)),
    say(type, subject, person) {
      const event = { id: 1, type, atMs: 0, subject, data: {}, ...(person ? { person } : {}) };
      for (const watcher of watchers) watcher([{ kind: "ledger", id: 1, events: [event] }]);
    },
    soft(id) {
      const event = { type: "telemetry", device: id, phase: "printing" } as const;
      for (const watcher of watchers) watcher([{ kind: "soft", event }]);
    },
    authenticate: (secretSha256) => Promise.resolve(actors.get(secretSha256)),
    async call(route, request) {
      if (ORDERS.includes(route)) {
        await desk.gate;
        desk.orders.push({ route, request });
        return {};
      }
      const { id } = request.params;
      if (route === "ready") return { status: "ok", version: "0.1.0", parts: {}, uptimeS: 1 };
      if (route === "devices") return { devices: [...desk.devices.values()] };
      if (route === "prints") return { jobs: [...desk.prints.values()] };
      if (route === "cluster") return { hubs: [{ appliedIndex: 9 }] };
      if (route === "events") return { events: pastOf(desk) };
      if (route === "device") return found(desk.devices, id);
      if (route === "print") return found(desk.prints, id);
      if (route === "conversation") {
        const { person: _, ...view } = found(desk.conversations, id); // the hub's view has none
        return view;
      }
      throw new GantryError("not_found", `The fake desk has no ${route}`);
    },
    watch(onItems, signal) {
      watchers.add(onItems);
      signal.addEventListener("abort", () => watchers.delete(onItems), { once: true });
    },
  };
  return desk;
}
