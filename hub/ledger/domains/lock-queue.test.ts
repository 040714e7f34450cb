import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { addNode, command, type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";
import { steps } from "../../../tests/support/any-commands.ts";

type Acquire = Extract<CommandBody, { type: "lockAcquired" }>;
const acquire = (name: string, owner: string, more: Partial<Acquire> = {}): Acquire => ({
  type: "lockAcquired",
  name,
  owner,
  ttlMs: 60_000,
  ...more,
});
const waitFor = (name: string, owner: string, more: Partial<Acquire> = {}): Acquire =>
  acquire(name, owner, { waitMs: 10_000, ...more });

function makeReign(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({ type: "reignBegan", hub: "hub_1", term: 1 });
  return rig;
}
const holder = (rig: LedgerRig, name: string): string | undefined =>
  rig.rows.get("lock", name)?.owner;
const waiting = (rig: LedgerRig, name: string): string[] | undefined =>
  rig.rows.get("lockQueue", name)?.waiters.map(({ owner }) => owner);
function release(rig: LedgerRig, name: string): number {
  const token = rig.rows.get("lock", name)?.token ?? 0;
  rig.act({ type: "lockReleased", name, token });
  return rig.ledger.position;
}
const ring = (rig: LedgerRig, body: Acquire): string[] | undefined => {
  const { deadlock } = rig.act(body) as { deadlock?: { owner: string; lock: string }[] };
  return deadlock?.map(({ owner, lock }) => `${owner}:${lock}`);
};

describe("waiting for a lock", () => {
  it("gives it to the next in line in the command that frees it, with that position as token (Q1, Q2)", () => {
    const rig = makeReign();
    rig.act(acquire("bench", "one"));
    const { ticket } = rig.act(waitFor("bench", "two"));
    rig.act(waitFor("bench", "three"));
    expect(waiting(rig, "bench")).toEqual(["two", "three"]);
    expect(rig.refuse(acquire("bench", "four"))).toBe("lock_held");
    const position = release(rig, "bench");
    expect(rig.rows.get("lock", "bench")).toMatchObject({ owner: "two", token: position, ticket });
    expect(rig.events.filter(({ id }) => id === position)).toMatchObject([
      { type: "lock.changed", subject: "bench", data: { owner: "one", deleted: true } },
      { type: "lock.changed", subject: "bench", data: { owner: "two", token: position } },
    ]);
    release(rig, "bench");
    expect([holder(rig, "bench"), waiting(rig, "bench")]).toEqual(["three", undefined]);
    release(rig, "bench");
    expect(rig.rows.hot("lock").size + rig.rows.hot("lockQueue").size).toBe(0);
  });

  it("comes with the expiry of the holder, and with the death of its node or session", () => {
    const rig = makeReign();
    addNode(rig);
    rig.act({ type: "sessionOpened", clientSession: "ses_1" });
    rig.act(acquire("bench", "one", { ttlMs: 1_000 }));
    rig.act(waitFor("bench", "two", { node: "node_1", waitMs: 90_000 }));
    rig.act(waitFor("bench", "three", { boundTo: "ses_1", waitMs: 90_000 }));
    rig.act(waitFor("bench", "four", { waitMs: 90_000 }));
    rig.at(2_000);
    const { token = 0, revision = 0 } = rig.rows.get("lock", "bench") ?? {};
    rig.act({ type: "lockExpired", name: "bench", token, revision, term: 1 });
    expect(rig.rows.get("lock", "bench")).toMatchObject({ owner: "two", node: "node_1" });
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "down" });
    expect(rig.rows.get("lock", "bench")).toMatchObject({ owner: "three", session: "ses_1" });
    rig.act({ type: "sessionClosed", clientSession: "ses_1" });
    expect(holder(rig, "bench")).toBe("four");
  });

  it("ends with the waiter's node or session, by cancelling, and by time; the others move up", () => {
    const rig = makeReign();
    addNode(rig);
    rig.act({ type: "sessionOpened", clientSession: "ses_1" });
    rig.act(acquire("bench", "one"));
    rig.act(waitFor("bench", "by node", { node: "node_1" }));
    rig.act(waitFor("bench", "by session", { boundTo: "ses_1" }));
    rig.act(waitFor("bench", "by hand"));
    rig.act(waitFor("bench", "by time", { waitMs: 500 }));
    rig.act(waitFor("bench", "last"));
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "down" });
    rig.act({ type: "sessionClosed", clientSession: "ses_1" });
    const cancel = { type: "lockWaitCancelled" as const, name: "bench", owner: "by hand" };
    expect(rig.refuse(cancel, { actor: "bob" })).toBe("not_found");
    expect(rig.refuse({ ...cancel, ticket: 1 })).toBe("not_found");
    rig.act(cancel);
    expect(rig.refuse({ type: "lockWaitsExpired", term: 1 })).toBe("conflict");
    rig.at(500);
    expect(rig.refuse({ type: "lockWaitsExpired", term: 0 })).toBe("stale_term");
    expect(rig.act({ type: "lockWaitsExpired", term: 1 })).toEqual({ ended: 1 });
    expect(waiting(rig, "bench")).toEqual(["last"]);
    const ends = rig.events.flatMap(({ type, data }) => {
      const { end } = data as { end?: string };
      return type === "lock.waiting" && end !== undefined ? [end] : [];
    });
    expect(ends).toEqual(["node_lost", "session_over", "cancelled", "timeout"]);
  });

  it("passes over whoever is too late or cannot use it, told or not (Q3)", () => {
    const rig = makeReign();
    addNode(rig);
    rig.act(acquire("bench", "one"));
    rig.act(waitFor("bench", "late", { waitMs: 500 }));
    rig.act(waitFor("bench", "on a suspect node", { node: "node_1" }));
    rig.act(waitFor("bench", "well"));
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "suspect" });
    rig.at(600);
    release(rig, "bench");
    expect([holder(rig, "bench"), waiting(rig, "bench")]).toEqual(["well", undefined]);
  });

  it("is once for an owner, bounded for a lock and for all; when full it is busy", () => {
    const rig = makeReign();
    rig.act(acquire("bench", "one"));
    rig.act(waitFor("bench", "two"));
    expect(rig.refuse(waitFor("bench", "two"))).toBe("conflict");
    rig.act(waitFor("bench", "two"), { actor: "bob" }); // another person's "two"
    for (let at = 2; at < LIMIT.lockQueue.max; at += 1) rig.act(waitFor("bench", `w${at}`));
    expect(rig.refuse(waitFor("bench", "more"))).toBe("busy");
    let all = LIMIT.lockQueue.max;
    for (let at = 0; all < LIMIT.lockWaits.max; at += 1) {
      if (at % 50 === 0) rig.act(acquire(`lock.${at - (at % 50)}`, "one"));
      rig.act(waitFor(`lock.${at - (at % 50)}`, `w${at}`));
      all += 1;
    }
    rig.act(acquire("another", "one"));
    expect(rig.refuse(waitFor("another", "two"))).toBe("busy");
  });

  it("finds its place or its lock by the same request, whoever leads by then", () => {
    const rig = makeReign();
    rig.act(acquire("bench", "one"));
    const replay = { key: "k", requestSha256: "r" };
    const first = rig.act(waitFor("bench", "two"), { replay });
    rig.restart();
    expect(rig.act(waitFor("bench", "two"), { replay })).toEqual(first);
    expect(waiting(rig, "bench")).toEqual(["two"]);
    release(rig, "bench");
    expect(rig.act(waitFor("bench", "two"), { replay })).toEqual(first);
    expect(rig.rows.get("lock", "bench")).toMatchObject({ owner: "two", ticket: first["ticket"] });
  });
});

describe("deadlocks", () => {
  it("[S37][K109] of two: seen at once, told, and broken by refusing who closed the circle", () => {
    const rig = makeReign();
    rig.act(acquire("a", "one"));
    rig.act(acquire("b", "two"));
    expect(ring(rig, waitFor("b", "one"))).toBeUndefined();
    expect(ring(rig, waitFor("a", "two"))).toEqual(["two:a", "one:b"]);
    expect([holder(rig, "a"), holder(rig, "b")]).toEqual(["one", "two"]);
    expect([waiting(rig, "a"), waiting(rig, "b")]).toEqual([undefined, ["one"]]);
    const cycle = [
      { owner: "two", by: "ada", lock: "a" },
      { owner: "one", by: "ada", lock: "b" },
    ];
    expect(rig.events.at(-1)).toMatchObject({
      type: "lock.deadlock",
      subject: "a",
      data: { cycle },
    });
    expect(rig.audit().at(-1)).toMatchObject({
      action: "lock.deadlock",
      object: "a",
      detail: { cycle },
    });
    expect([...rig.rows.hot("deadlock").values()]).toMatchObject([{ cycle, atMs: START_MS }]);
    release(rig, "b"); // the one that was refused gives way, and all goes on
    expect(holder(rig, "b")).toBe("one");
  });

  it("[S37][K109] of three and of seven are seen at once", () => {
    for (const size of [3, 7]) {
      const rig = makeReign();
      const all = [...Array.from({ length: size }).keys()];
      for (const at of all) rig.act(acquire(`l${at}`, `o${at}`));
      for (const at of all.slice(0, -1)) {
        expect(ring(rig, waitFor(`l${at + 1}`, `o${at}`))).toBeUndefined();
      }
      const last = size - 1;
      expect(ring(rig, waitFor("l0", `o${last}`))).toEqual([
        `o${last}:l0`,
        ...all.slice(0, -1).map((at) => `o${at}:l${at + 1}`),
      ]);
    }
  });

  it("[S37] that nobody detects here cannot last: every wait ends by its time", () => {
    const rig = makeReign();
    rig.act(acquire("a", "one"));
    rig.act(waitFor("a", "one", { waitMs: 1_000 })); // an older start of itself, or a mistake (WQ3)
    rig.at(1_000);
    expect(rig.act({ type: "lockWaitsExpired", term: 1 })).toEqual({ ended: 1 });
  });

  it("keeps the last few in the list, and no more", () => {
    const rig = makeReign();
    rig.act(acquire("a", "one"));
    rig.act(acquire("b", "two"));
    rig.act(waitFor("b", "one", { waitMs: 60_000 }));
    for (let at = 0; at < LIMIT.deadlocks.max + 3; at += 1) ring(rig, waitFor("a", "two"));
    expect(rig.rows.hot("deadlock").size).toBe(LIMIT.deadlocks.max);
    const ids = [...rig.rows.hot("deadlock").values()].map(({ id }) => id);
    expect(Math.max(...ids)).toBe(rig.ledger.position);
  });
});

// A second, naive account of the same: lists of names, and a search of every path for a circle.
interface Model {
  readonly held: Map<string, string>;
  readonly queues: Map<string, string[]>;
}

function blockersOf({ held, queues }: Model, who: string): Set<string> {
  const found = new Set<string>();
  for (const [name, queue] of queues) {
    const at = queue.indexOf(who);
    if (at < 0) continue;
    for (const other of [held.get(name) ?? "", ...queue.slice(0, at)]) found.add(other);
  }
  found.delete(who);
  return found;
}

function isInCircle(model: Model, who: string): boolean {
  const seen = new Set<string>();
  let reached = blockersOf(model, who);
  while (reached.size > 0) {
    if (reached.has(who)) return true;
    for (const one of reached) seen.add(one);
    reached = new Set(
      [...reached].flatMap((one) => [...blockersOf(model, one)]).filter((one) => !seen.has(one)),
    );
  }
  return false;
}

const OWNERS = ["A", "B", "C", "D", "E"];
const NAMES = ["a", "b", "c", "d"];
interface Move {
  readonly kind: "acquire" | "wait" | "release" | "cancel";
  readonly name: string;
  readonly owner: string;
}
const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("acquire", "wait", "wait", "wait", "release", "cancel"),
    name: fc.constantFrom(...NAMES),
    owner: fc.constantFrom(...OWNERS),
  }),
  { minLength: 30, maxLength: 60, size: "max" },
);

/** What the naive account expects of a move: a code, `given`, `waits`, `deadlock` or `done`. */
function expected(model: Model, { kind, name, owner }: Move): string {
  const queue = model.queues.get(name) ?? [];
  const others = queue.filter((one) => one !== owner);
  switch (kind) {
    case "release":
      if (!model.held.delete(name)) return "not_found";
      if (queue[0] !== undefined) model.held.set(name, queue[0]);
      model.queues.set(name, queue.slice(1));
      return "done";
    case "cancel":
      model.queues.set(name, others);
      return others.length === queue.length ? "not_found" : "done";
    case "acquire":
    case "wait":
      if (!model.held.has(name)) {
        model.held.set(name, owner);
        return "given";
      }
      if (kind === "acquire") return "lock_held";
      if (others.length < queue.length) return "conflict";
      model.queues.set(name, [...queue, owner]);
      if (!isInCircle(model, owner)) return "waits";
      model.queues.set(name, queue);
      return "deadlock";
  }
}

function found(rig: LedgerRig, { kind, name, owner }: Move): string {
  const token = rig.rows.get("lock", name)?.token ?? 0;
  const body: CommandBody = {
    acquire: acquire(name, owner),
    wait: waitFor(name, owner),
    release: { type: "lockReleased" as const, name, token },
    cancel: { type: "lockWaitCancelled" as const, name, owner },
  }[kind];
  const [reply] = rig.apply(command(body));
  if (reply?.ok !== true) return reply?.error.code ?? "no reply";
  if (kind === "release" || kind === "cancel") return "done";
  const value = reply.value as object; // handlers answer with objects
  return "deadlock" in value ? "deadlock" : "token" in value ? "given" : "waits";
}

describe("the queues and the graph together", () => {
  it("[S37][K109] report a circle exactly when an exhaustive search finds one, and never keep one", () => {
    let circles = 0;
    fc.assert(
      fc.property(moves, (list) => {
        const rig = makeReign();
        const model: Model = { held: new Map(), queues: new Map() };
        for (const move of list) {
          const outcome = expected(model, move);
          expect(found(rig, move)).toBe(outcome);
          circles += outcome === "deadlock" ? 1 : 0;
          expect(OWNERS.some((one) => isInCircle(model, one))).toBe(false);
          for (const name of NAMES) {
            expect(holder(rig, name)).toBe(model.held.get(name));
            expect(waiting(rig, name) ?? []).toEqual(model.queues.get(name) ?? []);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(circles).toBeGreaterThan(50);
  });

  it("leave no queue without a holder and none empty, whatever else happens (Q1)", () => {
    fc.assert(
      fc.property(steps(80), (sequence) => {
        const rig = makeReign();
        for (const { envelope, body } of sequence) {
          rig.apply(command(body(rig.rows), envelope));
          for (const { name, waiters } of rig.rows.hot("lockQueue").values()) {
            expect(rig.rows.get("lock", name)).toBeDefined();
            expect(waiters.length).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

// The example of the requirement: job_A makes a task in the project if it is there, job_B deletes the
// project if it has no task. Each waits for the lock instead of asking again and again.
describe("the race of job_A and job_B over one project", () => {
  it("[K95] leaves no task that points to a deleted project in any order of their steps, by waiting", () => {
    for (let order = 0; order < 2 ** 6; order += 1) {
      const rig = makeReign();
      const value = (key: string): unknown => rig.rows.get("flag", key)?.value;
      const set = (key: string, to: string): void =>
        void rig.act({ type: "flagSet", key, value: to });
      set("project", "there");
      const seen = new Map<string, unknown>();
      const jobs = {
        job_A: [
          () => seen.set("project", value("project")),
          () => (seen.get("project") === "there" ? set("task", "of the project") : undefined),
        ],
        job_B: [
          () => seen.set("task", value("task")),
          () => (seen.get("task") === undefined ? set("project", "deleted") : undefined),
        ],
      };
      const turns = [...Array.from({ length: 6 }).keys()].map((bit) =>
        (order & (2 ** bit)) === 0 ? "job_A" : "job_B",
      );
      const asked = new Set<string>();
      for (const turn of [
        ...turns,
        "job_A",
        "job_B",
        "job_A",
        "job_B",
        "job_A",
        "job_B",
      ] as const) {
        if (!asked.has(turn)) rig.act(waitFor("project", turn));
        asked.add(turn);
        if (holder(rig, "project") !== turn || jobs[turn].length === 0) continue;
        jobs[turn].shift()?.();
        expect([...rig.rows.hot("lock").values()]).toMatchObject([
          { name: "project", owner: turn },
        ]);
        if (jobs[turn].length === 0) release(rig, "project");
      }
      expect([jobs.job_A.length, jobs.job_B.length, rig.rows.hot("lock").size]).toEqual([0, 0, 0]);
      expect(value("task") !== undefined && value("project") === "deleted").toBe(false);
    }
  });
});
