// Task nodes: work in the queues that are there already. The job's id is made of the node's place and
// attempt, so the same task is the same job, whoever asks and however often.
//
// RK1. A task is added when the ledger has no job of its id, and never else: after a crash the job is
//      found again, with its end if it has one.
// RK2. What a person may not run by hand, or only after a word, is no more open to a workflow: the role
//      of who started the run counts, and the word is asked for.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandBody, ConfirmationDraft } from "@gantry/shared/contract/commands.ts";
import { HAZARD_POLICY, mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import type { CommandFact, JobRow } from "@gantry/shared/contract/rows.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { type Hub, newId, propose, refusal } from "../hub.ts";
import { RUN_WORK_ATTEMPTS } from "../queues/item.ts";
import { makeRunTaskAdder, type RunTaskAdder } from "./run-task-adder.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { Effect } from "../workflow/engine-types.ts";
import type { Json, JsonObject } from "../workflow/json-value.ts";

export type TaskNode = Extract<WorkflowNode, { type: "task" }>;
type Dispatch = Extract<Effect, { kind: "dispatch" }>;

const LOOK_MS = 1_000;

export interface Task {
  readonly run: string;
  readonly place: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly node: TaskNode;
  readonly values: JsonObject;
  readonly by: string;
  readonly role: Role;
}

export type TaskEnd =
  | { readonly kind: "done"; readonly output: Json }
  | { readonly kind: "failed"; readonly error: ErrorRecord }
  | { readonly kind: "unknown" };

export interface RunTasks {
  readonly signal: AbortSignal;
  /** Adds the job if it is not there. Throws what refuses it. */
  add(task: Task): Promise<void>;
  /**
   * Adds the job if it is not there, and waits for its end. Cancels it when `stop` aborts, unless the
   * reign is over: its end aborts `stop` too.
   */
  work(task: Task, stop: AbortSignal): Promise<TaskEnd>;
}

/** What a program gets. */
export const dataOf = (
  node: TaskNode,
  values: JsonObject,
  run: string,
  place: string,
  idempotencyKey: string,
): object => ({
  capability: node.capability,
  with: values["with"] ?? node.with,
  run,
  place,
  idempotencyKey,
});

export function taskOf({ id: run, by, role }: RunRow, node: TaskNode, effect: Dispatch): Task {
  const { place, attempt, idempotencyKey, values } = effect;
  return { run, place, attempt, idempotencyKey, node, values, by, role };
}

export const taskJobId = (idempotencyKey: string, attempt: number): string =>
  `job_${sha256(`${idempotencyKey} ${attempt}`).slice(0, 26)}`;

/** `signal`: of the reign. Its end leaves every job as it is. */
export function makeRunTasks(hub: Hub, signal: AbortSignal): RunTasks {
  const { rows, clock } = hub;
  const adder = makeRunTaskAdder(hub, signal);
  const waits = new Map<string, () => void>(); // job -> what looks at its row again
  let isSweeping = false;
  hub.feed.watch(
    (items) => {
      let isOfMany = false; // ends of many jobs of a queue, or all rows are others
      for (const item of items) {
        if (item.kind !== "ledger") isOfMany = true;
        else
          for (const { type, subject } of item.events) {
            if (type === "job.changed") waits.get(subject)?.();
            else isOfMany = true;
          }
      }
      if (isOfMany) wakeEnded();
    },
    signal,
    ["job.changed", "queue.changed"],
  );

  /** One look in memory for each: a job whose row is no longer hot has ended. */
  function wakeEnded(): void {
    const hot = rows.hot("job");
    for (const [id, wake] of waits) {
      const row = hot.get(id);
      if (row === undefined || isEnded(row)) wake();
    }
  }

  /** For what no event told of. */
  async function sweep(): Promise<void> {
    if (isSweeping) return;
    isSweeping = true;
    while (waits.size > 0 && !signal.aborted) {
      await clock.sleep(LOOK_MS, signal).catch(() => {}); // aborted: the loop ends
      wakeEnded();
    }
    isSweeping = false;
  }

  /** Until there is news of the job; rejects with the reason of `stop`. */
  function news(id: string, stop: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        stop.removeEventListener("abort", giveUp);
        if (waits.get(id) === wake) waits.delete(id);
      };
      const wake = (): void => {
        leave();
        resolve();
      };
      const giveUp = (): void => {
        leave();
        reject(stop.reason as Error);
      };
      waits.set(id, wake);
      stop.addEventListener("abort", giveUp, { once: true });
      void sweep();
    });
  }

  /** Its end, once it has one. */
  async function ended(id: string, stop: AbortSignal): Promise<JobRow> {
    for (;;) {
      const row = rows.get("job", id);
      if (row === undefined) throw new GantryError("gone", `The job ${id} left no row`);
      if (isEnded(row)) return row;
      stop.throwIfAborted();
      await news(id, stop);
    }
  }

  /** The ledger refuses work that has ended by itself: it is looked for on the disk once, not twice. */
  const isThere = (node: TaskNode, id: string): boolean =>
    isOfPrograms(node) ? rows.hot("job").has(id) : rows.get("job", id) !== undefined;

  /** RK1. */
  async function addOnce(task: Task): Promise<string> {
    const id = taskJobId(task.idempotencyKey, task.attempt);
    if (!isThere(task.node, id)) await add(hub, id, task, adder, signal);
    return id;
  }

  return {
    signal,
    add: async (task) => void (await addOnce(task)),
    async work(task, stop) {
      const id = await addOnce(task);
      try {
        return endOf(await ended(id, stop));
      } catch (error) {
        if (stop.aborted && !signal.aborted) {
          await propose(hub, { type: "jobCancelled", job: id }, byRun(hub, task), signal);
        }
        throw error;
      }
    },
  };
}

export const isOfPrograms = ({ capability }: TaskNode): boolean =>
  capability !== "embed" && !capability.startsWith("command:");

const isEnded = ({ state }: JobRow): boolean =>
  state === "done" || state === "failed" || state === "cancelled" || state === "unknown";

function endOf(row: JobRow): TaskEnd {
  if (row.state === "done") return { kind: "done", output: (row.result ?? null) as Json }; // JSON from the log
  if (row.state === "unknown") return { kind: "unknown" };
  const error = row.error ?? { code: "cancelled", message: "The job was cancelled" };
  return { kind: "failed", error };
}

/** The person whose run it is. */
const byRun = (hub: Hub, { by }: Task): { actor: string; requestId: string } => ({
  actor: by,
  requestId: newId(hub, "req"),
});

async function add(
  hub: Hub,
  id: string,
  task: Task,
  adder: RunTaskAdder,
  signal: AbortSignal,
): Promise<void> {
  const body = bodyOf(hub, id, task);
  hub.traces?.follow(id, task.run);
  const reply =
    body.type === "jobsAdded"
      ? await adder.add(body, task.by)
      : await propose(hub, body, byRun(hub, task), signal);
  if (!reply.ok && hub.rows.get("job", id) === undefined) throw refusal(reply);
}

function bodyOf(hub: Hub, id: string, task: Task): CommandBody {
  const { node, values } = task;
  const { capability, queue } = node;
  const given = (values["with"] ?? node.with) as Readonly<Record<string, unknown>>; // an object by its schema
  const base = {
    type: "jobAdded" as const,
    job: id,
    class: node.class,
    attemptsMax: node.effect === "once" ? 1 : RUN_WORK_ATTEMPTS,
    timeoutMs: node.timeoutMs ?? TIMEOUT.commandMs,
  };
  if (capability === "embed") {
    return {
      ...base,
      kind: "embed",
      effect: "pure",
      needs: "embed",
      input: { input: given["input"] },
    };
  }
  if (isOfPrograms(node)) {
    const draft = {
      job: id,
      data: dataOf(node, values, task.run, task.place, task.idempotencyKey),
      class: node.class,
      effect: node.effect ?? "idempotent",
      attemptsMax: base.attemptsMax,
      timeoutMs: base.timeoutMs,
    };
    return { type: "jobsAdded", queue, jobs: [draft] };
  }
  const fact = commandFact(hub, task);
  const confirmation = confirmationFor(hub, fact, task);
  return {
    ...base,
    kind: "command",
    effect: node.effect ?? fact.effect,
    needs: capability,
    input: { command: fact.name, args: given, run: task.run, place: task.place },
    ...(confirmation === undefined ? {} : { confirmation }),
  };
}

/** RK2. Throws command_not_listed, forbidden. */
function commandFact(hub: Hub, { node, role }: Task): CommandFact {
  const name = node.capability.slice("command:".length);
  const fact = [...hub.rows.hot("node").values()]
    .filter(({ state }) => state === "alive")
    .flatMap(({ capabilities }) => capabilities.commands)
    .find((command) => command.name === name);
  if (fact === undefined)
    throw new GantryError("capability_missing", `No machine lists the command ${name} now`);
  const needed = HAZARD_POLICY[fact.hazard].role;
  if (!mayAct(role, needed))
    throw new GantryError("forbidden", `The command ${name} needs the role ${needed}`);
  return fact;
}

function confirmationFor(
  hub: Hub,
  { name, summary, hazard }: CommandFact,
  { run, place }: Task,
): ConfirmationDraft | undefined {
  if (!HAZARD_POLICY[hazard].confirms) return undefined;
  return {
    id: newId(hub, "cfm"),
    phrase: `confirm run ${name}`,
    summary: `Run ${name} (${place} of ${run}): ${summary}`,
    hazardClass: hazard,
    hazards: [`the command's hazard class is ${hazard}`],
    expiresAtMs: hub.stampMs() + LIFE.confirmationMs,
  };
}
