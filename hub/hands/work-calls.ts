// What registry clients say about work: they queue it, take it, end it. The hub's side of the ops of
// RO5; many jobs in one call, and one command for all of a call.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { WorkDraft } from "@gantry/shared/contract/queues.ts";
import type {
  RegistryCall,
  RegistryReply,
  WorkSpec,
} from "@gantry/shared/contract/registry-ops.ts";
import { act, type By, type Hub, newId } from "../hub.ts";
import type { Workers, WorkStream } from "./workers.ts";

type Say = (replies: readonly RegistryReply[]) => "sent" | "absent" | "full";
type WorkOp = "enqueue" | "work" | "unwork" | "finish" | "fail" | "extend" | "ended";
export type WorkCall = Extract<RegistryCall, { op: WorkOp }>;

const OPS: ReadonlySet<string> = new Set<WorkOp>([
  "enqueue",
  "work",
  "unwork",
  "finish",
  "fail",
  "extend",
  "ended",
]);
export const isWorkCall = (call: RegistryCall): call is WorkCall => OPS.has(call.op);

/** Of one client session. */
export interface WorkCalls {
  /** Resolves when it is answered; rejects with what the answer is to be. */
  take(call: WorkCall, by: By): Promise<void>;
  end(): void;
}

export function makeWorkCalls(parts: {
  readonly hub: Hub;
  readonly workers: Workers;
  readonly say: Say;
  readonly who: string;
  readonly signal: AbortSignal;
}): WorkCalls {
  const { hub, workers, say, who, signal } = parts;
  const open = new Map<number, Pick<WorkStream, "drain" | "isIdle" | "end">>();

  function close(id: number): void {
    open.get(id)?.end();
    open.delete(id);
  }

  /**
   * For a stream of this id: one that is opened twice is void the first time, and one that its client
   * has left stays until what it holds has ended. Throws busy.
   */
  function makeRoom(id: number): void {
    close(id);
    if (open.size < STREAMS_MAX) return;
    for (const [other, stream] of open) if (stream.isIdle()) close(other);
    if (open.size >= STREAMS_MAX) throw new GantryError("busy", "Too many streams are open");
  }

  const speakOf =
    (id: number) =>
    (work: object): ReturnType<Say> =>
      say([{ type: "registryWork", id, ...work }]);

  function answer(id: number, value: unknown): void {
    say([{ type: "registryAnswer", id, result: "ok", value }]);
  }

  async function enqueue(call: Extract<WorkCall, { op: "enqueue" }>, by: By): Promise<void> {
    const jobs = draftsOf(hub, call.jobs);
    const { queue } = call;
    const value = await act(hub, { type: "jobsAdded", queue, jobs }, by, signal);
    const { existing } = value as { existing?: readonly (readonly [number, string])[] }; // work.ts
    const ids = jobs.map(({ job }) => job);
    for (const [index, job] of existing ?? []) ids[index] = job;
    answer(call.id, { jobs: ids });
  }

  return {
    async take(call, by) {
      switch (call.op) {
        case "enqueue":
          return enqueue(call, by);
        case "work": {
          makeRoom(call.id);
          const { stream, adopted } = workers.open(call, who, speakOf(call.id));
          open.set(call.id, stream);
          return answer(call.id, { adopted: adopted.map(({ job }) => job) });
        }
        case "ended": {
          makeRoom(call.id);
          open.set(call.id, workers.listen(call.queue, speakOf(call.id)));
          return answer(call.id, {});
        }
        case "unwork":
          open.get(call.work)?.drain();
          if (open.get(call.work)?.isIdle() === true) close(call.work);
          return answer(call.id, {});
        case "finish": {
          const ends = call.ends.map(({ job, token, result = null }) => ({ job, token, result }));
          return answer(call.id, { late: await workers.ended(ends) });
        }
        case "fail":
          return answer(call.id, { late: await workers.ended(workers.failures(call)) });
        case "extend":
          return answer(call.id, { late: workers.extend(call) });
      }
    },
    end() {
      for (const one of open.values()) one.end();
      open.clear();
    },
  };
}

const STREAMS_MAX = 1_024;

/** With ids and hashes, which travel in the command. Throws too_large. */
export function draftsOf(hub: Hub, specs: readonly WorkSpec[]): WorkDraft[] {
  const nowMs = hub.stampMs();
  return specs.map((spec) => {
    const { data, job, idempotencyKey: key, delayMs, ...rest } = spec;
    const size = typeof data === "string" ? data.length : JSON.stringify(data).length;
    if (size > LIMIT.jobBytes.max) {
      throw new GantryError("too_large", `A job has at most ${LIMIT.jobBytes.max} bytes of data`);
    }
    return {
      ...only(rest),
      job: job ?? newId(hub, "job"),
      data,
      ...(delayMs === undefined ? {} : { notBeforeMs: nowMs + delayMs }),
      ...(key === undefined
        ? {}
        : { idempotency: { key, sha256: digestOf({ data, ...only(rest), parent: null }) } }),
    };
  });
}

/** What a client may say of a job, and nothing else that it said. */
function only(spec: Omit<WorkSpec, "data" | "job" | "idempotencyKey" | "delayMs">): typeof spec {
  const { class: its, priority, workspace, mutex, key, effect, attemptsMax, timeoutMs } = spec;
  const { parent, waits } = spec;
  return {
    ...(its === undefined ? {} : { class: its }),
    ...(priority === undefined ? {} : { priority }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(mutex === undefined ? {} : { mutex }),
    ...(key === undefined ? {} : { key }),
    ...(effect === undefined ? {} : { effect }),
    ...(attemptsMax === undefined ? {} : { attemptsMax }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(parent === undefined ? {} : { parent }),
    ...(waits === undefined ? {} : { waits }),
  };
}
