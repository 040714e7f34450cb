// One try of one node of a run: the HTTP request, the turn of a model, the job in a queue, and what
// became of it as a fact.
//
// RH2. A `once` node is in the log as taken before it begins. One that was taken by somebody else is not
//      begun again: it is told as lost, and a person says what became of it.

import { type ErrorCode, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { RunUsage } from "@gantry/shared/contract/run-rows.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { planOf } from "../ledger/domains/plans.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { Effect } from "../workflow/engine-types.ts";
import type { Json } from "../workflow/json-value.ts";
import { retryAtMs } from "../workflow/retry.ts";
import { type CacheOwner, makeRunCache } from "./run-cache.ts";
import {
  askModel,
  callHttp,
  FinalFault,
  fitOutput,
  isOutcomeUnknown,
  type RunCallParts,
  writeDocument,
} from "./run-calls.ts";
import type { RunOutbox } from "./run-outbox.ts";
import { type RunTasks, taskOf } from "./run-tasks.ts";
import { makeSlots } from "./slots.ts";

type Dispatch = Extract<Effect, { kind: "dispatch" }>;

/** Codes after which the same try would fail again. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "bad_request",
  "capability_missing",
  "command_not_listed",
  "egress_denied",
  "forbidden",
  "too_large",
]);

/** Never rejects. `stop`: nobody wants its end any more. */
export type ServeNode = (row: RunRow, effect: Dispatch, stop: AbortSignal) => Promise<void>;

/** `tasks.signal`: the reign is over. */
export function makeRunServing(parts: RunCallParts, outbox: RunOutbox, tasks: RunTasks): ServeNode {
  const { hub } = parts;
  const { rows, clock } = hub;
  const slots = makeSlots(LIMIT.runCalls.max);
  const cache = makeRunCache(() => clock.monotonic());
  const { signal } = tasks;

  async function serve(row: RunRow, effect: Dispatch, stop: AbortSignal): Promise<void> {
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

  const ownerOf = ({ by, role }: RunRow): CacheOwner => ({
    workspace: by,
    role,
    generation: parts.hub.rows.get("count", "cacheGeneration") ?? 0,
  });

  async function doOne(row: RunRow, effect: Dispatch, stop: AbortSignal): Promise<RunFact> {
    const { place, attempt, node, values, idempotencyKey } = effect;
    const known = cache.find(node, values, ownerOf(row));
    if (known !== undefined) return [row.id, "done", place, attempt, known];
    if (node.type === "task") {
      const end = await tasks.work(taskOf(row, node, effect), stop);
      if (end.kind === "done")
        return done(row, effect, end.output, stop).catch((error: unknown) => {
          if (node.effect !== "once" || stop.aborted) throw error;
          return [row.id, "lost", place, attempt]; // it happened: only a person may say what it gave
        });
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
      const beganMs = clock.monotonic();
      const output = await callOne(node, call, stop);
      const tookMs = Math.round(clock.monotonic() - beganMs);
      const fact = await done(row, effect, output, stop);
      if (usage === undefined || fact[1] !== "done") return fact;
      return [fact[0], fact[1], fact[2], fact[3], fact[4], { ...usage, tookMs }];
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
    if (node.type === "document") return writeDocument(parts, node, call, stop);
    throw new FinalFault("internal", `Nothing here does nodes of type ${node.type}`);
  }

  async function done(
    row: RunRow,
    { place, attempt, node, values }: Dispatch,
    output: Json,
    stop: AbortSignal,
  ): Promise<RunFact> {
    const fit = await fitOutput(parts, row.id, output, stop);
    cache.keep(node, values, fit, ownerOf(row));
    return [row.id, "done", place, attempt, fit];
  }

  function failed(row: RunRow, effect: Dispatch, error: unknown): RunFact {
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
    return retryAtMs(plan, row.state, place, hub.stampMs(), hub.random()) ?? null;
  }

  return serve;
}

const fromRecord = ({ code, message }: { code: ErrorCode; message: string }): GantryError =>
  new GantryError(code, message);
