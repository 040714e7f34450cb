// What runs owe the world, read off their rows and done: the leader's work, and nobody else's.
//
//   a dispatch       -> an HTTP request, a turn of a model, a job in a queue
//   a timer          -> told when it is due
//   more to compute  -> told to go on
//   a replay's node  -> what the world answered then
//
// RH1. Nothing is remembered but what is under way now. A new leader reads the same rows and finds the
//      same duties; what the old one had under way is done again with the same idempotency key.
// RH3. What is owed no more is stopped, wherever it is.
// RH6. A run has so many dispatches under way as its workflow lets it, and ten agents where that says
//      nothing. The rest is owed, and begins at the look after one of them has ended.
// RH5. A place of a run that is owed since before this reign may have a job that has ended.
// RH4. A replay never reaches the world: every branch here that does comes after the one for replays.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Traces } from "../feed/traces.ts";
import { planOf } from "../ledger/domains/plans.ts";
import { timeIsUpMs } from "../ledger/domains/run-budget.ts";
import type { RunRow } from "../ledger/run-row.ts";
import { makeDueHeap } from "../schedules/due-heap.ts";
import type { Effect } from "../workflow/engine-types.ts";
import { owed } from "../workflow/owed.ts";
import type { RunCallParts } from "./run-calls.ts";
import { makeRunOutbox } from "./run-outbox.ts";
import { answerReplay } from "./run-replay.ts";
import { makeRunServing } from "./run-serving.ts";
import { makeRunTasks } from "./run-tasks.ts";
import { makeRunWorks, type Outing } from "./run-work.ts";

/** One for all: an abort without a reason makes a DOMException and its stack, for each run that changes. */
const WOKEN = new GantryError("cancelled", "There is something to do");
const UNWANTED = new GantryError("cancelled", "The run no longer wants it");
const LOOKS_AT_ONCE = 1_000;
const TIMERS_AT_ONCE = 1_000;
const SWEEP_MS = 60_000; // everything that owes something is woken by a row or a timer; this is for a clock that jumps

export interface RunHands {
  /** Does what runs owe until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export const makeRunHands = (parts: RunCallParts): RunHands => ({
  run: (signal) => makeReignOfRuns(parts, signal).run(),
});

function makeReignOfRuns(parts: RunCallParts, signal: AbortSignal): { run(): Promise<void> } {
  const { hub } = parts;
  const { rows, clock } = hub;
  const dirty = new Set<string>();
  /** By run: what is under way or told, by place and attempt. */
  const flights = new Map<string, Map<string, Under>>();
  /** Not looked at yet in this reign (RH5). */
  const unread = new Set<string>();
  /** With places that this reign has not begun yet (RH6), and one before may have. */
  const heldBack = new Set<string>();
  const heap = makeDueHeap();
  const timers = new Map<string, Map<string, number>>();
  let wakeUp = new AbortController();
  const outbox = makeRunOutbox(hub, signal, (facts) => {
    for (const fact of facts) {
      if (fact[1] === "on") flights.get(fact[0])?.delete("continue");
      touch(fact[0]);
    }
  });
  const tasks = makeRunTasks(hub, signal);
  const serve = makeRunServing(parts, outbox, tasks);
  const { queues } = parts;
  const works =
    queues === undefined ? undefined : makeRunWorks({ hub, queues, outbox, tasks, serve });

  function touch(run: string): void {
    dirty.add(run);
    if (!wakeUp.signal.aborted) wakeUp.abort(WOKEN);
  }

  let looks = 0;
  let looked: Map<string, Under> | undefined; // whose run is looked at now

  /** Wanted, and there already. */
  function isUnderWay(key: string, attempt: number): boolean {
    const under = looked?.get(key);
    if (under?.attempt !== attempt) return false;
    under.look = looks;
    return true;
  }

  function look(id: string): void {
    const row = rows.hot("run").get(id);
    const isNew = !unread.delete(id);
    looks += 1;
    looked = flights.get(id);
    if (row === undefined) heldBack.delete(id);
    else lookAt(row, isNew);
    const mine = flights.get(id);
    if (mine === undefined) {
      if (row === undefined) setTimers(id, undefined, false);
      return;
    }
    for (const [key, under] of mine) {
      if (under.look === looks) continue;
      mine.delete(key);
      if (hub.traces !== undefined) tellSpan(hub.traces, id, key, under);
      end(under.flight, UNWANTED); // RH3
    }
    if (mine.size === 0 && row === undefined) flights.delete(id);
    if (row === undefined) setTimers(id, undefined, false);
  }

  /** Of a place that is over, or wanted no more. */
  function tellSpan(traces: Traces, run: string, place: string, under: Under): void {
    if (under.type === undefined || !traces.isFollowed(run)) return;
    const recorded = rows.get("recorded", `${run}/${place}`);
    const endMs = clock.now();
    traces.ofSubject(run, {
      service: "hub",
      name: `${under.type} ${place}`,
      startMs: endMs - (clock.monotonic() - under.beganMs),
      endMs,
      ...(recorded !== undefined && "fault" in recorded ? { error: recorded.fault.code } : {}),
      attributes: { run, place, attempt: under.attempt },
    });
  }

  function lookAt(row: RunRow, isNew: boolean): void {
    const isReplay = row.replayOf !== undefined;
    if (row.parent !== undefined) hub.traces?.follow(row.id, row.parent.run);
    let due: Map<string, number> | undefined;
    const waiting: Waiting[] = [];
    for (const effect of owed(planOf(rows, row.state.graph), row.state, isUnderWay)) {
      if (effect.kind === "timer") {
        // Of a replay, how people or silence decided is told with the ticket.
        if (isReplay && effect.why === "approval") continue;
        due ??= new Map();
        due.set(effect.place, effect.dueMs);
        continue;
      }
      const key = keyOf(effect);
      const attempt = "attempt" in effect ? effect.attempt : 0;
      if (isUnderWay(key, attempt)) continue;
      if (effect.kind === "dispatch" && !isReplay) waiting.push([effect, key, attempt]);
      else begin(row, effect, key, attempt, isNew);
    }
    beginSome(row, waiting, isNew);
    const overMs = isReplay || row.state.state === "undoing" ? undefined : timeIsUpMs(row);
    if (overMs !== undefined) {
      due ??= new Map();
      due.set("", overMs); // of no place: the run's own
    }
    setTimers(row.id, due, isReplay);
  }

  /** RH6. What is owed and under way was marked by the look that found these. */
  function beginSome(row: RunRow, waiting: readonly Waiting[], isNew: boolean): void {
    if (waiting.length === 0) return;
    const { maxParallel } = planOf(rows, row.state.graph).graph;
    let [all, agents] = [maxParallel ?? Infinity, maxParallel ?? LIMIT.runAgents.max];
    for (const under of flights.get(row.id)?.values() ?? []) {
      if (under.look !== looks || under.type === undefined) continue;
      all -= 1;
      if (under.type === "agent") agents -= 1;
    }
    const isEarly = isNew || heldBack.has(row.id); // RH5
    heldBack.delete(row.id);
    for (const [effect, key, attempt] of waiting) {
      const isAgent = effect.node.type === "agent";
      if (!effect.isUndo && (all <= 0 || (isAgent && agents <= 0))) {
        if (isEarly) heldBack.add(row.id);
        continue;
      }
      all -= 1;
      if (isAgent) agents -= 1;
      begin(row, effect, key, attempt, isEarly);
    }
  }

  function setTimers(id: string, due: Map<string, number> | undefined, isReplay: boolean): void {
    const before = timers.get(id);
    if (before !== undefined)
      for (const place of before.keys())
        if (due?.has(place) !== true) heap.set(`${id} ${place}`, undefined);
    if (due === undefined) {
      if (before !== undefined) timers.delete(id);
      return;
    }
    timers.set(id, due);
    for (const [place, dueMs] of due) {
      if (isReplay) outbox.push([id, "due", place, dueMs]);
      else heap.set(`${id} ${place}`, dueMs);
    }
  }

  /** Firing is a fact: what the clock says here is what every hub will know. */
  function fireTimers(): void {
    for (const key of heap.takeDue(hub.stampMs(), TIMERS_AT_ONCE)) {
      const cut = key.indexOf(" ");
      const [run, place] = [key.slice(0, cut), key.slice(cut + 1)];
      const dueMs = timers.get(run)?.get(place);
      if (dueMs !== undefined) outbox.push([run, "due", place, dueMs]);
    }
  }

  function begin(row: RunRow, effect: Effect, key: string, attempt: number, isNew: boolean): void {
    let mine = flights.get(row.id);
    if (mine === undefined) {
      mine = new Map();
      flights.set(row.id, mine);
    }
    const beganMs = hub.traces === undefined ? 0 : clock.monotonic();
    const before = mine.get(key);
    if (before !== undefined) end(before.flight, UNWANTED); // an attempt of before
    if (effect.kind === "dispatch" && row.replayOf === undefined) {
      const flight = works?.begin(row, effect, isNew);
      const type = effect.node.type;
      if (flight !== undefined)
        return void mine.set(key, { attempt, flight, look: looks, type, beganMs });
    }
    const stop = new AbortController();
    const type = effect.kind === "dispatch" ? effect.node.type : undefined;
    mine.set(key, { attempt, flight: stop, look: looks, type, beganMs });
    if (effect.kind === "continue") return outbox.push([row.id, "on"]);
    if (effect.kind !== "dispatch" && row.replayOf === undefined) return undefined; // rows are enough
    if (row.replayOf !== undefined) {
      if (effect.kind === "dispatch" || effect.kind === "child" || effect.kind === "ticket")
        answerReplay(hub, outbox, row.id, row.replayOf.run, effect);
      return undefined; // RH4
    }
    if (effect.kind === "dispatch") void serve(row, effect, stop.signal);
    return undefined;
  }

  function end(flight: Flight, reason: Error): void {
    if (flight instanceof AbortController) flight.abort(reason);
    else works?.end(flight, reason);
  }

  /** So each flight has one signal to look at: a joint one for each would cost more than the rest. */
  function stopAll(): void {
    for (const mine of flights.values())
      for (const { flight } of mine.values()) end(flight, reasonOf(signal));
    wakeUp.abort(WOKEN); // the loop sleeps by this signal alone
  }

  async function run(): Promise<void> {
    signal.addEventListener("abort", stopAll, { once: true });
    const all = (): void => {
      for (const id of rows.hot("run").keys()) {
        unread.add(id);
        touch(id);
      }
      if (queues !== undefined) queues.isReadingRuns = unread.size > 0; // QH4
    };
    const unobserve = rows.observe("run", { changed: touch, reloaded: all });
    all();
    try {
      while (!signal.aborted) {
        lookAtSome();
        fireTimers();
        const waitMs = dirty.size > 0 ? 0 : untilDue();
        if (!wakeUp.signal.aborted || dirty.size > 0)
          await clock.sleep(waitMs, wakeUp.signal).catch(() => {}); // woken, or the reign is over
        if (wakeUp.signal.aborted) wakeUp = new AbortController();
      }
    } finally {
      unobserve();
      if (queues !== undefined) queues.isReadingRuns = false;
    }
  }

  function untilDue(): number {
    const firstMs = heap.firstMs();
    return firstMs === undefined
      ? SWEEP_MS
      : Math.max(0, Math.min(SWEEP_MS, firstMs - hub.stampMs()));
  }

  /** The hub's other work gets its turn between two of these. */
  function lookAtSome(): void {
    let count = 0;
    for (const id of dirty) {
      dirty.delete(id);
      try {
        look(id);
      } catch (error) {
        hub.log.error({ run: id, text: String(error) }, "what a run owes could not be read");
      }
      count += 1;
      if (count === LOOKS_AT_ONCE) break;
    }
    if (queues !== undefined && unread.size === 0) queues.isReadingRuns = false; // QH4
  }

  return { run };
}

type Waiting = readonly [
  effect: Extract<Effect, { kind: "dispatch" }>,
  key: string,
  attempt: number,
];

type Flight = AbortController | Outing;

/** Something that is under way or told. */
interface Under {
  readonly attempt: number;
  readonly flight: Flight;
  /** Monotonic. */
  readonly beganMs: number;
  /** Of a dispatch. */
  readonly type: string | undefined;
  /** The last look that wanted it. */
  look: number;
}

/** One doing, with its attempt; the same is never begun twice in a reign. No place has a space in it. */
function keyOf(effect: Effect): string {
  switch (effect.kind) {
    case "dispatch":
    case "child":
      return effect.place;
    case "ticket":
      return `ticket ${effect.place} ${effect.dueMs}`;
    case "timer":
      return `timer ${effect.place}`;
    case "continue":
    case "ended":
      return effect.kind;
    case "stop":
      return `stop ${effect.place}`;
  }
}
