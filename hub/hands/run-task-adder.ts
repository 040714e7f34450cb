// Tasks of runs on their way into queues: those of one turn, for one queue and of one person, are one
// command. A busy hub has hundreds of runs that go on in a turn, an idle one waits for none.
//
// RJ1. One that is refused is no reason to refuse the others: what is refused together is said again
//      one by one.

import type { CommandOf, Reply } from "@gantry/shared/contract/commands.ts";
import { type Hub, newId, propose } from "../hub.ts";

const JOBS_MAX = 256;
const CHARS_MAX = 262_144;

type Body = Pick<CommandOf<"jobsAdded">, "type" | "queue" | "jobs">;

export interface RunTaskAdder {
  /** The reply to its command; rejects as Replica.propose. `by`: the person whose run it is. */
  add(body: Body, by: string): Promise<Reply>;
}

interface Waiting {
  readonly body: Body;
  readonly by: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** Works until the signal aborts. */
export function makeRunTaskAdder(hub: Hub, signal: AbortSignal): RunTaskAdder {
  let waiting: Waiting[] = [];

  function flush(): void {
    const all = waiting;
    waiting = [];
    const kinds = Map.groupBy(all, ({ body, by }) => `${body.queue} ${by}`);
    for (const kind of kinds.values()) for (const group of groupsOf(kind)) void send(group);
  }

  const tell = (body: Body, actor: string): Promise<Reply> =>
    propose(hub, body, { actor, requestId: newId(hub, "req") }, signal);

  async function send(group: readonly Waiting[]): Promise<void> {
    const [first] = group;
    if (first === undefined) return;
    try {
      const jobs = group.flatMap(({ body }) => body.jobs);
      const reply = await tell({ ...first.body, jobs }, first.by);
      if (reply.ok || group.length === 1) for (const { resolve } of group) resolve(reply);
      else for (const each of group) void send([each]); // RJ1
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  return {
    add: (body, by) =>
      new Promise((resolve, reject) => {
        waiting.push({ body, by, resolve, reject });
        if (waiting.length === 1) queueMicrotask(flush);
      }),
  };
}

/** Each small enough for a command. */
function* groupsOf(kind: readonly Waiting[]): Generator<readonly Waiting[]> {
  let group: Waiting[] = [];
  let chars = 0;
  for (const one of kind) {
    const size = JSON.stringify(one.body.jobs).length;
    if (group.length === JOBS_MAX || (group.length > 0 && chars + size > CHARS_MAX)) {
      yield group;
      group = [];
      chars = 0;
    }
    group.push(one);
    chars += size;
  }
  if (group.length > 0) yield group;
}
