// Runs of workflows: started, moved by facts, stopped and mended by people.
//
// RN1. What a run is owed or owes is in its row; nothing of it lives in memory alone.
// RN2. A fact counts once: for a place that is over, or an attempt that is not the last, it changes
//      nothing and is answered as stale. So a fact may be told twice by two leaders.
// RN3. Live runs, depth and spawned runs are bounded, with answers that do not change.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { RunDraft, RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import type { TicketRow } from "@gantry/shared/contract/run-rows.ts";
import type { Fact, Resolution } from "../../workflow/engine-types.ts";
import { charsAtMost } from "../../workflow/json-size.ts";
import type { Json, JsonObject } from "../../workflow/json-value.ts";
import { type Context, rowOf } from "../context.ts";
import type { RunRow } from "../run-row.ts";
import { makeTurn, type Prepared, type Turn } from "./run-turn.ts";
import { timeIsUpMs } from "./run-budget.ts";
import { prepareFork } from "./run-forks.ts";
import { patchApproved } from "./run-patches.ts";
import { checkMayDecide, closeTicket } from "./ticket-rows.ts";
import { type Resolved, resolveWorkflow } from "./workflows.ts";

export function runStarted(context: Context, command: CommandOf<"runStarted">): unknown {
  const turn = makeTurn(context);
  const prepared = prepare(context, turn, command, command.role, 0);
  context.audit("run.started", command.run, { workflow: command.workflow });
  turn.begin(prepared);
  return { run: command.run, ...stateOf(context, command.run), touched: turn.end() };
}

/** Of a batch one refusal is no reason to refuse the others. */
export function runsStarted(context: Context, command: CommandOf<"runsStarted">): unknown {
  const { runs, role } = command;
  if (runs.length > LIMIT.runStarts.max)
    throw new GantryError("too_large", `${LIMIT.runStarts.max} runs are the most at once`);
  const turn = makeTurn(context);
  let started = 0;
  const known = new Map<string, Resolved>(); // names stand for the same all through a command
  const results = runs.map((draft) => {
    try {
      const prepared = prepare(context, turn, draft, role, started, known);
      started += 1;
      turn.begin(prepared);
      return { run: draft.run, ...stateOf(context, draft.run) };
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      return { error: toErrorRecord(error) };
    }
  });
  context.audit("runs.started", `${started}`, { asked: runs.length });
  return { results, touched: turn.end() };
}

/** At most, in UTF-8. */
const BYTES_OF_CHAR = 3;

function prepare(
  context: Context,
  turn: Turn,
  draft: RunDraft,
  role: Role,
  earlier: number,
  known = new Map<string, Resolved>(),
): Prepared {
  const { rows, command } = context;
  if (rows.hot("run").size >= LIMIT.runs.max)
    throw new GantryError("busy", `${LIMIT.runs.max} runs are not over, which is the bound`, {
      details: { retryAfterS: 5, limit: "runs" },
    }); // RN3
  // An id that nobody minted before is not looked for on the disk for each of a batch.
  const isOver = (): boolean =>
    rows.get("run", draft.run) !== undefined || rows.get("runLine", draft.run) !== undefined;
  if (rows.hot("run").has(draft.run) || (earlier === 0 && isOver()))
    throw new GantryError("conflict", `There is a run ${draft.run} already`);
  const { max } = LIMIT.runInputBytes;
  const isSmall = BYTES_OF_CHAR * charsAtMost(draft.inputs) <= max; // nearly always, and found sooner
  const inputBytes = isSmall ? 0 : Buffer.byteLength(JSON.stringify(draft.inputs));
  if (inputBytes > max)
    throw new GantryError("too_large", `The inputs have ${inputBytes} bytes; ${max} are the most`, {
      details: { limit: "runInputBytes" },
    });
  const { replayOf } = draft;
  if (replayOf?.from !== undefined)
    return prepareFork(context, draft, replayOf, replayOf.from, role);
  if (replayOf !== undefined) rowOf(context, "run", replayOf.run, "run");
  const found = known.get(draft.workflow) ?? resolveWorkflow(context, draft.workflow);
  known.set(draft.workflow, found);
  const origin = {
    id: draft.run,
    workflow: found.name,
    by: command.actor,
    role,
    fidelity: draft.fidelity ?? found.fidelity,
    depth: 0,
    root: draft.run,
    ...(replayOf === undefined ? {} : { replayOf }),
    ...(draft.budget === undefined ? {} : { budget: draft.budget }),
    ...(draft.workload === undefined ? {} : { workload: draft.workload }),
  };
  return turn.prepare(origin, found.sha256, draft.inputs as JsonObject); // JSON from the log
}

function stateOf({ rows }: Context, run: string): { state: string } {
  return { state: rows.get("run", run)?.state.state ?? "running" };
}

/** RN2. */
export function runsAdvanced(context: Context, command: CommandOf<"runsAdvanced">): unknown {
  const turn = makeTurn(context);
  let stale = 0;
  for (const fact of command.facts) {
    const usage = fact[1] === "done" ? fact[5] : undefined;
    const said = isOfBudget(fact) ? timeOver(context, fact[0]) : factOf(fact);
    if (said === undefined || turn.step(fact[0], said, undefined, usage) !== undefined) stale += 1;
  }
  return { stale, touched: turn.end() };
}

/** `due` of no place: the time of the run itself. */
const isOfBudget = (fact: RunFact): boolean => fact[1] === "due" && fact[2] === "";

function timeOver({ rows, nowMs }: Context, run: string): Fact | undefined {
  const row = rows.hot("run").get(run);
  const dueMs = row === undefined ? undefined : timeIsUpMs(row);
  if (row === undefined || dueMs === undefined || nowMs < dueMs) return undefined;
  const message = `timeMs: ${nowMs - row.createdAtMs} of ${row.budget?.timeMs}`;
  return { kind: "exhausted", fault: { code: "budget_exceeded", message } };
}

function factOf(fact: RunFact): Fact {
  switch (fact[1]) {
    case "taken":
    case "lost":
      return { kind: fact[1], place: fact[2], attempt: fact[3] };
    case "done":
      return { kind: "finished", place: fact[2], attempt: fact[3], output: fact[4] as Json }; // from the log
    case "failed": {
      const [, , place, attempt, fault, retryAtMs] = fact;
      const retry = retryAtMs === null ? {} : { retryAtMs };
      return { kind: "failed", place, attempt, fault, ...retry };
    }
    case "due":
      return { kind: "timerFired", place: fact[2], dueMs: fact[3] };
    case "on":
      return { kind: "continued" };
    case "decided":
      return { kind: "decided", place: fact[2], by: fact[3], approve: fact[4], reason: "replayed" };
  }
}

// ── what people do ──────────────────────────────────────────────────────────────────────────────

export const runCancelled = (context: Context, command: CommandOf<"runCancelled">): unknown =>
  order(context, command.run, { kind: "cancelled", reason: command.reason });

export const runPaused = (context: Context, command: CommandOf<"runPaused">): unknown =>
  order(context, command.run, { kind: "paused" });

export const runResumed = (context: Context, command: CommandOf<"runResumed">): unknown =>
  order(context, command.run, { kind: "resumed" });

export function runResolved(context: Context, command: CommandOf<"runResolved">): unknown {
  const { run, place, outcome, reason, actor } = command;
  const resolution: Resolution =
    outcome === "done"
      ? { kind: "done", output: (command.output ?? null) as Json } // JSON from the log
      : outcome === "failed"
        ? { kind: "failed", fault: { code: "resolved_failed", message: `${actor}: ${reason}` } }
        : { kind: "again" };
  return order(context, run, { kind: "resolved", place, outcome: resolution }, { place, reason });
}

/** Of a run that is over. What it was is in its row, so it becomes hot again as it is. */
export function runRetried(context: Context, command: CommandOf<"runRetried">): unknown {
  const { rows } = context;
  const row = rowOf(context, "run", command.run, "run");
  const node = command.node ?? rootNodeOf(row);
  if (node === undefined)
    throw new GantryError("conflict", "Nothing in it has failed: say from which node");
  if (row.parent !== undefined)
    throw new GantryError("conflict", `It belongs to ${row.root}: retry that one`);
  if (!isCool(context, row.id)) throw notNow(row, "run_not_over");
  const turn = makeTurn(context);
  const stale = turn.revive(row, { kind: "retriedFrom", node });
  if (stale !== undefined) throw notNow(row, stale);
  context.audit("run.retried", row.id, { node });
  return { run: row.id, state: rows.get("run", row.id)?.state.state, touched: turn.end() };
}

const isCool = ({ rows }: Context, id: string): boolean => !rows.hot("run").has(id);

/** The node of the run's own graph in which it failed. */
const rootNodeOf = ({ state }: RunRow): string | undefined => state.fault?.place?.split(/[[/]/)[0];

function order(
  context: Context,
  id: string,
  fact: Fact,
  detail: Readonly<Record<string, unknown>> = {},
): unknown {
  const row = rowOf(context, "run", id, "run");
  const turn = makeTurn(context);
  const stale = turn.step(id, fact, context.command.actor);
  if (stale !== undefined) throw notNow(row, stale);
  context.audit(`run.${fact.kind}`, id, detail);
  return { run: id, ...stateOf(context, id), touched: turn.end() };
}

const notNow = ({ id, state }: RunRow, stale: string): GantryError =>
  new GantryError("conflict", `${id} is ${state.state} and does not take this: ${stale}`, {
    details: { state: state.state, stale },
  });

export function ticketDecided(context: Context, command: CommandOf<"ticketDecided">): unknown {
  const row = rowOf(context, "ticket", command.ticket, "approval");
  const { approve, reason, role, actor } = command;
  if (!approve && reason.trim() === "")
    throw new GantryError("bad_request", "A rejection needs a reason: say what is missing");
  if (row.state !== "open")
    throw new GantryError("conflict", `The approval is ${row.state} already`, {
      details: { state: row.state },
    });
  checkMayDecide(row, actor, role);
  if (row.votes.some(({ by }) => by === actor))
    throw new GantryError("conflict", `${actor} has decided already; another person is needed`);
  if (row.patch !== undefined) return decidePatch(context, command, row);
  const turn = makeTurn(context);
  const { place } = row;
  const stale = turn.step(row.run, { kind: "decided", place, by: actor, approve, reason }, actor);
  if (stale !== undefined)
    throw new GantryError("conflict", `The run does not take it: ${stale}`, { details: { stale } });
  context.audit(`approval.${approve ? "approved" : "rejected"}`, row.id, { run: row.run, reason });
  const after = context.rows.get("ticket", row.id) ?? row;
  return { ticket: row.id, state: after.state, run: row.run, touched: turn.end() };
}

/** A word for a patch. One that fits no more stays open, and says why; a no closes it for good. */
function decidePatch(
  context: Context,
  { ticket, approve, reason, role, actor }: CommandOf<"ticketDecided">,
  row: TicketRow,
): unknown {
  if (approve && context.nowMs > row.dueMs)
    throw new GantryError(
      "conflict",
      "The time for this answer is over; the patch must be made anew",
    );
  const reply = approve ? patchApproved(context, row, { name: actor, role }) : {};
  closeTicket(context, ticket);
  context.audit(`approval.${approve ? "approved" : "rejected"}`, ticket, { run: row.run, reason });
  return {
    touched: [],
    ...(reply as object),
    ticket,
    state: approve ? "approved" : "rejected",
    run: row.run,
  };
}

/** The index by which blobs of runs are kept from the sweep. */
export function runBlobKept(context: Context, command: CommandOf<"runBlobKept">): unknown {
  const { rows } = context;
  const place = rows.get("count", "runBlobs") ?? 0;
  rows.cool("order", `runBlobs/${place}`, command.sha256);
  rows.cool("count", "runBlobs", place + 1);
  return { sha256: command.sha256 };
}
