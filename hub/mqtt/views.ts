// What the retained topics show, read from the desk when something touched it.
//
// V1. A read that fails in a way that may pass stays due; one that says `not_found` removes the topic.
// V2. The names of touched things are bounded; over the bound everything is read again instead.
// V3. A print job that has ended leaves MQTT after ENDED_KEPT_MS.
// V4. After a start the conversations of the last PAST_POSITIONS log entries are shown again, at most
//     the PAST_MAX newest: no list has those of all people.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { Health } from "@gantry/shared/contract/schemas/service.ts";
import { TOPICS } from "@gantry/shared/contract/topics.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Desk } from "../ports.ts";
import { discoveryOf } from "./discovery.ts";
import type { Mirror } from "./mirror.ts";
import {
  contextPayload,
  type ConversationFacts,
  devicePayload,
  jobPayload,
  statusPayload,
} from "./payloads.ts";

/** The door reads as itself; it never acts as itself. */
const READER: Actor = { person: "mqtt", role: "admin", token: "internal" };

const DIRTY_MAX = 2_000;
const PAGE = 500;
const PAST_POSITIONS = 20_000;
const PAST_MAX = 500;
const OWNERS_MAX = 5_000;
const ENDED_KEPT_MS = 3_600_000;
const ENDED: readonly string[] = ["done", "failed", "cancelled"];

export type View = "device" | "print" | "conversation" | "status" | "all" | "past";

export interface ViewOptions {
  readonly desk: Desk;
  readonly clock: Clock;
  readonly mintRequestId: () => string;
  readonly mirror: Mirror;
  readonly log: Logger;
}

export interface Views {
  touch(view: View, id: string): void;
  touchedBy(event: LedgerEvent): void;
  touchAll(): void;
  /** Looks at the hub's own status again and lets ended jobs go (V3). */
  tick(): void;
  /** Reads everything that was touched into the mirror; false when something has to be tried again. */
  refresh(signal: AbortSignal): Promise<boolean>;
}

export function makeViews({ desk, clock, mintRequestId, mirror, log }: ViewOptions): Views {
  let dirty = new Map<string, { readonly view: View; readonly id: string }>();
  const ended = new Map<string, number>(); // job to when it leaves, monotonic ms
  const owners = new Map<string, string>(); // conversation to person

  const read = async (
    route: RouteName,
    params: Readonly<Record<string, string>>,
    query: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<unknown> =>
    desk.call(
      route,
      { actor: READER, requestId: mintRequestId(), params, query, body: undefined },
      { signal: clock.timeout(TIMEOUT.proposeMs, signal) },
    );

  function touch(view: View, id: string): void {
    if (dirty.size >= DIRTY_MAX) {
      dirty = new Map(); // V2
      dirty.set("all/", { view: "all", id: "" }).set("past/", { view: "past", id: "" });
    }
    dirty.set(`${view}/${id}`, { view, id });
  }
  const touchAll = (): void => {
    touch("all", "");
    touch("past", "");
  };

  /** A conversation never changes hands; the view of the hub does not say whose it is. */
  function own(conversation: string, person: string | undefined): void {
    if (person !== undefined) owners.set(conversation, person);
    const oldest = owners.keys().next();
    if (owners.size > OWNERS_MAX && oldest.done !== true) owners.delete(oldest.value);
  }

  function touchedBy(event: LedgerEvent): void {
    const { type, subject } = event;
    if (type === "device.changed") touch("device", subject);
    else if (type === "print.changed") touch("print", subject);
    else if (type === "conversation.changed") {
      own(subject, event.person);
      touch("conversation", subject);
    } else if (type === "stop.pressed" || type === "node.state") touch("all", "");
  }

  function showDevice(device: DeviceView): void {
    mirror.set(TOPICS.deviceState(device.id), devicePayload(device));
    for (const { topic, payload } of discoveryOf(device)) mirror.set(topic, payload);
  }

  function showPrint(print: PrintView): void {
    if (!ENDED.includes(print.state)) {
      mirror.set(TOPICS.job(print.id), jobPayload(print));
      return;
    }
    const endedAtMs = Date.parse(print.finishedAt ?? print.createdAt);
    const leftMs = endedAtMs + ENDED_KEPT_MS - clock.now();
    if (leftMs <= 0) mirror.remove(TOPICS.job(print.id));
    else {
      mirror.set(TOPICS.job(print.id), jobPayload(print));
      ended.set(print.id, clock.monotonic() + leftMs);
    }
  }

  async function showConversation(id: string, signal: AbortSignal): Promise<void> {
    const talk = (await read("conversation", { id }, { limit: 1 }, signal)) as ConversationFacts;
    const person = talk.person ?? owners.get(id);
    mirror.set(
      TOPICS.context(id),
      contextPayload(person === undefined ? talk : { ...talk, person }),
    );
  }

  async function showStatus(signal: AbortSignal): Promise<void> {
    mirror.set(
      TOPICS.autonomyStatus,
      statusPayload((await read("ready", {}, {}, signal)) as Health),
    );
  }

  /** The replies were checked against their schemas by the desk; this is the same process family. */
  async function showAll(signal: AbortSignal): Promise<void> {
    await showStatus(signal);
    const { devices } = (await read("devices", {}, {}, signal)) as {
      devices: readonly DeviceView[];
    };
    for (const device of devices) showDevice(device);
    const { jobs } = (await read("prints", {}, { limit: PAGE }, signal)) as {
      jobs: readonly PrintView[];
    };
    for (const print of jobs) showPrint(print);
  }

  /** V4. */
  async function showPast(signal: AbortSignal): Promise<void> {
    const { hubs } = (await read("cluster", {}, {}, signal)) as {
      hubs: readonly { readonly appliedIndex: number }[];
    };
    const newest = Math.max(0, ...hubs.map(({ appliedIndex }) => appliedIndex));
    const seen = new Map<string, string | undefined>();
    const types = "conversation.changed";
    let since: number | undefined = Math.max(0, newest - PAST_POSITIONS);
    while (since !== undefined) {
      const query = { since, types, limit: PAGE, format: "json" };
      const page = (await read("events", {}, query, signal)) as {
        events: readonly LedgerEvent[];
        next?: number;
      };
      for (const { subject, person } of page.events) {
        seen.delete(subject); // the newest stay
        seen.set(subject, person);
      }
      since = page.next;
    }
    for (const [id, person] of [...seen].slice(-PAST_MAX)) {
      own(id, person);
      touch("conversation", id);
    }
  }

  async function show(view: View, id: string, signal: AbortSignal): Promise<void> {
    switch (view) {
      case "all":
        return showAll(signal);
      case "past":
        return showPast(signal);
      case "status":
        return showStatus(signal);
      case "device":
        return showDevice((await read("device", { id }, {}, signal)) as DeviceView);
      case "print":
        return showPrint((await read("print", { id }, {}, signal)) as PrintView);
      case "conversation":
        return showConversation(id, signal);
    }
  }

  function topicOf(view: View, id: string): string | undefined {
    if (view === "device") return TOPICS.deviceState(id);
    if (view === "print") return TOPICS.job(id);
    return view === "conversation" ? TOPICS.context(id) : undefined;
  }

  /** False when the read has to be tried again (V1). */
  async function isShown(view: View, id: string, signal: AbortSignal): Promise<boolean> {
    try {
      await show(view, id, signal);
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      const topic = topicOf(view, id);
      if (error instanceof GantryError && error.code === "not_found" && topic !== undefined) {
        mirror.remove(topic);
        return true;
      }
      log.debug({ view, subject: id, err: toErrorRecord(error) }, "mqtt view is not readable now");
      return false;
    }
  }

  async function refresh(signal: AbortSignal): Promise<boolean> {
    const failed: { readonly view: View; readonly id: string }[] = [];
    while (dirty.size > 0) {
      const due = [...dirty.values()];
      dirty = new Map();
      for (const item of due) {
        if (!(await isShown(item.view, item.id, signal))) failed.push(item);
      }
    }
    for (const { view, id } of failed) touch(view, id);
    return failed.length === 0;
  }

  return {
    touch,
    touchedBy,
    touchAll,
    tick() {
      touch("status", "");
      for (const [job, atMs] of ended) {
        if (atMs > clock.monotonic()) continue;
        ended.delete(job);
        mirror.remove(TOPICS.job(job));
      }
    },
    refresh,
  };
}
