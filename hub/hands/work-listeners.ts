// Who wants to hear how the jobs of a queue ended. All ends of a turn are told together.

import type { EndedWork } from "@gantry/shared/contract/registry-ops.ts";
import type { Item } from "../queues/item.ts";
import type { JobEnd } from "./queues.ts";
import { JOBS_PER_MESSAGE, type Say } from "./work-streams.ts";

export interface WorkListeners {
  readonly listen: (
    queue: string,
    say: Say,
  ) => {
    drain(): void;
    /** It hears nothing any more. */
    isIdle(): boolean;
    end(): void;
  };
  /** True if there is something to tell. `given`: the result of an end that has just come. */
  note(item: Item, row: JobEnd | undefined, given: unknown): boolean;
  readonly tell: () => void;
  /** The reign is over: all are told so and forgotten. */
  forget(): void;
}

export function makeWorkListeners(): WorkListeners {
  const listeners = new Map<string, Set<Say>>();
  const toTell = new Map<Say, EndedWork[]>();

  return {
    listen(queue, say) {
      const mine = listeners.get(queue) ?? new Set();
      listeners.set(queue, mine);
      mine.add(say);
      const end = (): void => {
        mine.delete(say);
        if (mine.size === 0 && listeners.get(queue) === mine) listeners.delete(queue);
      };
      const isIdle = (): boolean => listeners.get(queue)?.has(say) !== true;
      return { drain: end, isIdle, end };
    },
    note(item, row, given) {
      const mine = listeners.get(item.queue);
      if (mine === undefined || mine.size === 0) return false;
      if (row !== undefined && (row.state === "ready" || row.state === "leased")) return false; // again
      const state = row?.state ?? "done";
      const result = row?.result ?? given;
      const end: EndedWork = {
        job: item.id,
        state,
        ...(result === undefined ? {} : { result }),
        ...(row?.error === undefined ? {} : { error: row.error }),
      };
      for (const one of mine) {
        const waiting = toTell.get(one);
        if (waiting === undefined) toTell.set(one, [end]);
        else waiting.push(end);
      }
      return true;
    },
    tell() {
      for (const [one, ends] of toTell) {
        for (let from = 0; from < ends.length; from += JOBS_PER_MESSAGE) {
          one({ ends: ends.slice(from, from + JOBS_PER_MESSAGE) });
        }
      }
      toTell.clear();
    },
    forget() {
      for (const mine of listeners.values()) for (const one of mine) one({ isOver: true });
      listeners.clear();
      toTell.clear();
    },
  };
}
