// One reader of the feed: what it has, what it still gets, and what it is told when it fell behind.
//
// RD1. From `since` on, in order, each event once: from the ring if it reaches back, else from the log
//      in pages until the ring does. The place in the ring is noted before a page is asked for, and
//      items up to the page's last position are skipped, so nothing is lost or doubled in between.
// RD2. A reader that the ring has left behind, or that asks for events no longer kept, gets `gap`
//      with the positions it missed and the address to read them at, then goes on. Where the ring has
//      nothing to go on from (a lapse), the log is asked first. A reader of one thing is never told of
//      a gap that the log can fill: its pages are few.
// RD4. A stream that has carried nothing for LIFE.streamIdleMs ends; the log stays, and whoever comes
//      back with the last id goes on from there.
// RD3. A token that no longer holds ends the stream: looked at on each token change and each beat.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { problemOf } from "../problem.ts";
import { SSE_PING, sseEvent } from "../sse.ts";
import type { Feed } from "./feed.ts";
import { lineOf, type RingItem, textFor } from "./ring.ts";

/** One piece of a stream: a socket buffer's worth, so that a paused reader holds no more than that. */
const PIECE_CHARS = 65_536;
const RETRY_MS = 1_000;

export interface EventPage {
  readonly events: readonly LedgerEvent[];
  /** There if more follows: the position to go on from. */
  readonly next?: number;
}

export interface ReaderOptions {
  /** Joined, and begun: see Feed.join. */
  readonly feed: Feed;
  readonly actor: Actor;
  readonly requestId: string;
  /** Only these; undefined for all. */
  readonly types: ReadonlySet<string> | undefined;
  /** Only of this subject, or of what belongs to it; left out: of all. */
  readonly about?: string;
  /**
   * Nothing was told about it after position `last` by a time at which this worker had heard all up to
   * `heard`, and the ring would take `seq` next: a reader that has come so far goes on from there.
   */
  readonly past?: { readonly last: number; readonly heard: number; readonly seq: number };
  /** Position of the last event the client has; undefined: from now on. */
  readonly since: number | undefined;
  /** Events after a position, whole commands only. Throws `gone`, details {oldest}: the first kept. */
  readonly readPage: (since: number, actor: Actor, signal: AbortSignal) => Promise<EventPage>;
  /** The actor now; undefined if the token no longer holds. */
  readonly recheck: () => Promise<Actor | undefined>;
  readonly signal: AbortSignal;
}

/** Gives the next text to send, or undefined at the end. Never rejects. */
export type Reader = () => Promise<string | undefined>;

type Phase =
  | { readonly kind: "live"; readonly seq: number }
  | { readonly kind: "history" }
  | { readonly kind: "ended" };

export function makeReader(options: ReaderOptions): Reader {
  const { feed, types, signal } = options;
  const { ring } = feed;
  let actor = options.actor;
  let sentId = options.since ?? feed.position;
  let namedId = sentId;
  let phase: Phase =
    options.since === undefined ? { kind: "live", seq: ring.next } : startOf(sentId);
  let softVersion = 0;
  let beats = feed.beats;
  let tokenChanges = feed.tokenChanges;
  let isGreeted = false;
  let idleBeats = 0;

  function startOf(id: number): Phase {
    const seq = ring.seqAfter(id);
    return seq === undefined ? { kind: "history" } : { kind: "live", seq };
  }

  function gap(to: number): string {
    const from = sentId;
    sentId = to;
    return sseEvent("gap", { from, to, readAt: `/api/events?format=json&since=${from}` });
  }

  function take(item: RingItem): string {
    if (item.id <= sentId) return "";
    sentId = item.id;
    const text = textFor(item, actor, types, options.about);
    if (text !== "") namedId = item.id;
    return text;
  }

  function takeLive(seqFrom: number): string {
    let text = "";
    let seq = seqFrom;
    if (seq < ring.first) {
      const oldest = ring.at(ring.first);
      if (oldest === undefined || options.about !== undefined) {
        phase = { kind: "history" };
        return "";
      }
      text = gap(oldest.id - 1); // RD2
      seq = ring.first;
    }
    while (seq < ring.next && text.length < PIECE_CHARS) {
      const item = ring.at(seq);
      if (item !== undefined) text += take(item);
      seq += 1;
    }
    phase = { kind: "live", seq };
    return text;
  }

  async function takeHistory(): Promise<string> {
    const seq = ring.next; // RD1: before the page is asked for
    try {
      const page = await options.readPage(sentId, actor, signal);
      const text = itemsOf(page.events).map(take).join("");
      sentId = Math.max(sentId, page.next ?? 0);
      if (page.next === undefined && seq >= ring.first) phase = { kind: "live", seq };
      else skipPast();
      return text;
    } catch (error) {
      const isGone = error instanceof GantryError && error.code === "gone";
      const oldest = isGone ? error.details["oldest"] : undefined;
      if (typeof oldest === "number" && oldest - 1 > sentId) return gap(oldest - 1); // RD2
      return fail(error);
    }
  }

  /** RD1 holds: between `last` and `heard` there is nothing for this reader. */
  function skipPast(): void {
    const { past } = options;
    if (past === undefined || sentId < past.last || past.seq < ring.first) return;
    sentId = Math.max(sentId, past.heard);
    phase = { kind: "live", seq: past.seq };
  }

  function takeSoft(): string {
    let text = "";
    if (options.about !== undefined) return text; // live values are of machines
    for (const value of feed.soft.values()) {
      if (value.version <= softVersion) continue;
      softVersion = value.version;
      if (types === undefined || types.has(value.type)) text += value.text;
    }
    return text;
  }

  /** Says why, then ends; the client connects again by itself. */
  function fail(error: unknown): string {
    phase = { kind: "ended" };
    return sseEvent("error", problemOf(toErrorRecord(error), options.requestId));
  }

  async function recheck(): Promise<string> {
    tokenChanges = feed.tokenChanges;
    try {
      const found = await options.recheck();
      if (found === undefined) {
        return fail(new GantryError("unauthenticated", "The token was revoked or has expired"));
      }
      actor = found;
      return "";
    } catch (error) {
      return fail(error);
    }
  }

  /** Names the position when what was passed over showed nothing, so that a resume starts here. */
  function ping(): string {
    if (namedId === sentId) return SSE_PING;
    namedId = sentId;
    return `id: ${sentId}\n${SSE_PING}`;
  }

  /** Position 0 is the start of the log; here it means that no position is known yet. */
  function greet(): string {
    isGreeted = true;
    return sentId === 0 ? `retry: ${RETRY_MS}\n\n` : `retry: ${RETRY_MS}\nid: ${sentId}\n\n`;
  }

  async function look(): Promise<string> {
    const isBeat = beats !== feed.beats;
    beats = feed.beats;
    if (isBeat || tokenChanges !== feed.tokenChanges) {
      const end = await recheck(); // RD3
      if (end !== "") return end;
    }
    const text = phase.kind === "live" ? takeLive(phase.seq) : await takeHistory();
    const all = text + takeSoft();
    if (all !== "") idleBeats = 0;
    if (all !== "" || !isBeat) return all;
    idleBeats += 1;
    if (idleBeats * TIMEOUT.sseHeartbeatMs < LIFE.streamIdleMs) return ping();
    phase = { kind: "ended" }; // RD4
    return `id: ${sentId}\n: idle\n\n`;
  }

  return async () => {
    if (!isGreeted) return greet();
    while (phase.kind !== "ended" && !signal.aborted) {
      const text = await look();
      if (text !== "") return text;
      if (phase.kind === "live") await feed.wait(signal);
    }
    return undefined;
  };
}

/** Events of a page, by command. */
function itemsOf(events: readonly LedgerEvent[]): readonly RingItem[] {
  const byId = Map.groupBy(events, (event) => event.id);
  return [...byId].map(([id, ofId]) => ({ id, lines: ofId.map(lineOf) }));
}
