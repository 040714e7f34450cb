// Questions and answers between hubs, over the one-way posts of the peer link.
//
// CL1. A call ends once: by its answer, its error, its time, its signal, or the loss of the link. What
//      comes for it later, twice, or from another hub than was asked is dropped.
// CL2. `unreachable` and `timeout` say in `details.isSent` whether the other hub may have done it:
//      false means surely not.
// CL3. A call is served at most once: its id is unique for ever (boot id and count), and an id that
//      was seen is not served again.
// CL4. Pieces of text arrive whole and in order, or the call fails with `interrupted`.
// CL5. A cancelled, timed out or lost caller ends the work on the other side. A link that only
//      blinked does not: its answers wait, up to the bound, until the link is back.
// CL7. A hub that answered nobody several times is left alone for a while, with breaker_open and
//      `details.isSent` false (shared/flow/targets.ts); a link that is up again ends that.
// CL6. At most CALLS_MAX calls are open to one hub and from one hub; more are `busy` at once.

import { fromErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import type { HubId } from "../consensus/types.ts";
import type { PeerLink } from "../ports.ts";
import { parseWire, type Wire } from "./call-wire.ts";

const CALLS_MAX = 4_096;
/** Ids of one hub that are remembered after their call has ended (CL3). */
const SEEN_MAX = 16_384;
/** Answers that wait for a link to come back; then they are lost and the caller's time runs out. */
const WAITING_MAX = 4_096;
const RETRY_MS = 20;
/** A link that is not back after this has lost its hub (CL5). */
const BLINK_MS = 2_000;

export interface PeerCallOptions {
  readonly signal: AbortSignal;
  /** After this the call ends with `timeout`, here and there. */
  readonly timeoutMs: number;
  /** Pieces of text in order, before the answer. */
  readonly onText?: (text: string) => void;
}

export interface ServeOptions {
  /** The caller gave up, its time is over, or its hub is gone. */
  readonly signal: AbortSignal;
  readonly onText: (text: string) => void;
}

/** The answer to a call; of a `tell` it is dropped. Rejects with what the caller is to see. */
export type ServeCall = (
  from: HubId,
  kind: string,
  body: unknown,
  options: ServeOptions,
) => Promise<unknown>;

export interface PeerCalls {
  /**
   * Asks another hub. `body` and the answer are JSON. Throws what the other side throws, and
   * unreachable, timeout (CL2), breaker_open (CL7), busy, cancelled, interrupted, too_large, stopping.
   */
  call(to: HubId, kind: string, body: unknown, options: PeerCallOptions): Promise<unknown>;
  /** One way and unanswered; may be lost even when `sent`. Throws too_large. */
  tell(to: HubId, kind: string, body: unknown): "sent" | "absent" | "full";
  /** Who answers. Until then every call is answered `starting`. */
  serve(handler: ServeCall): void;
  /** For PeerLinkHandler. */
  posted(from: HubId, body: unknown): void;
  /** For PeerLinkHandler. */
  connected(hub: HubId): void;
  /** For PeerLinkHandler. */
  lost(hub: HubId): void;
  /** Open calls end with `stopping`, served ones are aborted. */
  close(): Promise<void>;
}

export interface PeerCallsOptions {
  readonly link: Pick<PeerLink, "post">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Another one at every start of the process (CL3). */
  readonly bootId: string;
}

interface Pending {
  readonly to: HubId;
  readonly onText: ((text: string) => void) | undefined;
  readonly settle: (outcome: { readonly value: unknown } | { readonly error: Error }) => void;
  /** Pieces of text so far. */
  seq: number;
}

interface Caller {
  readonly serving: Map<string, AbortController>;
  readonly seen: Set<string>;
  /** Answers for which the link had no room. */
  waiting: Wire[];
}

export function makePeerCalls({ link, clock, log, bootId }: PeerCallsOptions): PeerCalls {
  const scope = makeScope((task, error) => log.error({ task, error }, "calls between hubs"));
  const pending = new Map<string, Pending>();
  const openTo = new Map<HubId, number>();
  const callers = new Map<HubId, Caller>();
  let serveCall: ServeCall | undefined;
  const targets = makeTargets(clock);
  let lastCall = 0;

  // --- asking ---

  async function call(
    to: HubId,
    kind: string,
    body: unknown,
    { signal, timeoutMs, onText }: PeerCallOptions,
  ): Promise<unknown> {
    if (signal.aborted) throw reasonOf(signal);
    if (scope.signal.aborted) throw stopping();
    const count = openTo.get(to) ?? 0;
    if (count >= CALLS_MAX) throw busy(to); // CL6
    targets.admit(to); // CL7
    lastCall += 1;
    const id = `${bootId}.${lastCall}`;
    const outcome = send(to, { k: "call", id, kind, body, ms: timeoutMs });
    if (outcome === "absent") throw unreachable(to, false);
    if (outcome === "full") throw busy(to);
    openTo.set(to, count + 1);
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const giveUp = (error: Error): void => {
        if (!pending.has(id)) return;
        link.post(to, { k: "cancel", id } satisfies Wire); // CL5
        pending.get(id)?.settle({ error });
      };
      pending.set(id, {
        to,
        onText,
        seq: 0,
        settle(result) {
          if (!pending.delete(id)) return; // CL1
          over.abort();
          openTo.set(to, (openTo.get(to) ?? 1) - 1);
          if ("error" in result) reject(result.error);
          else resolve(result.value);
        },
      });
      const onOverdue = (): void => {
        targets.failed(to);
        giveUp(timedOut(to, timeoutMs));
      };
      const onAbort = (): void => {
        targets.givenUp(to);
        giveUp(reasonOf(signal));
      };
      signal.addEventListener("abort", onAbort, { signal: over.signal });
      clock.sleep(timeoutMs, over.signal).then(
        () => onOverdue(),
        () => {},
      );
    });
  }

  function send(to: HubId, wire: Wire): ReturnType<PeerLink["post"]> {
    let outcome: ReturnType<PeerLink["post"]> = "full";
    try {
      outcome = link.post(to, wire);
      return outcome;
    } finally {
      if (outcome === "absent") targets.failed(to);
      if (outcome === "full") targets.givenUp(to); // or it is too large for a frame
    }
  }

  function answered(from: HubId, wire: Extract<Wire, { k: "text" | "done" | "failed" }>): void {
    const waiting = pending.get(wire.id);
    if (waiting === undefined || waiting.to !== from) return; // CL1
    if (waiting.seq === 0) targets.answered(from);
    if (wire.k === "failed") return waiting.settle({ error: fromErrorRecord(wire.error) });
    if (wire.seq !== waiting.seq) {
      if (wire.seq < waiting.seq) return; // twice
      link.post(from, { k: "cancel", id: wire.id } satisfies Wire);
      return waiting.settle({ error: textLost(from) }); // CL4
    }
    if (wire.k === "done") return waiting.settle({ value: wire.body });
    waiting.seq += 1;
    waiting.onText?.(wire.text);
  }

  // --- serving ---

  function callerOf(from: HubId): Caller {
    const known = callers.get(from);
    if (known !== undefined) return known;
    const caller: Caller = { serving: new Map(), seen: new Set(), waiting: [] };
    callers.set(from, caller);
    return caller;
  }

  function asked(from: HubId, { id, kind, body, ms }: Extract<Wire, { k: "call" }>): void {
    const caller = callerOf(from);
    if (caller.seen.has(id)) return; // CL3
    caller.seen.add(id);
    if (caller.seen.size > SEEN_MAX) forgetOldest(caller.seen);
    if (caller.serving.size >= CALLS_MAX) return answer(from, failed(id, busy("this hub"))); // CL6
    const controller = new AbortController();
    caller.serving.set(id, controller);
    scope.start("serve", async () => {
      const over = new AbortController();
      clock.sleep(ms, over.signal).then(
        () => controller.abort(new GantryError("timeout", "The caller's time is over")),
        () => {},
      );
      let seq = 0;
      const onText = (text: string): void => {
        if (controller.signal.aborted) return;
        answer(from, { k: "text", id, seq, text });
        seq += 1;
      };
      try {
        if (serveCall === undefined) throw new GantryError("starting", "This hub is starting");
        const value = await serveCall(from, kind, body, { signal: controller.signal, onText });
        answer(from, { k: "done", id, seq, body: value });
      } catch (error) {
        answer(from, failed(id, error));
      } finally {
        over.abort();
        caller.serving.delete(id);
      }
    });
  }

  function told(from: HubId, { kind, body }: Extract<Wire, { k: "tell" }>): void {
    if (serveCall === undefined) return;
    const serving = serveCall;
    scope.start("told", async (signal) => {
      try {
        await serving(from, kind, body, { signal, onText() {} });
      } catch (error) {
        log.warn({ from, kind, error: toErrorRecord(error) }, "what a hub told was not taken");
      }
    });
  }

  function answer(to: HubId, wire: Wire): void {
    const caller = callerOf(to);
    if (caller.waiting.length === 0 && post(to, wire)) return;
    if (caller.waiting.length >= WAITING_MAX) return;
    caller.waiting.push(wire);
    if (caller.waiting.length === 1) scope.start("answers", (signal) => retry(to, caller, signal));
  }

  async function retry(to: HubId, caller: Caller, signal: AbortSignal): Promise<void> {
    while (caller.waiting.length > 0) {
      await clock.sleep(RETRY_MS, signal);
      let done = 0;
      for (const wire of caller.waiting) {
        if (!post(to, wire)) break;
        done += 1;
      }
      caller.waiting.splice(0, done);
    }
  }

  /** False if it may go later. */
  function post(to: HubId, wire: Wire): boolean {
    try {
      return link.post(to, wire) === "sent";
    } catch (error) {
      // An answer that no frame can hold: the caller is told so instead.
      if ("id" in wire) return link.post(to, failed(wire.id, error)) === "sent";
      throw error;
    }
  }

  /** CL5: ends what is served for a hub whose link does not come back. */
  async function endServed(hub: HubId, signal: AbortSignal): Promise<void> {
    const caller = callers.get(hub);
    if (caller === undefined) return;
    const before = [...caller.serving.values()];
    await clock.sleep(BLINK_MS, signal);
    // A cancel of nothing: it only finds out whether there is a link.
    if (link.post(hub, { k: "cancel", id: "" } satisfies Wire) !== "absent") return;
    caller.waiting = [];
    for (const controller of before) controller.abort(unreachable(hub, true));
  }

  return {
    call,
    tell: (to, kind, body) => link.post(to, { k: "tell", kind, body } satisfies Wire),
    serve(handler) {
      serveCall = handler;
    },
    posted(from, body) {
      if (scope.signal.aborted) return;
      const wire = parseWire(body);
      switch (wire?.k) {
        case undefined:
          return log.warn({ from }, "a post of a hub is not understood; dropped");
        case "call":
          return asked(from, wire);
        case "tell":
          return told(from, wire);
        case "cancel":
          return callers.get(from)?.serving.get(wire.id)?.abort(cancelled());
        case "text":
        case "done":
        case "failed":
          return answered(from, wire);
      }
    },
    connected: (hub) => targets.returned(hub),
    lost(hub) {
      if (scope.signal.aborted) return;
      for (const waiting of pending.values()) {
        if (waiting.to !== hub) continue;
        targets.failed(hub);
        waiting.settle({ error: unreachable(hub, true) }); // CL2
      }
      scope.start("lost", (signal) => endServed(hub, signal));
    },
    async close() {
      const closing = scope.close();
      for (const { serving } of callers.values()) {
        for (const controller of serving.values()) controller.abort(stopping());
      }
      for (const waiting of pending.values()) waiting.settle({ error: stopping() });
      await closing;
    },
  };
}

const failed = (id: string, error: unknown): Wire => ({
  k: "failed",
  id,
  error: toErrorRecord(error),
});

function forgetOldest(seen: Set<string>): void {
  for (const id of seen) {
    seen.delete(id);
    return;
  }
}

const unreachable = (hub: HubId, isSent: boolean): GantryError =>
  new GantryError("unreachable", `There is no link to ${hub}`, { details: { isSent } });

const timedOut = (hub: HubId, timeoutMs: number): GantryError =>
  new GantryError("timeout", `No answer of ${hub} within ${timeoutMs} ms`, {
    details: { isSent: true },
  });

const busy = (hub: HubId): GantryError =>
  new GantryError("busy", `Too many calls wait for ${hub}`, { details: { retryAfterS: 1 } });

const textLost = (hub: HubId): GantryError =>
  new GantryError("interrupted", `Pieces of the answer of ${hub} were lost`);

const stopping = (): GantryError => new GantryError("stopping", "This hub is stopping");

const cancelled = (): GantryError => new GantryError("cancelled", "The caller gave up");
