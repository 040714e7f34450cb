import fc from "fast-check";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { describe, expect, it } from "vitest";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { addNode, command, type LedgerRig, makeLedgerRig, register } from "../testing/rig.ts";
import { steps } from "../../../tests/support/any-commands.ts";

const acquired = (
  owner = "one",
  more: Partial<Extract<CommandBody, { type: "lockAcquired" }>> = {},
): CommandBody => ({ type: "lockAcquired", name: "bench", owner, ttlMs: 5_000, ...more });
const word = (type: "lockRenewed" | "lockReleased", token: number): CommandBody => ({
  type,
  name: "bench",
  token,
});

function makeReign(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({ type: "reignBegan", hub: "hub_1", term: 1 });
  return rig;
}
const take = (rig: LedgerRig, owner = "one", more = {}): number =>
  rig.act(acquired(owner, more))["token"] as number;
const revisionOf = (rig: LedgerRig): number => rig.rows.get("lock", "bench")?.revision ?? 0;
const expired = (rig: LedgerRig, token: number, revision = revisionOf(rig)): CommandBody => ({
  type: "lockExpired",
  name: "bench",
  token,
  revision,
  term: 1,
});

describe("a lock", () => {
  it("[K95] has one holder and is seen with it; the next one gets a greater token (X1, X5)", () => {
    const rig = makeReign();
    const first = take(rig);
    expect(rig.refuse(acquired("two"))).toBe("lock_held");
    expect(rig.refuse(acquired("one"))).toBe("lock_held");
    expect([...rig.rows.hot("lock").values()]).toMatchObject([{ owner: "one", token: first }]);
    rig.act(word("lockReleased", first));
    expect(take(rig, "two")).toBeGreaterThan(first);
  });

  it("is renewed, released and expired by its present token only (X2)", () => {
    const rig = makeReign();
    const old = take(rig);
    rig.act(word("lockReleased", old));
    const token = take(rig, "two");
    rig.at(60_000);
    expect(rig.refuse(word("lockRenewed", old))).toBe("stale_token");
    expect(rig.refuse(word("lockReleased", old))).toBe("stale_token");
    expect(rig.refuse(expired(rig, old))).toBe("stale_token");
    rig.act(word("lockRenewed", token));
  });

  it("does not expire before its time, nor when it was renewed since it was judged (X3)", () => {
    const rig = makeReign();
    const token = take(rig);
    const judged = revisionOf(rig);
    rig.at(4_999);
    expect(rig.refuse(expired(rig, token))).toBe("conflict");
    rig.act(word("lockRenewed", token));
    rig.at(30_000);
    expect(rig.refuse(expired(rig, token, judged))).toBe("conflict");
    rig.act(expired(rig, token));
    expect(rig.rows.get("lock", "bench")).toBeUndefined();
  });

  it("keeps what was left of it for the next leader, and never more than its life time", () => {
    const rig = makeReign();
    const token = take(rig);
    const checkpoint = (remainingMs: number): CommandBody => ({
      type: "locksCheckpointed",
      term: 1,
      locks: [
        { name: "bench", token, remainingMs },
        { name: "gone", token: 1, remainingMs },
      ],
    });
    expect(rig.act(checkpoint(1_200))).toEqual({ kept: 1 });
    expect(rig.rows.get("lock", "bench")).toMatchObject({ remainingMs: 1_200 });
    rig.act(checkpoint(99_000));
    expect(rig.rows.get("lock", "bench")).toMatchObject({ remainingMs: 5_000 });
  });

  it("ends with its node: when it is down, removed, or has started again (X4)", () => {
    for (const end of ["down", "removed"] as const) {
      const rig = makeReign();
      addNode(rig);
      take(rig, "one", { node: "node_1" });
      const judged = { type: "nodeStateChanged" as const, node: "node_1", bootId: "boot_1" };
      rig.act({ ...judged, state: "suspect" });
      expect(rig.rows.hot("lock").size).toBe(1);
      rig.act({ ...judged, state: end });
      expect(rig.rows.hot("lock").size).toBe(0);
      expect(rig.refuse(acquired("one", { node: "node_1" }))).toBe("conflict");
    }
    const rig = makeReign();
    addNode(rig);
    take(rig, "one", { node: "node_1" });
    register(rig);
    expect(rig.rows.hot("lock").size).toBe(1);
    register(rig, "node_1", [], "boot_2");
    expect(rig.rows.hot("lock").size).toBe(0);
  });

  it("ends with its session, and is not bound to a session that is over", () => {
    const rig = makeReign();
    rig.act({ type: "sessionOpened", clientSession: "ses_1" });
    take(rig, "one", { boundTo: "ses_1" });
    rig.act({ type: "sessionClosed", clientSession: "ses_1" });
    expect(rig.rows.hot("lock").size).toBe(0);
    expect(rig.refuse(acquired("one", { boundTo: "ses_1" }))).toBe("session_expired");
    rig.act({ type: "sessionOpened", clientSession: "ses_2" });
    rig.at(LIFE.clientSessionMs + 1);
    expect(rig.refuse(acquired("one", { boundTo: "ses_2" }))).toBe("session_expired");
  });

  it("gives tokens that only grow, whatever happens to locks", () => {
    fc.assert(
      fc.property(steps(80), (sequence) => {
        const rig = makeReign();
        let highest = 0;
        for (const { envelope, body } of sequence) {
          const made = command(body(rig.rows), envelope);
          const before = rig.ledger.position;
          const [reply] = rig.apply(made);
          const isNew = reply?.ok === true && reply.position > before;
          if (made.type !== "lockAcquired" || !isNew) continue;
          const { token } = reply.value as { token: number };
          expect(token).toBeGreaterThan(highest);
          highest = token;
        }
      }),
      { numRuns: 100 },
    );
  });
});

// job_A makes a task in the project if it exists; job_B deletes the project if it has no task.
// Without a lock an interleaving leaves the task pointing to a deleted project.
type Step = (rig: LedgerRig, memory: Map<string, unknown>) => void;
const value = (rig: LedgerRig, key: string): unknown => rig.rows.get("flag", key)?.value;
const set = (rig: LedgerRig, key: string, to: unknown): void =>
  void rig.act({ type: "flagSet", key, value: to });
/** All orders of the steps of two jobs in which each job's own order is kept. */
function orders<T>(one: readonly T[], two: readonly T[]): T[][] {
  const [a, ...restA] = one;
  const [b, ...restB] = two;
  if (a === undefined || b === undefined) return [[...one, ...two]];
  return [
    ...orders(restA, two).map((rest) => [a, ...rest]),
    ...orders(one, restB).map((rest) => [b, ...rest]),
  ];
}

const sees =
  (key: string, as: string): Step =>
  (rig, memory) =>
    void memory.set(as, value(rig, key));
const jobA: Step[] = [
  sees("project", "A sees"),
  (rig, memory) => {
    if (memory.get("A sees") === "there") set(rig, "task", "in the project");
  },
];
const jobB: Step[] = [
  sees("task", "B sees"),
  (rig, memory) => {
    if (memory.get("B sees") === undefined) set(rig, "project", "deleted");
  },
];

const isBroken = (rig: LedgerRig): boolean =>
  value(rig, "task") !== undefined && value(rig, "project") === "deleted";

function run(steps: readonly Step[]): LedgerRig {
  const rig = makeLedgerRig();
  set(rig, "project", "there");
  const memory = new Map<string, unknown>();
  for (const step of steps) step(rig, memory);
  return rig;
}

/** Each job's own steps in its own order, as the turns come; what a job saw is its own. */
function runFree(order: readonly string[]): LedgerRig {
  const left = new Map(order.map((id) => [id, id.startsWith("A") ? [...jobA] : [...jobB]]));
  const memories = new Map(order.map((id) => [id, new Map<string, unknown>()]));
  const steps = order.flatMap((id): Step[] => {
    const step = left.get(id)?.shift();
    return step === undefined ? [] : [(rig) => step(rig, memories.get(id) ?? new Map())];
  });
  return run(steps);
}

/** The same job under the lock: a step whose job does not hold it waits, that is: is done later. */
function runLocked(order: readonly string[]): LedgerRig {
  const rig = makeLedgerRig();
  set(rig, "project", "there");
  const memory = new Map<string, unknown>();
  const left = new Map(order.map((id) => [id, id.startsWith("A") ? [...jobA] : [...jobB]]));
  const tokens = new Map<string, number>();
  const queue = [...order];
  for (let turn = queue.shift(); turn !== undefined; turn = queue.shift()) {
    if (!tokens.has(turn)) {
      const [reply] = rig.apply(command(acquired(turn)));
      if (reply?.ok !== true) {
        queue.push(turn);
        continue;
      }
      tokens.set(turn, (reply.value as { token: number }).token);
    }
    const steps = left.get(turn) ?? [];
    steps.shift()?.(rig, memory);
    if (steps.length === 0) rig.act(word("lockReleased", tokens.get(turn) ?? 0));
  }
  expect([...left.values()].flat()).toEqual([]);
  return rig;
}

describe("the race of two jobs over one project", () => {
  it("[K95] breaks in some order without a lock, and in none with it", () => {
    expect(orders(jobA, jobB).some((order) => isBroken(run(order)))).toBe(true);
    for (const order of orders(["A", "A"], ["B", "B"])) {
      expect(isBroken(runLocked(order))).toBe(false);
    }
  });

  it("[K54] leaves no orphan in 10,000 interleavings of four jobs under the lock, and some without it", () => {
    const random = seededRandom(54);
    const turns = ["A1", "A2", "B1", "B2"].flatMap((id) => [id, id]);
    const drawn = (): string[] =>
      turns
        .map((id) => ({ id, at: random() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ id }) => id);
    let broken = 0;
    let brokenWithout = 0;
    for (let round = 0; round < 10_000; round += 1) {
      const order = drawn();
      if (isBroken(runLocked(order))) broken += 1;
      if (round < 100 && isBroken(runFree(order))) brokenWithout += 1;
    }
    expect(broken).toBe(0);
    expect(brokenWithout).toBeGreaterThan(0);
  }, 60_000);
});
