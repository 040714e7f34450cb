// One command's work on runs: facts go to the engine, and what it says becomes rows, tickets, children
// and events. Children and parents wake each other within the command, from a queue and not by
// recursion, so that a chain of them costs no stack.
//
// RT1. A run is hot while it can move and cool once it is over; how many are live is the size of the
//      hot table, counted by nobody, so it cannot be counted wrongly.
// RT2. What ends a run (its row cools, its parent hears, lists have it) happens where the engine says
//      `ended`, which it says once.
// RT3. A child is started in the command that made it owed: it is there as often as its place says.
// RT4. A place has one child at most: one that is over by another word, or tried again, lets go of it.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { TimelineItem } from "@gantry/shared/contract/run-rows.ts";
import { advance, start } from "../../workflow/engine.ts";
import {
  type Advanced,
  type Effect,
  type Fact,
  isRunOver,
  type RunState,
  type Stale,
} from "../../workflow/engine-types.ts";
import type { JsonObject } from "../../workflow/json-value.ts";
import { retryAtMs } from "../../workflow/retry.ts";
import { allRead, type Context } from "../context.ts";
import { makePostings } from "../postings.ts";
import { OF_RESULTS, type PlaceUsage, type RunRow } from "../run-row.ts";
import { keepValues } from "./artifacts.ts";
import { planOf, refsIn } from "./plans.ts";
import {
  addSpent,
  narrowest,
  newAlerts,
  NOTHING_SPENT,
  passedBound,
  workloadFault,
} from "./run-budget.ts";
import { indexEnd, indexStart, unindexEnd } from "./run-index.ts";
import { addUsage, FREE_RUN, makeRunSums } from "./run-sums.ts";
import { closeTicket, syncTickets } from "./ticket-rows.ts";
import { resolveWorkflow } from "./workflows.ts";

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

/** Who a new run belongs to. */
export interface RunOrigin extends Pick<RunRow, "budget" | "workload"> {
  readonly id: string;
  readonly workflow: string;
  readonly by: string;
  readonly role: RunRow["role"];
  readonly fidelity: RunRow["fidelity"];
  readonly depth: number;
  readonly root: string;
  readonly parent?: NonNullable<RunRow["parent"]>;
  readonly replayOf?: NonNullable<RunRow["replayOf"]>;
}

export interface Prepared {
  readonly row: RunRow;
  readonly advanced: Advanced;
}

export interface Turn {
  /** The first look at a new run: writes nothing. Throws bad_request, not_found, workflow_invalid. */
  prepare(origin: RunOrigin, definition: string, inputs: JsonObject): Prepared;
  begin(prepared: Prepared): void;
  /** The engine's word, and all that follows from it. A run that is over is `run_over`. */
  step(run: string, fact: Fact, by?: string, usage?: PlaceUsage): Stale | undefined;
  /** A run that is over moves again. */
  revive(row: RunRow, fact: Fact): Stale | undefined;
  /** Once, at the end: runs that changed, in the order in which they did first. */
  end(): readonly string[];
}

export function makeTurn(context: Context): Turn {
  const { rows, nowMs, command } = context;
  const queue: { readonly run: string; readonly fact: Fact }[] = [];
  const touched = new Set<string>();
  const postings = makePostings(rows);
  const sums = makeRunSums(context);

  function prepare(origin: RunOrigin, definition: string, inputs: JsonObject): Prepared {
    const plan = planOf(rows, definition);
    const advanced = start(plan, origin.id, inputs, nowMs);
    const pins = Object.fromEntries(
      refsIn(plan.graph)
        .filter((ref) => !ref.startsWith("sha256:"))
        .map((ref) => [ref, resolveWorkflow(context, ref).sha256]),
    );
    const budget = allRead(context, OF_RESULTS)
      ? narrowest(origin.budget, plan.graph.budget)
      : undefined;
    const { budget: _, ...rest } = origin;
    const row: RunRow = {
      ...rest,
      ...(budget === undefined ? {} : { budget, spent: NOTHING_SPENT }),
      definition,
      createdAtMs: nowMs,
      changedAtMs: nowMs,
      spawned: 0,
      children: {},
      tickets: {},
      pins,
      entries: 0,
      state: advanced.run,
    };
    return { row, advanced };
  }

  function begin({ row, advanced }: Prepared): void {
    const begun = indexStart(context, postings, row);
    take(begun, advanced, { what: "started" }, true);
    charge(begun, undefined, advanced.effects);
  }

  function stepOne(id: string, fact: Fact, by?: string, usage?: PlaceUsage): Stale | undefined {
    const before = rows.hot("run").get(id);
    if (before === undefined) return "run_over";
    const advanced = advance(planOf(rows, before.state.graph), before.state, fact, nowMs);
    if (advanced.stale !== undefined) return advanced.stale;
    const row =
      usage === undefined
        ? before
        : { ...before, usage: addUsage(before.usage ?? FREE_RUN, usage) };
    if (row.fidelity === "full" && row.replayOf === undefined) record(row.id, fact, usage);
    take(row, advanced, itemOf(fact, by), false);
    charge(row, usage, fact.kind === "resumed" ? NONE : advanced.effects);
    return undefined;
  }

  /** RB1 to RB3 of run-budget.ts. A replay takes nothing. */
  function charge(row: RunRow, usage: PlaceUsage | undefined, effects: readonly Effect[]): void {
    if (row.replayOf !== undefined || row.state.state === "undoing") return;
    if (row.budget === undefined && row.parent === undefined && row.workload === undefined) return;
    const tasks = effects.filter(isTask).length;
    if (tasks === 0 && usage === undefined) return;
    for (let id: string | undefined = row.id; id !== undefined;) {
      const at = rows.hot("run").get(id);
      if (at !== undefined) chargeOne(at, usage, tasks);
      id = id === row.id ? row.parent?.run : at?.parent?.run;
    }
  }

  function chargeOne(row: RunRow, usage: PlaceUsage | undefined, tasks: number): void {
    let why = usage === undefined ? undefined : workloadFault(context, row);
    if (row.budget !== undefined) {
      const spent = addSpent(row.spent ?? NOTHING_SPENT, usage, tasks);
      const alerts = newAlerts(row, spent);
      const alerted = [...(row.alerted ?? []), ...alerts];
      rows.put("run", row.id, { ...row, spent, ...(alerted.length === 0 ? {} : { alerted }) });
      for (const what of alerts)
        context.emit("budget.alert", row.id, { run: row.id, what, max: row.budget[what], spent });
      why ??= passedBound(row, spent);
    }
    if (why === undefined) return;
    const fault = { code: "budget_exceeded", message: why };
    queue.push({ run: row.id, fact: { kind: "exhausted", fault } }); // RB2
  }

  /** What a replay gives again instead of asking the world. */
  function record(id: string, fact: Fact, usage: PlaceUsage | undefined): void {
    if (fact.kind === "finished") {
      const took = usage === undefined ? {} : { usage };
      const more = allRead(context, OF_RESULTS) ? { attempt: fact.attempt, ...took } : {};
      rows.cool("recorded", `${id}/${fact.place}`, { output: fact.output, ...more });
    } else if (fact.kind === "failed") {
      const more = allRead(context, OF_RESULTS) ? { attempt: fact.attempt } : {};
      rows.cool("recorded", `${id}/${fact.place}`, { fault: fact.fault, ...more });
    } else if (fact.kind === "decided") {
      const before = rows.get("recorded", `${id}/${fact.place}`);
      const earlier = before !== undefined && "votes" in before ? before.votes : [];
      const votes = [...earlier, { by: fact.by, approve: fact.approve }];
      rows.cool("recorded", `${id}/${fact.place}`, { votes });
    }
  }

  /** Makes rows of what the engine said. */
  function take(row: RunRow, advanced: Advanced, item: TimelineItem, isNew: boolean): void {
    const { run: state, effects } = advanced;
    touched.add(row.id);
    let next: RunRow = { ...row, state, changedAtMs: nowMs };
    if (advanced.named !== undefined) keepValues(context, postings, row, advanced.named);
    const isOver = isRunOver(state.state);
    const owesTickets = effects.some(isOfTickets);
    const isAbout = item.place === undefined || Object.hasOwn(row.tickets, item.place) || isOver;
    const mayClose = isAbout && !isEmpty(row.tickets);
    if (owesTickets || mayClose) next = syncTickets(context, next, planOf(rows, state.graph));
    next = stopChildren(next, effects, item);
    if (next.fidelity === "full") next = tell(next, item, isOver, effects);
    if (isOver) endRun(next);
    else rows.put("run", next.id, next);
    const before = row.state;
    const isMoved = state.state !== before.state || state.revision !== before.revision;
    if (isNew || isMoved || command.type !== "runsAdvanced")
      context.emit("run.changed", next.id, summaryOf(next));
    for (const effect of effects) if (effect.kind === "child") startChild(next.id, effect);
  }

  function tell(
    row: RunRow,
    item: TimelineItem,
    isOver: boolean,
    effects: readonly Effect[],
  ): RunRow {
    const isNow = allRead(context, OF_RESULTS);
    const begun = isNow && item.what !== "resumed" ? begunIn(effects) : [];
    const items = [item, ...begun, ...(isOver ? [{ what: row.state.state }] : [])];
    const { revision } = row.state;
    rows.cool("timeline", `${row.id}/${row.entries}`, {
      position: context.position,
      atMs: nowMs,
      by: command.actor,
      items,
      ...(isNow && revision > 0 ? { revision } : {}),
    });
    if (item.place !== undefined) context.emit("run.node", row.id, { run: row.id, ...item });
    return { ...row, entries: row.entries + 1 };
  }

  /** RT1, RT2. */
  function endRun(row: RunRow): void {
    const over: RunRow = { ...row, children: {}, tickets: {} };
    rows.cool("run", row.id, over);
    indexEnd(context, postings, sums, over);
    for (const ticket of row.asked ?? []) closeTicket(context, ticket);
    for (const child of Object.values(row.children))
      queue.push({ run: child, fact: { kind: "cancelled", reason: "the run above it is over" } });
    const { parent, state } = over;
    if (parent === undefined) return;
    const { place, attempt } = parent;
    const fact: Fact =
      state.state === "done"
        ? { kind: "finished", place, attempt, output: state.output }
        : { kind: "failed", place, attempt, fault: faultOf(state), ...retryOf(over) };
    queue.push({ run: parent.run, fact });
    const above = rows.hot("run").get(parent.run);
    if (above?.children[place] !== row.id) return;
    const { [place]: _, ...children } = above.children;
    rows.put("run", above.id, { ...above, children });
  }

  /** A cancelled child is not tried again. The draw is of the child's id: there is no chance in here. */
  function retryOf({ id, parent, state }: RunRow): { readonly retryAtMs?: number } {
    const above = parent === undefined ? undefined : rows.hot("run").get(parent.run);
    if (parent === undefined || above === undefined || state.state !== "failed") return {};
    const draw = Number.parseInt(sha256(id).slice(0, 8), 16) / 2 ** 32;
    const plan = planOf(rows, above.state.graph);
    const atMs = retryAtMs(plan, above.state, parent.place, nowMs, draw);
    return atMs === undefined ? {} : { retryAtMs: atMs };
  }

  /** RT4. A child's own end has taken it off the list before (endRun). */
  function stopChildren(
    row: RunRow,
    effects: readonly Effect[],
    { what, place }: TimelineItem,
  ): RunRow {
    if (isEmpty(row.children)) return row;
    let next = row;
    const stopped = effects.flatMap((effect) => (effect.kind === "stop" ? [effect.place] : []));
    const passed = place === undefined || what === "taken" ? [] : [place];
    for (const each of [...stopped, ...passed]) {
      const { [each]: child, ...children } = next.children;
      if (child === undefined) continue;
      next = { ...next, children };
      queue.push({
        run: child,
        fact: { kind: "cancelled", reason: "the run above no longer wants it" },
      });
    }
    return next;
  }

  /** RT3. A replay has no children: their outputs are those of then. */
  function startChild(above: string, effect: EffectOf<"child">): void {
    const row = rows.hot("run").get(above);
    if (row === undefined || row.replayOf !== undefined) return;
    const { place, attempt } = effect;
    const refuse = (code: string, message: string): void =>
      void queue.push({
        run: above,
        fact: { kind: "failed", place, attempt, fault: { code, message } },
      });
    const top = row.root === row.id ? row : rows.hot("run").get(row.root);
    const spawned = top?.spawned ?? LIMIT.runSpawns.max;
    if (row.depth >= LIMIT.runDepth.max)
      return refuse("spawn_limit", `Subworkflows are ${LIMIT.runDepth.max} deep already`);
    if (spawned >= LIMIT.runSpawns.max)
      return refuse("spawn_limit", `The run has started ${LIMIT.runSpawns.max} others already`);
    try {
      const pinned = row.pins[effect.workflow];
      const found = resolveWorkflow(
        context,
        pinned === undefined ? effect.workflow : `sha256:${pinned}`,
      );
      const name = pinned === undefined ? found.name : (effect.workflow.split("@")[0] ?? "");
      const id = `run_${sha256(`${above} ${place} ${attempt} ${effect.idempotencyKey}`).slice(0, 26)}`;
      const prepared = prepare(
        {
          id,
          workflow: name,
          by: row.by,
          role: row.role,
          fidelity: row.fidelity,
          depth: row.depth + 1,
          root: row.root,
          parent: { run: above, place, attempt },
        },
        found.sha256,
        effect.inputs,
      );
      if (top !== undefined) rows.put("run", top.id, { ...top, spawned: spawned + 1 });
      const fresh = rows.hot("run").get(above) ?? row;
      rows.put("run", above, { ...fresh, children: { ...fresh.children, [place]: id } });
      begin(prepared);
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      const { code, message } = toErrorRecord(error);
      refuse(code, message);
    }
  }

  function drain(): void {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      stepOne(next.run, next.fact);
  }

  function revive(row: RunRow, fact: Fact): Stale | undefined {
    const advanced = advance(planOf(rows, row.state.graph), row.state, fact, nowMs);
    if (advanced.stale !== undefined) return advanced.stale;
    rows.remove("run", row.id); // W2: it was cold
    unindexEnd(context, sums, row.id);
    take(row, advanced, itemOf(fact, command.actor), false);
    drain();
    return undefined;
  }

  return {
    prepare,
    revive,
    begin(prepared) {
      begin(prepared);
      drain();
    },
    step(run, fact, by, usage) {
      const stale = stepOne(run, fact, by, usage);
      drain();
      return stale;
    },
    end() {
      postings.flush(); // PO2
      sums.flush();
      return [...touched];
    },
  };
}

const NONE: readonly Effect[] = [];
/** Nodes that undo are not counted (RB2). */
const isTask = (effect: Effect): boolean =>
  effect.kind === "child" || (effect.kind === "dispatch" && !effect.isUndo);
/** What is handed out now; beyond LIMIT.timelineItems of one step, the rest is known by its end alone. */
function begunIn(effects: readonly Effect[]): TimelineItem[] {
  const begun: TimelineItem[] = [];
  for (const effect of effects) {
    if (begun.length >= LIMIT.timelineItems.max) break;
    if (effect.kind === "dispatch" || effect.kind === "child")
      begun.push({ what: "begun", place: effect.place, attempt: effect.attempt });
    else if (effect.kind === "ticket") begun.push({ what: "asked", place: effect.place });
  }
  return begun;
}

const isOfTickets = ({ kind }: Effect): boolean => kind === "ticket" || kind === "stop";

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const key in record) if (Object.hasOwn(record, key)) return false;
  return true;
}

/** What the events of a run say of it. */
export const summaryOf = ({ id, workflow, state }: RunRow): Readonly<Record<string, unknown>> => ({
  id,
  workflow,
  state: state.state,
  revision: state.revision,
  ...(state.fault === null ? {} : { error: state.fault }),
});

const faultOf = ({ state, fault }: RunState): { code: string; message: string } =>
  state === "failed" && fault !== null
    ? { code: fault.code, message: fault.message }
    : { code: "cancelled", message: "The subworkflow was cancelled" };

function itemOf(fact: Fact, by: string | undefined): TimelineItem {
  const what = fact.kind;
  const note = by === undefined ? {} : { note: by };
  switch (fact.kind) {
    case "taken":
    case "finished":
    case "lost":
      return { what, place: fact.place, attempt: fact.attempt };
    case "failed":
      return {
        what,
        place: fact.place,
        attempt: fact.attempt,
        note: `${fact.fault.code}: ${fact.fault.message}`,
      };
    case "decided":
      return {
        what: fact.approve ? "approved" : "rejected",
        place: fact.place,
        note: `${fact.by}: ${fact.reason}`,
      };
    case "timerFired":
    case "resolved":
      return { what, place: fact.place, ...note };
    case "exhausted":
      return { what, note: `${fact.fault.code}: ${fact.fault.message}` };
    case "cancelled":
      return { what, note: fact.reason };
    case "retriedFrom":
      return { what, note: fact.node };
    case "patched":
      return { what, note: `revision ${fact.revision}` };
    case "paused":
    case "resumed":
    case "continued":
      return { what, ...note };
  }
}
