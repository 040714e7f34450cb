// Queues by name: their policy and whether they are paused. A queue is there from its first job on.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { QUEUE_NAME, type QueueRow } from "@gantry/shared/contract/queues.ts";
import type { Context } from "../context.ts";

export const DEFAULT_ATTEMPTS = 3;
export const DEFAULT_TIMEOUT_MS: number = TIMEOUT.commandMs;

/** Throws bad_name, busy. */
export function checkQueue({ rows }: Context, name: string): void {
  const queues = rows.hot("queue");
  if (queues.has(name)) return;
  if (!QUEUE_NAME.test(name)) throw new GantryError("bad_name", "This is no name of a queue");
  if (queues.size < LIMIT.queues.max) return;
  throw new GantryError("busy", `There are ${queues.size} queues, which is the bound`);
}

/** As it is, or a new one without a policy of its own. */
export function openQueue(context: Context, name: string): QueueRow {
  const { rows, position, command } = context;
  const found = rows.get("queue", name);
  if (found !== undefined) return found;
  const { actor: by, atMs } = command;
  const row: QueueRow = { name, policy: {}, isPaused: false, revision: position, by, atMs };
  rows.put("queue", name, row);
  return row;
}

export function queueSet(context: Context, command: CommandOf<"queueSet">): QueueRow {
  checkQueue(context, command.queue);
  return change(context, command.queue, { policy: command.policy }, "queue.set");
}

export function queuePaused(context: Context, command: CommandOf<"queuePaused">): QueueRow {
  const { queue, key, isPaused, untilMs } = command;
  checkQueue(context, queue);
  if (key === undefined) return pauseAll(context, queue, isPaused, untilMs);
  if (isPaused && untilMs === undefined) {
    throw new GantryError("bad_request", "A key is paused until a time");
  }
  const { pausedKeys = {} } = context.rows.get("queue", queue) ?? {};
  const alive = Object.entries(pausedKeys).filter(
    ([name, endMs]) => name !== key && endMs > context.nowMs,
  );
  if (alive.length >= LIMIT.pausedKeys.max) {
    throw new GantryError("busy", `${alive.length} keys of this queue are paused already`);
  }
  if (isPaused) {
    assert(untilMs !== undefined, "refused above");
    alive.push([key, untilMs]);
  }
  return change(context, queue, { pausedKeys: Object.fromEntries(alive) }, "queue.keyPaused");
}

function pauseAll(
  context: Context,
  queue: string,
  isPaused: boolean,
  untilMs: number | undefined,
): QueueRow {
  const { pausedUntilMs: _before, ...rest } = openQueue(context, queue);
  if (isPaused && untilMs !== undefined) {
    return change(context, queue, { isPaused: false, pausedUntilMs: untilMs }, "queue.paused");
  }
  context.rows.put("queue", queue, rest);
  return change(context, queue, { isPaused }, isPaused ? "queue.paused" : "queue.resumed");
}

function change(
  context: Context,
  queue: string,
  facts: Partial<QueueRow>,
  action: string,
): QueueRow {
  const before = openQueue(context, queue);
  const { actor: by, atMs } = context.command;
  const after: QueueRow = { ...before, ...facts, revision: context.position, by, atMs };
  context.rows.put("queue", queue, after);
  context.audit(action, queue);
  context.emit("queue.changed", queue, { isPaused: after.isPaused });
  return after;
}
