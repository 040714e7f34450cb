// Task nodes that programs do, without a job row: that the task is open stands in the row of its run,
// that it is done becomes one fact of the run, and nothing else is written about it.
//
// RW1. The id is that of the job it would be, so it is one and the same for every leader, and for a job
//      that is there already.
// RW2. Whatever is more than being done (a failed try, a lost lease, a large result, a person's word)
//      makes it a job with a row first, which then ends as any job: leases, tries, dead ones and their
//      requeueing are those of jobs.
// RW3. A task has a job of its own from the start where its queue asks for it (bounds of its own,
//      `keepDone`), where it must not be repeated, or where one is there from a reign before.

import { assert } from "@gantry/shared/base/assert.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { Hub } from "../hub.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { RunWork, RunWorkOwner } from "../queues/item.ts";
import type { Effect } from "../workflow/engine-types.ts";
import { charsAtMost } from "../workflow/json-size.ts";
import type { Queues } from "./queues.ts";
import type { RunOutbox } from "./run-outbox.ts";
import type { ServeNode } from "./run-serving.ts";
import {
  dataOf,
  isOfPrograms,
  type RunTasks,
  taskJobId,
  type TaskNode,
  taskOf,
} from "./run-tasks.ts";

type Dispatch = Extract<Effect, { kind: "dispatch" }>;

/** A task that is handed out, or waits for it. `ending`: its end is on its way into the log. */
export interface Outing extends RunWork {
  readonly run: string;
  readonly dispatch: Dispatch;
  phase: "out" | "ending" | "job";
  stop: AbortController | undefined;
}

export interface RunWorks {
  /** Hands it out; undefined: it is to be a job of its own. `isNew`: it became owed in this reign. */
  begin(row: RunRow, effect: Dispatch, isNew: boolean): Outing | undefined;
  /** Nobody wants its end any more. */
  end(outing: Outing, reason: Error): void;
}

export function makeRunWorks(parts: {
  readonly hub: Hub;
  readonly queues: Queues;
  readonly outbox: RunOutbox;
  readonly tasks: RunTasks;
  readonly serve: ServeNode;
}): RunWorks {
  const { hub, queues, outbox, tasks, serve } = parts;
  const { rows } = hub;
  const outings = new Map<string, Outing>();

  /** RW3. */
  function mayGoWithoutRow(id: string, node: TaskNode, isNew: boolean): boolean {
    const queue = rows.hot("queue").get(node.queue);
    if (queue === undefined) return false; // its first job opens it
    const { bounds, keepDone } = queue.policy;
    if (bounds !== undefined || keepDone === true || rows.hot("job").has(id)) return false;
    return isNew || rows.get("job", id) === undefined;
  }

  const owner: RunWorkOwner = {
    isSmall: (result) =>
      charsAtMost(result) <= RESULT_CHARS_MAX ||
      (JSON.stringify(result)?.length ?? 0) <= RESULT_CHARS_MAX,
    async done(ends) {
      const facts: RunFact[] = [];
      for (const { work, result } of ends) {
        const outing = outings.get(work.id);
        if (outing === undefined) continue;
        outing.phase = "ending";
        const { run, dispatch } = outing;
        facts.push([run, "done", dispatch.place, dispatch.attempt, result]);
      }
      await outbox.recordAll(facts, ([run, , place, attempt], { code, message }) =>
        outbox.push([run, "failed", String(place), Number(attempt), { code, message }, null]),
      );
      for (const { work, result } of ends) {
        outings.delete(work.id);
        queues.withdraw(work.id, { state: "done", result });
      }
    },
    async makeJob({ id }) {
      const outing = outings.get(id);
      const row = outing === undefined ? undefined : rows.hot("run").get(outing.run);
      if (outing?.phase !== "out" || row === undefined) return false;
      const { dispatch } = outing;
      const { node } = dispatch;
      assert(node.type === "task", "only tasks are handed out");
      const stop = new AbortController();
      outing.phase = "job";
      outing.stop = stop;
      await tasks.add(taskOf(row, node, dispatch)).catch(() => {}); // `serve` tries again and says why not
      outings.delete(id);
      const isJob = rows.hot("job").has(id);
      if (!isJob) queues.withdraw(id, { state: "failed" });
      void serve(row, dispatch, stop.signal);
      return isJob;
    },
  };

  return {
    begin(row, dispatch, isNew) {
      const { node, attempt, idempotencyKey, place, values } = dispatch;
      if (node.type !== "task" || node.effect === "once" || node.cache !== undefined)
        return undefined;
      if (!isOfPrograms(node)) return undefined;
      const id = taskJobId(idempotencyKey, attempt);
      if (!mayGoWithoutRow(id, node, isNew)) return undefined;
      const outing: Outing = {
        id,
        queue: node.queue,
        class: node.class,
        by: row.by,
        data: dataOf(node, values, row.id, place, idempotencyKey),
        effect: node.effect ?? "idempotent",
        timeoutMs: node.timeoutMs ?? TIMEOUT.commandMs,
        atMs: hub.stampMs(),
        owner,
        run: row.id,
        dispatch,
        phase: "out",
        stop: undefined,
      };
      outings.set(id, outing);
      queues.offer(outing, isNew);
      return outing;
    },
    end(outing, reason) {
      const { id } = outing;
      if (outing.phase === "job") outing.stop?.abort(reason);
      if (outing.phase !== "out" || outings.get(id) !== outing) return;
      outings.delete(id);
      queues.withdraw(id, { state: "cancelled" });
    },
  };
}

/** Characters of JSON of which each may be three bytes. */
const RESULT_CHARS_MAX = Math.floor(LIMIT.runOutputBytes.max / 3);
