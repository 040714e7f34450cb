// Posts events to webhooks, while this hub leads. What is owed is read off the ledger: each webhook's
// cursor and the journal behind it.
//
// WH1. One loop for each webhook: one that is slow or away delays no other one.
// WH2. Events of a webhook are posted in the order of the log, one after the other. The cursor follows
//      what became of them: after a crash the same events are posted again under the same delivery ids.
// WH3. Events are followed live while the receiver keeps up. One that does not is let go and finds what
//      it missed in the journal: a slow receiver costs at most LIVE_MAX events of memory.
// WH4. The bytes of an event are the same with each try; only time and signature differ.
// WH5. It posts only while who made it could make it still: else it stands still, and goes on from where
//      it stood when a valid token of that person is there again.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import type { EventType, LedgerEvent } from "@gantry/shared/contract/events.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import { type DeadLetter, typesOf, type WebhookRow } from "@gantry/shared/contract/webhooks.ts";
import { attempt, isRetryable } from "@gantry/shared/flow/attempt.ts";
import { pastEvents } from "../feed/past.ts";
import { act, byHub, type Hub } from "../hub.ts";
import { bestRoleOf } from "../ledger/domains/people.ts";
import type { FeedItem, OrderedStore } from "../ports.ts";

/** Events that wait in memory for one receiver. */
const LIVE_MAX = 1_000;
/** Deliveries that one command tells of. */
const BATCH_MAX = 64;
/** A delivery waits no longer than this to be told of. */
const TELL_MS = 200;
/** A cursor this far behind moves on though nothing was for it: a start has less to read. */
const IDLE_POSITIONS = 10_000;
const LOOK_MS = 30_000;
/** Of a loop that could not write or read: not of a receiver (RETRY.webhook). */
const AGAIN = { firstMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.2 } as const;
/** How soon a webhook notices that its maker may post again. */
const MAY_MS = 5_000;

/** A request with this body; gives the status. Throws egress_denied, unreachable, timeout ... */
export type Post = (
  to: Pick<WebhookRow, "url" | "secret">,
  delivery: { readonly id: string; readonly type: string; readonly body: string },
  signal: AbortSignal,
) => Promise<number>;

export interface Webhooks {
  /** Until the signal aborts. `term`: the reign's. */
  run(term: number, signal: AbortSignal): Promise<void>;
}

export interface WebhookParts {
  readonly hub: Hub;
  readonly ledgerStore: OrderedStore;
  readonly post: Post;
}

interface Follower {
  readonly webhook: string;
  /** Types that it wants, for the index. */
  readonly types: ReadonlySet<EventType>;
  /** A new one of its events, or a wish of a person. */
  heard(event: Numbered): void;
  wake(): void;
  stop(): void;
}

/** `place`: among all events of its command. */
interface Numbered {
  readonly event: LedgerEvent;
  readonly place: number;
}

export function makeWebhooks(parts: WebhookParts): Webhooks {
  const { hub } = parts;
  return {
    async run(term, signal) {
      const followers = new Map<string, Follower>();
      /** Every event up to here was heard, or is older than this reign's watch. */
      let seenTo = hub.replica.ledger.position;
      /** WH1: who wants an event is found without asking each. */
      const index = new Map<EventType, Set<Follower>>();

      function drop(id: string): void {
        const follower = followers.get(id);
        if (follower === undefined) return;
        followers.delete(id);
        for (const type of follower.types) index.get(type)?.delete(follower);
        follower.stop();
      }
      function take(id: string): void {
        const row = hub.rows.hot("webhook").get(id);
        if (row === undefined) return drop(id);
        const known = followers.get(id);
        if (known !== undefined) return known.wake();
        const follower = follow(parts, row, { term, seenTo: () => seenTo }, signal);
        followers.set(id, follower);
        for (const type of follower.types) {
          const wanting = index.get(type) ?? new Set();
          index.set(type, wanting.add(follower));
        }
      }
      function heard(item: FeedItem): void {
        if (item.kind === "lapse") {
          for (const id of followers.keys()) drop(id);
          for (const id of hub.rows.hot("webhook").keys()) take(id);
        }
        if (item.kind !== "ledger") return;
        for (const [place, event] of item.events.entries()) {
          for (const follower of index.get(event.type) ?? []) follower.heard({ event, place });
          if (event.type === "webhook.changed") take(event.subject);
        }
        seenTo = Math.max(seenTo, item.id);
      }
      for (const id of hub.rows.hot("webhook").keys()) take(id);
      hub.feed.watch((items) => items.forEach(heard), signal);
      await new Promise((resolve) => {
        if (signal.aborted) resolve(undefined);
        else signal.addEventListener("abort", resolve, { once: true });
      });
      for (const follower of followers.values()) follower.stop();
    },
  };
}

interface Reigned {
  readonly term: number;
  readonly seenTo: () => number;
}

function follow(
  parts: WebhookParts,
  first: WebhookRow,
  { term, seenTo }: Reigned,
  ended: AbortSignal,
): Follower {
  const { hub, ledgerStore } = parts;
  const { rows, clock } = hub;
  const { id, subject } = first;
  const types = new Set(first.types.flatMap(typesOf));
  const stopped = new AbortController();
  const signal = AbortSignal.any([ended, stopped.signal]);
  const isFor = ({ type, subject: about }: LedgerEvent): boolean =>
    types.has(type) && (subject === undefined || about === subject);

  /** Undefined: what comes is not kept, and is in the journal (WH3). */
  let live: Numbered[] | undefined;
  /** The journal is read up to here; of what is told once more only the later events are new. */
  let liveAfter = 0;
  let bell = new AbortController();

  /** Rests until something may be owed. */
  async function rest(ms: number): Promise<void> {
    await clock.sleep(ms, AbortSignal.any([signal, bell.signal])).catch(() => {}); // woken
    if (bell.signal.aborted) bell = new AbortController();
  }

  // ── what became of deliveries, told together ────────────────────────────────────────────────────

  let doneTo = first.cursor;
  let delivered = 0;
  let dead: DeadLetter[] = [];
  let oldestMs = Infinity; // monotonic, of what was not told yet

  async function tell(): Promise<void> {
    const fromCursor = rows.hot("webhook").get(id)?.cursor ?? doneTo;
    if (doneTo <= fromCursor) return;
    const facts = { webhook: id, term, fromCursor, cursor: doneTo, delivered, dead };
    await act(hub, { type: "webhookProgressed", ...facts }, byHub(hub), signal);
    delivered = 0;
    dead = [];
    oldestMs = Infinity;
  }

  /** All of one command, or the cursor would stand between two of its events. */
  async function serve(batch: readonly Numbered[]): Promise<void> {
    for (const [place, each] of batch.entries()) {
      await deliver(each);
      oldestMs = Math.min(oldestMs, clock.monotonic());
      if (batch[place + 1]?.event.id === each.event.id) continue;
      doneTo = each.event.id;
      const isFull = delivered + dead.length >= BATCH_MAX;
      if (isFull || oldestMs + TELL_MS < clock.monotonic()) await tell();
    }
  }

  async function deliver({ event, place }: Numbered): Promise<void> {
    const { attempts, error } = await tryOften(deliveryIdOf(id, event, place), event);
    if (error === undefined) delivered += 1;
    else dead.push({ id: deliveryIdOf(id, event, place), event, error, attempts });
  }

  async function tryOften(
    delivery: string,
    event: LedgerEvent,
  ): Promise<{ attempts: number; error?: ReturnType<typeof toErrorRecord> }> {
    const row = rows.hot("webhook").get(id) ?? first;
    const body = bodyOf(delivery, event);
    let attempts = 0;
    try {
      await attempt(
        async (limited) => {
          attempts += 1;
          const status = await parts.post(row, { id: delivery, type: event.type, body }, limited);
          if (status < 200 || status > 299) {
            throw new GantryError("unreachable", `The receiver answered ${status}`, {
              details: { status },
            });
          }
        },
        RETRY.webhook,
        { clock, random: hub.random, signal },
      );
      return { attempts };
    } catch (error) {
      // Ended, not failed: the next leader posts it again.
      if (signal.aborted) throw error;
      if (!(error instanceof GantryError)) throw error;
      if (isRetryable(error)) hub.log.warn({ webhook: id, delivery }, "a delivery was given up");
      return { attempts, error: toErrorRecord(error) };
    }
  }

  /** Dead letters that a person wants tried again. */
  async function retryWanted(): Promise<void> {
    for (const delivery of rows.hot("webhook").get(id)?.dead ?? []) {
      const letter = rows.get("deadLetter", delivery);
      if (letter?.isWanted !== true) continue;
      const { attempts, error } = await tryOften(delivery, letter.event);
      const facts = { webhook: id, term, delivery, attempts };
      const body = { type: "webhookRetried" as const, ...facts };
      await act(hub, error === undefined ? body : { ...body, error }, byHub(hub), signal);
    }
  }

  /** WH3: from where it is up to now, while new events gather. */
  async function catchUp(): Promise<void> {
    const untilId = seenTo();
    live = [];
    liveAfter = untilId;
    if (doneTo >= untilId) return;
    await hub.replica.checkpoint();
    while (doneTo < untilId && !signal.aborted) {
      const { page, readTo } = await readPage(untilId);
      await serve(page);
      doneTo = Math.max(doneTo, readTo);
    }
  }

  /** Not the whole journal: the receiver may be slow, and a read that stays open keeps old files. */
  async function readPage(untilId: number): Promise<{ page: Numbered[]; readTo: number }> {
    const page: Numbered[] = [];
    for await (const events of pastEvents(ledgerStore, doneTo, untilId)) {
      page.push(...numbered(events).filter(({ event }) => isFor(event)));
      if (page.length >= LIVE_MAX) return { page, readTo: page.at(-1)?.event.id ?? untilId };
    }
    return { page, readTo: untilId };
  }

  /** WH5. */
  function mayPost(): boolean {
    const role = bestRoleOf(rows, first.by, hub.stampMs());
    return role !== undefined && mayAct(role, "operator");
  }

  async function turn(): Promise<void> {
    if (!mayPost()) {
      live = undefined;
      return rest(MAY_MS);
    }
    await retryWanted();
    if (live === undefined) await catchUp();
    const batch = live?.splice(0, live.length) ?? [];
    if (batch.length > 0) return serve(batch);
    if (live === undefined) return;
    const cursor = rows.hot("webhook").get(id)?.cursor ?? 0;
    if (delivered + dead.length > 0) await tell();
    else if (seenTo() - cursor > IDLE_POSITIONS) {
      doneTo = Math.max(doneTo, seenTo());
      await tell();
    } else await rest(LOOK_MS);
  }

  async function loop(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await turn();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        hub.log.warn({ webhook: id, error: toErrorRecord(error) }, "a webhook begins again");
        // What it had posted and not told is posted again, under the same ids (WH2).
        doneTo = rows.hot("webhook").get(id)?.cursor ?? doneTo;
        delivered = 0;
        dead = [];
        oldestMs = Infinity;
        live = undefined;
        failures += 1;
        // Not `rest`: news would wake it, and a busy log would make it try as fast as events come.
        await clock.sleep(backoffMs(AGAIN, failures, hub.random), signal).catch(() => {}); // ended
      }
    }
  }
  void loop();

  return {
    webhook: id,
    types,
    heard(numberedEvent) {
      const { event } = numberedEvent;
      if (live === undefined || event.id <= liveAfter || !isFor(event)) return;
      if (live.length >= LIVE_MAX) live = undefined;
      else live.push(numberedEvent);
      bell.abort();
    },
    wake: () => bell.abort(),
    stop: () => stopped.abort(),
  };
}

/** The same after a restart and on another hub. */
const deliveryIdOf = (webhook: string, { id }: LedgerEvent, place: number): string =>
  `${webhook}.${id}.${place}`;

/** WH4. */
function bodyOf(delivery: string, { id, type, atMs, subject, data }: LedgerEvent): string {
  const at = new Date(atMs).toISOString();
  return JSON.stringify({ id: delivery, position: id, type, at, subject, data });
}

function numbered(events: readonly LedgerEvent[]): readonly Numbered[] {
  let place = 0;
  return events.map((event, number) => {
    place = events[number - 1]?.id === event.id ? place + 1 : 0;
    return { event, place };
  });
}
