// What runs owe the world, read off their rows and done: the leader's work, and nobody else's.
//
//   a dispatch       -> an HTTP request, a turn of a model, a job in a queue
//   a timer          -> told when it is due
//   more to compute  -> told to go on
//   a replay's node  -> what the world answered then
//
// RH1. Nothing is remembered but what is under way now. A new leader reads the same rows and finds the
//      same duties; what the old one had under way is done again with the same idempotency key.
// RH2. A `once` node is in the log as taken before it begins. One that was taken by somebody else is not
//      begun again: it is told as lost, and a person says what became of it.
// RH3. What is owed no more is stopped, wherever it is.
// RH4. A replay never reaches the world: every branch here that does comes after the one for replays.

import { type ErrorCode, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { RunUsage } from "@gantry/shared/contract/run-rows.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { planOf } from "../ledger/domains/plans.ts";
import type { RunRow } from "../ledger/run-row.ts";
import { makeDueHeap } from "../schedules/due-heap.ts";
import { owed } from "../workflow/owed.ts";
import type { Effect } from "../workflow/engine-types.ts";
import type { Json } from "../workflow/json-value.ts";
import { retryAtMs } from "../workflow/retry.ts";
import {
  askModel,
  callHttp,
  FinalFault,
  fitOutput,
  isOutcomeUnknown,
  type RunCallParts,
} from "./run-calls.ts";
import { makeRunCache } from "./run-cache.ts";
import { makeRunOutbox, type RunOutbox } from "./run-outbox.ts";
import { makeRunTasks, type RunTasks } from "./run-tasks.ts";

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

/** One for all: an abort without a reason makes a DOMException and its stack, for each run that changes. */
const WOKEN = new GantryError("cancelled", "There is something to do");
const UNWANTED = new GantryError("cancelled", "The run no longer wants it");
const LOOKS_AT_ONCE = 1_000;
const TIMERS_AT_ONCE = 1_000;
const SWEEP_MS = 60_000; // everything that owes something is woken by a row or a timer; this is for a clock that jumps

/** Codes after which the same try would fail again. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "bad_request",
  "command_not_listed",
  "egress_denied",
  "forbidden",
  "too_large",
]);

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
  const flights = new Map<string, Map<string, AbortController>>();
  const heap = makeDueHeap();
  const timers = new Map<string, Map<string, number>>();
  const slots = makeSlots(LIMIT.runCalls.max);
  const cache = makeRunCache(() => clock.monotonic());
  let wakeUp = new AbortController();
  let tasks: RunTasks;
  let outbox: RunOutbox;

  function touch(run: string): void {
    dirty.add(run);
    if (!wakeUp.signal.aborted) wakeUp.abort(WOKEN);
  }

  function look(id: string): void {
    const row = rows.hot("run").get(id);
    const mine = flights.get(id) ?? new Map<string, AbortController>();
    const wanted = new Set<string>();
    const due = new Map<string, number>();
    for (const effect of row === undefined ? [] : owed(planOf(rows, row.state.graph), row.state)) {
      if (row === undefined) break;
      const key = keyOf(effect);
      wanted.add(key);
      // Of a replay, how people or silence decided is told with the ticket.
      const isAnswered =
        row.replayOf !== undefined && effect.kind === "timer" && effect.why === "approval";
      if (isAnswered) continue;
      if (effect.kind === "timer") due.set(effect.place, effect.dueMs);
      else if (!mine.has(key)) begin(row, effect, key, mine);
    }
    for (const [key, flight] of mine) {
      if (wanted.has(key)) continue;
      mine.delete(key);
      flight.abort(UNWANTED); // RH3
    }
    if (mine.size === 0) flights.delete(id);
    else flights.set(id, mine);
    setTimers(id, due, row?.replayOf !== undefined);
  }

  function setTimers(id: string, due: Map<string, number>, isReplay: boolean): void {
    for (const place of timers.get(id)?.keys() ?? []) {
      if (!due.has(place)) heap.set(`${id} ${place}`, undefined);
    }
    if (due.size === 0) timers.delete(id);
    else timers.set(id, due);
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

  function begin(
    row: RunRow,
    effect: Effect,
    key: string,
    mine: Map<string, AbortController>,
  ): void {
    const stop = new AbortController();
    mine.set(key, stop);
    if (effect.kind === "continue") return outbox.push([row.id, "on"]);
    if (effect.kind !== "dispatch" && row.replayOf === undefined) return undefined; // rows are enough
    if (row.replayOf !== undefined) {
      if (effect.kind === "dispatch" || effect.kind === "child" || effect.kind === "ticket")
        replay(row, row.replayOf.run, effect);
      return undefined; // RH4
    }
    if (effect.kind === "dispatch") void serve(row, effect, stop.signal);
    return undefined;
  }

  function replay(
    { id }: RunRow,
    of: string,
    effect: EffectOf<"dispatch"> | EffectOf<"child"> | EffectOf<"ticket">,
  ): void {
    const { place } = effect;
    const then = rows.get("recorded", `${of}/${place}`);
    if (effect.kind === "ticket") {
      const votes = then !== undefined && "votes" in then ? then.votes : [];
      for (const { by, approve } of votes) outbox.push([id, "decided", place, by, approve]);
      if (votes.length === 0) outbox.push([id, "due", place, effect.dueMs]); // time decided then
      return;
    }
    const { attempt } = effect;
    if (then !== undefined && "output" in then)
      outbox.push([id, "done", place, attempt, then.output]);
    else if (then !== undefined && "fault" in then)
      outbox.push([id, "failed", place, attempt, then.fault, null]);
    else if (rows.hot("run").get(id)?.replayOf?.mode === "shadow")
      outbox.push([id, "done", place, attempt, null]);
    else {
      const fault = { code: "not_recorded", message: `${of} has no answer recorded for ${place}` };
      outbox.push([id, "failed", place, attempt, fault, null]);
    }
  }

  async function serve(
    row: RunRow,
    effect: EffectOf<"dispatch">,
    stop: AbortSignal,
  ): Promise<void> {
    const { place, attempt, node } = effect;
    const isOnce = node.effect === "once";
    const isTask = node.type === "task"; // its job knows by itself whether it began
    try {
      if (isOnce && effect.begun && !isTask) return outbox.push([row.id, "lost", place, attempt]); // RH2
      if (isOnce && !effect.begun) await outbox.record([row.id, "taken", place, attempt]);
      const end = await doOne(row, effect, stop);
      if (stop.aborted) return undefined;
      outbox.push(end);
    } catch (error) {
      if (signal.aborted || stop.aborted) return undefined;
      if (isOnce && !isTask && isOutcomeUnknown(error))
        outbox.push([row.id, "lost", place, attempt]);
      else outbox.push(failed(row, effect, error));
    }
    return undefined;
  }

  async function doOne(
    row: RunRow,
    effect: EffectOf<"dispatch">,
    stop: AbortSignal,
  ): Promise<RunFact> {
    const { place, attempt, node, values, idempotencyKey } = effect;
    const known = cache.find(node, values);
    if (known !== undefined) return [row.id, "done", place, attempt, known];
    if (node.type === "task") {
      const { by, role } = row;
      const task = { run: row.id, place, attempt, idempotencyKey, node, values, by, role };
      const end = await tasks.work(task, stop);
      if (end.kind === "done") return done(row, effect, end.output, stop);
      if (end.kind === "failed") return failed(row, effect, fromRecord(end.error));
      if (node.effect === "once") return [row.id, "lost", place, attempt];
      return failed(
        row,
        effect,
        new FinalFault("outcome_unknown", "Its machine was lost in the middle"),
      );
    }
    let usage: RunUsage | undefined;
    const onUsage = (used: RunUsage): void => void (usage = used);
    const call = { run: row.id, place, attempt, idempotencyKey, values, onUsage };
    await slots.take(stop);
    try {
      const output = await callOne(node, call, stop);
      const fact = await done(row, effect, output, stop);
      if (usage === undefined || fact[1] !== "done") return fact;
      return [fact[0], fact[1], fact[2], fact[3], fact[4], usage];
    } finally {
      slots.free();
    }
  }

  function callOne(
    node: WorkflowNode,
    call: Parameters<typeof callHttp>[2],
    stop: AbortSignal,
  ): Promise<Json> {
    if (node.type === "http") return callHttp(parts, node, call, stop);
    if (node.type === "agent") return askModel(parts, node, call, stop);
    throw new FinalFault("internal", `Nothing here does nodes of type ${node.type}`);
  }

  async function done(
    row: RunRow,
    { place, attempt, node, values }: EffectOf<"dispatch">,
    output: Json,
    stop: AbortSignal,
  ): Promise<RunFact> {
    const fit = await fitOutput(parts, row.id, output, stop);
    cache.keep(node, values, fit);
    return [row.id, "done", place, attempt, fit];
  }

  function failed(row: RunRow, effect: EffectOf<"dispatch">, error: unknown): RunFact {
    const { place, attempt } = effect;
    const { code, message } = toErrorRecord(error);
    if (!(error instanceof GantryError))
      hub.log.error({ run: row.id, place, text: String(error) }, "a node of a run failed");
    const isFinal = error instanceof FinalFault || FINAL.has(code);
    const retryAtMs = isFinal ? null : retryAt(row.id, place);
    return [
      row.id,
      "failed",
      place,
      attempt,
      { code, message: message.slice(0, 2_000) },
      retryAtMs,
    ];
  }

  function retryAt(id: string, place: string): number | null {
    const row = rows.hot("run").get(id);
    if (row === undefined) return null;
    const plan = planOf(rows, row.state.graph);
    return retryAtMs(plan, row.state, place, clock.now(), hub.random()) ?? null;
  }

  /** So each flight has one signal to look at: a joint one for each would cost more than the rest. */
  function stopAll(): void {
    for (const mine of flights.values())
      for (const flight of mine.values()) flight.abort(reasonOf(signal));
  }

  async function run(): Promise<void> {
    outbox = makeRunOutbox(hub, signal, (facts) => {
      for (const fact of facts) {
        if (fact[1] === "on") flights.get(fact[0])?.delete("continue");
        touch(fact[0]);
      }
    });
    tasks = makeRunTasks(hub, signal);
    signal.addEventListener("abort", stopAll, { once: true });
    const all = (): void => {
      for (const id of rows.hot("run").keys()) touch(id);
    };
    const unobserve = rows.observe("run", { changed: touch, reloaded: all });
    all();
    try {
      while (!signal.aborted) {
        lookAtSome();
        fireTimers();
        const waitMs = dirty.size > 0 ? 0 : untilDue();
        if (!wakeUp.signal.aborted || dirty.size > 0)
          await clock.sleep(waitMs, AbortSignal.any([signal, wakeUp.signal])).catch(() => {}); // woken
        if (wakeUp.signal.aborted) wakeUp = new AbortController();
      }
    } finally {
      unobserve();
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
      if (count === LOOKS_AT_ONCE) return;
    }
  }

  return { run };
}

/** One doing; the same key is never begun twice in a reign. */
function keyOf(effect: Effect): string {
  switch (effect.kind) {
    case "dispatch":
    case "child":
      return `${effect.place} ${effect.attempt}`;
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

const fromRecord = ({ code, message }: { code: ErrorCode; message: string }): GantryError =>
  new GantryError(code, message);

interface Slots {
  take(signal: AbortSignal): Promise<void>;
  free(): void;
}

/** At most `max` at once; the others wait, the first first. */
function makeSlots(max: number): Slots {
  let used = 0;
  const waiting = new Set<() => void>();
  return {
    async take(signal) {
      if (used < max) {
        used += 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          signal.removeEventListener("abort", leave);
          waiting.delete(go);
          resolve();
        };
        const leave = (): void => {
          waiting.delete(go);
          reject(signal.reason as Error);
        };
        waiting.add(go);
        signal.addEventListener("abort", leave, { once: true });
      });
    },
    free() {
      const [next] = waiting;
      if (next === undefined) used -= 1;
      else next();
    },
  };
}
