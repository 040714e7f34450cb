// The MQTT door: mirrors the hub's state into retained topics and lets devices and people send a few
// commands. Everything it knows it reads from the desk; losing the broker loses nothing.
//
// D1. The hub owns the truth. Retained topics are filled again within seconds after the broker or the
//     hub was started again (row K60), and no work ever waits for the broker (row K40).
// D2. A command is on record before it is acknowledged; what is refused is acknowledged too and the
//     reason published, because a client that is cut off for it sends it again for ever.
// D3. Views are read after the event that touched them and coalesced, so a burst of events about one
//     thing costs one read and one message.

import { mintId } from "@gantry/shared/base/ids.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { TOPICS } from "@gantry/shared/contract/topics.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { Desk, FeedItem } from "../ports.ts";
import type { Broker, BrokerHandler, OpenBroker, Received } from "./broker.ts";
import { makeMirror } from "./mirror.ts";
import { performOrder } from "./orders.ts";
import { eventPayload, OFFLINE_PAYLOAD } from "./payloads.ts";
import { commandTopicOf, deviceOf, mayReceive, maySubscribe } from "./permissions.ts";
import { makeViews, type View } from "./views.ts";

/** Waits this long after the first event so that a burst is one read (D3). */
const COALESCE_MS = 50;
/** After a failed read or publish; also how often the hub's own status is looked at. */
const TICK_MS = 1_000;
const TOPICS_MAX = 5_000;
const PUBLISH_AT_ONCE = 50;
const EVENTS_WAITING_MAX = 1_000;

export interface MqttDoorOptions {
  readonly openBroker: OpenBroker;
  readonly desk: Desk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface MqttDoor extends AsyncDisposable {
  readonly address: string;
  close(): Promise<void>;
}

/** Opens the broker and keeps it filled until the signal aborts. Throws port_busy or bad_config. */
export async function startMqttDoor(options: MqttDoorOptions): Promise<MqttDoor> {
  const { desk, clock, random, log } = options;
  const scope = makeScope((name, error) =>
    log.error({ task: name, err: error }, "mqtt task failed"),
  );
  const signal = AbortSignal.any([scope.signal, options.signal]);
  const mintRequestId = (): string => mintId("req", clock.now(), random);
  const mirror = makeMirror(TOPICS_MAX);
  const views = makeViews({ desk, clock, mintRequestId, mirror, log });
  const bell = makeMailbox<"ring">(1);
  const events = makeMailbox<LedgerEvent>(EVENTS_WAITING_MAX);
  const ring = (): void => void bell.offer("ring");

  const handler: BrokerHandler = {
    will: { topic: TOPICS.autonomyStatus, payload: OFFLINE_PAYLOAD, retain: true, qos: 1 },
    authenticate: (secretSha256) => desk.authenticate(secretSha256),
    maySubscribe: (_actor, filter) => maySubscribe(filter),
    mayReceive,
    received: (message) => receive(message),
    connected() {
      mirror.forgetSent(); // D1
      ring();
    },
  };
  const broker = await options.openBroker(handler, signal);

  /** D2. */
  async function receive(message: Received): Promise<void> {
    const target = commandTopicOf(message.topic);
    if (target === undefined) return reject(message, "forbidden", "Nobody may publish here");
    try {
      await performOrder(target, message, { desk, clock, mintRequestId, signal });
      log.info({ topic: message.topic, person: message.actor?.person }, "mqtt command done");
    } catch (error) {
      const { code, message: reason } = toErrorRecord(error);
      await reject(message, code, reason);
    }
  }

  async function reject(message: Received, code: string, reason: string): Promise<void> {
    log.warn({ topic: message.topic, person: message.actor?.person, code }, "mqtt message refused");
    const device = deviceOf(message.topic);
    const topic = device === undefined ? TOPICS.autonomyRejected : TOPICS.rejected(device);
    const payload = JSON.stringify({ topic: message.topic.slice(0, 200), code, message: reason });
    // QoS 0: an external broker's acknowledgement cannot be read while we hold back our own.
    await broker.publish({ topic, payload, retain: false, qos: 0 }).catch(ignoreUnreachable);
  }

  function onFeed(items: readonly FeedItem[]): void {
    for (const item of items) {
      if (item.kind === "soft") {
        if (item.event.type === "telemetry") views.touch("device", item.event.device);
        continue;
      }
      if (item.kind === "lapse") {
        views.touchAll();
        scope.start("recheck", () => broker.recheck());
        continue;
      }
      for (const event of item.events) onEvent(event);
    }
    ring();
  }

  function onEvent(event: LedgerEvent): void {
    views.touchedBy(event);
    if (event.type === "token.changed") scope.start("recheck", () => broker.recheck());
    if (events.offer(event) === "full") log.warn({ type: event.type }, "mqtt event dropped");
  }

  async function mirrorLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await bell.take(signal);
      await clock.sleep(COALESCE_MS, signal);
      const isFresh = await views.refresh(signal);
      const isSent = await publishDue();
      if (isFresh && isSent) continue;
      await clock.sleep(TICK_MS, signal);
      ring();
    }
  }

  /** True when the broker has everything. After a failure `connected` makes it due again. */
  async function publishDue(): Promise<boolean> {
    const due = mirror.due();
    for (let from = 0; from < due.length; from += PUBLISH_AT_ONCE) {
      const batch = due.slice(from, from + PUBLISH_AT_ONCE);
      try {
        await Promise.all(batch.map((item) => publishOne(broker, item)));
      } catch (error) {
        log.debug({ err: toErrorRecord(error) }, "mqtt broker does not take it now");
        return false;
      }
    }
    return true;
  }

  async function publishOne(
    broker: Broker,
    { topic, payload }: { readonly topic: string; readonly payload: string },
  ): Promise<void> {
    await broker.publish({ topic, payload, retain: true, qos: 1 });
    mirror.sent(topic, payload);
  }

  async function eventLoop(): Promise<void> {
    for await (const event of events) {
      const payload = eventPayload(event);
      await broker
        .publish({ topic: TOPICS.event(event.type), payload, retain: false, qos: 0 })
        .catch(ignoreUnreachable);
    }
  }

  async function tickLoop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      views.tick();
      ring();
      await clock.sleep(TICK_MS, signal);
    }
  }

  desk.watch(onFeed, signal); // before the first read, so that nothing falls between
  views.touchAll();
  scope.start("mirror", mirrorLoop);
  scope.start("events", eventLoop);
  scope.start("tick", tickLoop);
  log.info({ address: broker.address }, "mqtt door is open");

  const close = async (): Promise<void> => {
    events.close();
    bell.close();
    await broker.publish(handler.will).catch(ignoreUnreachable);
    await scope.close();
    await broker.close();
  };
  return { address: broker.address, close, [Symbol.asyncDispose]: close };
}

/** What is not retained may be lost with the broker; nothing waits for it (D1). */
function ignoreUnreachable(): void {}

export type { View };
