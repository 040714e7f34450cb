// Any order of writes, snapshots, trims and power cuts: the log is what was synced, whole and never
// called damaged, however old the mark is that the disk gives back.

import fc from "fast-check";
import { expect, it } from "vitest";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import type { Entry } from "../consensus/types.ts";
import type { LogStore } from "../ports.ts";
import { openRaftLog, type TailMark } from "./raft-log.ts";
import type { Mark } from "./raft-log-scan.ts";

type Step =
  | { readonly do: "append"; readonly count: number; readonly isSync: boolean }
  | { readonly do: "replace"; readonly back: number; readonly count: number }
  | { readonly do: "trim" | "reset"; readonly by: number }
  /** `lag`: how many marks the disk has lost. */
  | { readonly do: "cut"; readonly lag: number }
  | { readonly do: "kill" };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    count: fc.integer({ min: 0, max: 5 }),
    isSync: fc.boolean(),
  }),
  fc.record({
    do: fc.constant("replace" as const),
    back: fc.integer({ min: 1, max: 6 }),
    count: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    do: fc.constantFrom("trim" as const, "reset" as const),
    by: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ do: fc.constant("cut" as const), lag: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ do: fc.constant("kill" as const) }),
);

interface Model {
  readonly offset: number;
  readonly entries: readonly Entry[];
  readonly term: number;
}
const lastOf = ({ offset, entries }: Model): number => offset + entries.length;

function contentOf({ log, restored }: LogStore): unknown {
  const { index } = log.offset;
  const entries = log.entries(index + 1, Infinity, Infinity);
  return {
    offset: index,
    term: restored.hardState.term,
    entries: entries.map((entry) => [entry.index, entry.term, Buffer.from(entry.data).toString()]),
  };
}
const expectedOf = ({ offset, term, entries }: Model): unknown => ({
  offset,
  term,
  entries: entries.map((entry) => [entry.index, entry.term, Buffer.from(entry.data).toString()]),
});

function expectWhole(log: LogStore, model: Model): void {
  expect(log.damage).toBeUndefined();
  expect(contentOf(log)).toEqual(expectedOf(model));
}

it("is what was synced, and never called damaged, after any power cuts", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 40 }), async (steps) => {
      const disk = makeForgetfulStore();
      let marks: Mark[] = [];
      const tail: TailMark = {
        read: () => marks.at(-1),
        write: (mark) => void marks.push(mark),
      };
      const open = (): Promise<LogStore> => openRaftLog(disk, tail, { cacheBytes: 600 });
      let log = await open();
      let now: Model = { offset: 0, entries: [], term: 0 };
      let synced = now;
      let serial = 0;

      async function append(from: number, count: number, isSync: boolean): Promise<void> {
        const term = now.term + 1;
        const entries = Array.from({ length: count }, (_, place): Entry => {
          serial += 1;
          const data = Buffer.from(`entry ${serial}`);
          return { index: from + place, term, kind: "commands", data };
        });
        const hardState = { term, vote: "a", commit: now.offset };
        await log.append({ hardState, entries, isSync });
        const kept = count === 0 ? now.entries : now.entries.slice(0, from - now.offset - 1);
        now = { ...now, term, entries: [...kept, ...entries] };
        if (isSync) synced = now;
      }

      for (const step of steps) {
        const last = lastOf(now);
        switch (step.do) {
          case "append":
            await append(last + 1, step.count, step.isSync);
            break;
          case "replace":
            await append(Math.max(now.offset, last - step.back) + 1, step.count, true);
            break;
          case "trim": {
            const through = Math.min(now.offset + step.by, last);
            await log.trim(through);
            now = { ...now, offset: through, entries: now.entries.slice(through - now.offset) };
            break;
          }
          case "reset": {
            const index = last + step.by;
            const membership = { ...log.restored.membership, voters: ["a", "b"] };
            await log.reset({ index, term: now.term, membership });
            now = { ...now, offset: index, entries: [] };
            synced = now;
            break;
          }
          case "cut":
            disk.cutPower();
            marks = marks.slice(0, Math.max(0, marks.length - step.lag));
            log = await open();
            now = synced;
            expectWhole(log, now);
            break;
          case "kill":
            log = await open();
            expectWhole(log, now);
            break;
        }
      }
    }),
    { numRuns: 300 },
  );
});
