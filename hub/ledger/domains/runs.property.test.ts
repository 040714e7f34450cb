import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { beginnings, decision, runBodies } from "../../../tests/support/any-runs.ts";
import type { Effect } from "../../workflow/engine-types.ts";
import { owed } from "../../workflow/owed.ts";
import { command, type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";
import { planOf } from "./plans.ts";

type Made = (rig: LedgerRig) => CommandBody;

/** What a hub would do: a fact about something that is owed now. */
const duty: fc.Arbitrary<Made> = fc
  .record({ pick: fc.nat(100), how: fc.constantFrom("done", "done", "failed", "lost", "taken") })
  .map(({ pick, how }) => ({ rows }: LedgerRig) => {
    const facts = [...rows.hot("run").values()]
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .flatMap((row) =>
        owed(planOf(rows, row.state.graph), row.state).flatMap((effect) =>
          factFor(row.id, effect, how),
        ),
      );
    const fact = facts[pick % Math.max(1, facts.length)];
    return { type: "runsAdvanced", facts: fact === undefined ? [] : [fact] };
  });

function factFor(
  run: string,
  effect: Effect,
  how: "done" | "failed" | "lost" | "taken",
): RunFact[] {
  if (effect.kind === "timer") return [[run, "due", effect.place, effect.dueMs]];
  if (effect.kind !== "dispatch") return [];
  const { place, attempt } = effect;
  if (how === "done") return [[run, "done", place, attempt, 1]];
  if (how === "failed") return [[run, "failed", place, attempt, { code: "x", message: "y" }, null]];
  return [[run, how, place, attempt]];
}

const ticketWord: fc.Arbitrary<Made> = decision.map(
  (made) => (rig) => made([...rig.rows.hot("ticket").keys()].toSorted()),
);

const step = fc.record({
  made: fc.oneof(
    {
      weight: 3,
      arbitrary: runBodies.map(
        (body): Made =>
          () =>
            body,
      ),
    },
    { weight: 6, arbitrary: duty },
    { weight: 2, arbitrary: ticketWord },
  ),
  actor: fc.constantFrom("ada", "bob"),
  afterMs: fc.nat(3_000),
  restarts: fc.nat(9).map((draw) => draw === 0),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const steps = fc.array(step, { minLength: 20, maxLength: 80, size: "max" });

/** Applies them to three runs that have begun, with restarts between; gives the rig. */
function live(taken: readonly Step[]): LedgerRig {
  const rig = makeLedgerRig();
  for (const body of beginnings) rig.apply(command(body));
  for (const { made, actor, afterMs, restarts } of taken) {
    if (restarts) rig.restart();
    rig.apply(command(made(rig), { actor, atMs: START_MS + afterMs }));
    expectConsistent(rig);
  }
  return rig;
}

/** TK1, RT1: what is open is what the engine owes; what is over is cool. */
function expectConsistent({ rows }: LedgerRig): void {
  const open = new Set<string>();
  for (const [id, row] of rows.hot("run")) {
    expect([id, ["running", "paused", "undoing"].includes(row.state.state)]).toEqual([id, true]);
    const isReplay = row.replayOf !== undefined; // asks nobody, and starts nothing
    const wanted = isReplay ? [] : owed(planOf(rows, row.state.graph), row.state);
    const asked = wanted.flatMap((effect) => (effect.kind === "ticket" ? [effect.place] : []));
    expect(Object.keys(row.tickets).toSorted()).toEqual(asked.toSorted());
    for (const ticket of Object.values(row.tickets)) open.add(ticket);
    for (const child of Object.values(row.children)) expect(rows.hot("run").has(child)).toBe(true);
    const children = wanted.flatMap((effect) => (effect.kind === "child" ? [effect.place] : []));
    for (const place of children) expect(Object.keys(row.children)).toContain(place);
    if (row.parent !== undefined) {
      expect(rows.hot("run").get(row.parent.run)?.children[row.parent.place]).toBe(id);
    }
  }
  const listed = [...rows.hot("ticket").values()].filter(({ patch }) => patch === undefined);
  expect(listed.map(({ id }) => id).toSorted()).toEqual([...open].toSorted());
}

describe("any order of any commands about runs", () => {
  it("[K78] gives the same bytes when it is replayed, with tickets and children as the runs owe them", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const rig = live(taken);
        const again = makeLedgerRig();
        for (const entry of rig.entries) again.apply(...entry);
        expect(again.stateHash()).toBe(rig.stateHash());
      }),
      { numRuns: 150 },
    );
  });

  it("completion exactly once: a run is told as over as often as it was retried, and once more", () => {
    fc.assert(
      fc.property(steps, (taken) => {
        const rig = live(taken);
        const over = new Map<string, number>();
        for (const { type, subject, data } of rig.events) {
          if (type !== "run.changed") continue;
          const { state } = data as { state: string };
          const isOver = ["done", "failed", "cancelled"].includes(state);
          if (isOver) over.set(subject, (over.get(subject) ?? 0) + 1);
        }
        const trail = rig.audit();
        for (const [id, count] of over) {
          const retried = trail.filter((row) => row.action === "run.retried" && row.object === id);
          const isLive = rig.rows.hot("run").has(id);
          expect([id, count]).toEqual([id, retried.length + (isLive ? 0 : 1)]);
        }
      }),
      { numRuns: 80 },
    );
  });
});
