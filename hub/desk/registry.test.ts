import { describe, expect, it } from "vitest";
import { assert } from "@gantry/shared/base/assert.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas/table.ts";
import { OWN_KEY } from "../cluster/desk.ts";
import { addNode } from "../ledger/testing/rig.ts";
import type { DeskRequest } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { DeskParts, RegistryHands } from "./context.ts";
import { registryUseCases } from "./registry.ts";

interface Bench extends FakeHub {
  /** Calls a use case as ada; its reply passes the schema of its route. */
  readonly call: (
    route: RouteName,
    request?: Partial<DeskRequest>,
    signal?: AbortSignal,
  ) => Promise<unknown>;
}

function makeBench(registry?: RegistryHands): Bench {
  const fake = makeFakeHub();
  const { hub } = fake;
  const replica = { ...hub.replica, barrier: () => Promise.resolve() };
  const link = { heard: () => new Map([["node_1", 12.4]]) };
  const given = { hub: { ...hub, replica }, link: () => link, registry };
  const parts = given as unknown as DeskParts; // all that these use cases use
  const useCases = registryUseCases(parts);
  return {
    ...fake,
    async call(route, request = {}, signal = new AbortController().signal) {
      const useCase = useCases[route];
      assert(useCase !== undefined, `no use case for ${route}`);
      const whole: DeskRequest = {
        actor: { person: "ada", role: "admin", token: "tok_1" },
        requestId: "req_1",
        params: {},
        query: {},
        body: undefined,
        ...request,
      };
      return SCHEMAS[route].reply.parse(await useCase(parts, whole, { signal }));
    },
  };
}

const bench = { params: { key: "bench" } };
const acquire = { ...bench, body: { ttlMs: 5_000 } };

describe("locks at the desk", () => {
  it("are acquired, seen, kept alive and released", async () => {
    const { call } = makeBench();
    const given = (await call("lockAcquired", acquire)) as { token: number };
    expect(given).toMatchObject({ name: "bench", owner: "ada", ttlMs: 5_000 });
    expect(await call("lock", bench)).toMatchObject({ owner: "ada", token: given.token });
    expect(await call("locks")).toMatchObject({ locks: [{ name: "bench" }] });
    const body = { token: given.token };
    expect(await call("lockRenewed", { ...bench, body })).toMatchObject(given);
    await call("lockReleased", { ...bench, query: body });
    await expect(call("lock", bench)).rejects.toMatchObject({ code: "not_found" });
  });

  it("that are held name the holder, its token, and when to ask again", async () => {
    const { call } = makeBench();
    const { token } = (await call("lockAcquired", acquire)) as { token: number };
    await expect(
      call("lockAcquired", { ...bench, body: { owner: "other", ttlMs: 5_000 } }),
    ).rejects.toMatchObject({
      code: "lock_held",
      details: { holder: "ada", by: "ada", token, retryAfterS: 5 },
    });
  });

  it("are kept alive in the leader's memory where it can, else in the log, which has the last word", async () => {
    const answers: ("kept" | "log" | "stale")[] = ["kept", "log", "stale"];
    const keepAlive = (): "kept" | "log" | "stale" => answers.shift() ?? "stale";
    const { call, proposed } = makeBench({ keepAlive } as unknown as RegistryHands); // no watches here
    const { token } = (await call("lockAcquired", acquire)) as { token: number };
    for (const logged of [0, 1, 2]) {
      await call("lockRenewed", { ...bench, body: { token } });
      expect(proposed.filter(({ type }) => type === "lockRenewed")).toHaveLength(logged);
    }
    const renewed = call("lockRenewed", { ...bench, body: { token: token + 1 } });
    await expect(renewed).rejects.toMatchObject({ code: "stale_token" });
  });
});

const waitAs = (owner: string, key = "bench") => ({
  params: { key },
  body: { owner, ttlMs: 5_000, wait: true, waitMs: 20_000 },
});
const release = async ({ call, rig }: Bench, key = "bench"): Promise<unknown> =>
  call("lockReleased", { params: { key }, query: { token: rig.rows.get("lock", key)?.token } });

describe("waiting for a lock at the desk", () => {
  it("[K95] shows who waits, and answers when it is their turn", async () => {
    const desk = makeBench();
    const { call, clock } = desk;
    await call("lockAcquired", acquire);
    const two = call("lockAcquired", waitAs("two"));
    const three = call("lockAcquired", waitAs("three"));
    await clock.pass(100);
    expect(await call("locks")).toMatchObject({
      locks: [{ owner: "ada", waiting: [{ owner: "two" }, { owner: "three" }] }],
      deadlocks: [],
    });
    await release(desk);
    expect(await two).toMatchObject({ owner: "two", token: desk.rig.ledger.position });
    await release(desk);
    expect(await three).toMatchObject({ owner: "three", token: desk.rig.ledger.position });
  });

  it("[S37][K109] refuses who closes a circle, names it, and keeps it in the list", async () => {
    const { call, clock } = makeBench();
    await call("lockAcquired", { params: { key: "a" }, body: { owner: "one", ttlMs: 5_000 } });
    await call("lockAcquired", { params: { key: "b" }, body: { owner: "two", ttlMs: 5_000 } });
    void call("lockAcquired", waitAs("one", "b"));
    await clock.pass(100);
    const cycle = [
      { owner: "two", by: "ada", lock: "a" },
      { owner: "one", by: "ada", lock: "b" },
    ];
    await expect(call("lockAcquired", waitAs("two", "a"))).rejects.toMatchObject({
      code: "deadlock",
      details: { cycle },
    });
    expect(await call("locks")).toMatchObject({ deadlocks: [{ cycle }] });
  });

  it("ends when it is given up or its time is over, and says so", async () => {
    const { call, clock, rig, publish } = makeBench();
    await call("lockAcquired", acquire);
    const one = call("lockAcquired", waitAs("one"));
    const two = call("lockAcquired", waitAs("two")).catch((error: unknown) => error);
    await clock.pass(100);
    await Promise.all([
      expect(one).rejects.toMatchObject({ code: "lock_wait_over", details: { end: "cancelled" } }),
      call("lockWaitCancelled", { ...bench, query: { owner: "one" } }),
    ]);
    rig.act({ type: "reignBegan", hub: "hub_1", term: 1 });
    rig.at(20_100);
    rig.act({ type: "lockWaitsExpired", term: 1 });
    publish();
    expect(await two).toMatchObject({ code: "lock_wait_over", details: { end: "timeout" } });
  });

  it("goes on for a request that can be repeated, which finds its place and then its lock", async () => {
    const desk = makeBench();
    const { call, clock, rig } = desk;
    await call("lockAcquired", acquire);
    const again = { ...waitAs("two"), replay: { key: "k", requestSha256: "r" } };
    const gone = new AbortController();
    const first = call("lockAcquired", again, gone.signal).catch((error: unknown) => error);
    await clock.pass(100);
    gone.abort();
    await first;
    const second = call("lockAcquired", again);
    await clock.pass(100);
    expect(rig.rows.get("lockQueue", "bench")?.waiters).toHaveLength(1);
    await release(desk);
    const given = await second;
    expect(given).toMatchObject({ owner: "two", token: rig.ledger.position });
    expect(await call("lockAcquired", again)).toEqual(given);
  });

  it("is given up with its caller where nobody could ask again, even if the lock came meanwhile", async () => {
    const desk = makeBench();
    const { call, clock, rig } = desk;
    await call("lockAcquired", acquire);
    const ownKey = { replay: { key: `${OWN_KEY}1`, requestSha256: "" } }; // of the hub, not of the caller
    for (const [isGranted, more] of [
      [false, {}],
      [false, ownKey],
      [true, {}],
    ] as const) {
      const gone = new AbortController();
      const request = { ...waitAs("two"), ...more };
      const waiting = call("lockAcquired", request, gone.signal).catch(() => undefined);
      await clock.pass(100);
      expect(rig.rows.get("lockQueue", "bench")?.waiters).toHaveLength(1);
      gone.abort();
      // Released in the ledger before this hub has seen that its caller is gone.
      const token = rig.rows.get("lock", "bench")?.token ?? 0;
      if (isGranted) rig.act({ type: "lockReleased", name: "bench", token });
      await waiting;
      expect(rig.rows.get("lockQueue", "bench")).toBeUndefined();
    }
    expect(rig.rows.hot("lock").size).toBe(0);
  });

  it("does not keep its caller for ever on a hub that hears nothing more", async () => {
    const { call, clock } = makeBench();
    await call("lockAcquired", acquire);
    const waiting = call("lockAcquired", waitAs("two")).catch((error: unknown) => error);
    await clock.pass(40_000, 1_000);
    expect(await waiting).toMatchObject({ code: "outcome_unknown" });
  });
});

describe("client sessions at the desk", () => {
  it("give a retry of a request its first answer, with the same fencing token", async () => {
    const { call } = makeBench();
    const { session } = (await call("clientSessionOpened", { body: {} })) as { session: string };
    const stamped = { ...acquire, session: { id: session, seq: 1, requestSha256: "a" } };
    const first = await call("lockAcquired", stamped);
    expect(await call("lockAcquired", stamped)).toEqual(first);
    await call("clientSessionClosed", { params: { id: session } });
    const late = { ...stamped, session: { id: session, seq: 2 } };
    await expect(call("lockAcquired", late)).rejects.toMatchObject({ code: "session_expired" });
  });
});

describe("the registry at the desk", () => {
  it("shows machines by selector, and says where a bad one is bad", async () => {
    const { call, rig } = makeBench();
    addNode(rig);
    addNode(rig, { node: "node_2", printers: [] });
    const idsOf = async (selector?: string): Promise<string[]> => {
      const query = selector === undefined ? {} : { selector };
      const reply = (await call("registry", { query })) as { nodes: { id: string }[] };
      return reply.nodes.map(({ id }) => id);
    };
    expect(await idsOf()).toEqual(["node_1", "node_2"]);
    expect(await idsOf("printer has sim, state=alive")).toEqual(["node_1"]);
    expect(await idsOf("!printer")).toEqual(["node_2"]);
    await expect(idsOf("printer =")).rejects.toMatchObject({
      code: "bad_selector",
      details: { at: 9 },
    });
  });

  it("gives what a watcher has not seen, and only of the kinds it asked for", async () => {
    const { call, rig, publish } = makeBench();
    rig.act({ type: "flagSet", key: "a", value: 1 });
    publish();
    const whole = (await call("registryWatch", { query: { kinds: "flag" } })) as {
      revision: number;
      messages: unknown[];
    };
    expect(whole.messages).toMatchObject([{ type: "snapshot", items: [{ key: "flag/a" }] }]);
    const waiting = call("registryWatch", { query: { since: whole.revision, kinds: "flag,lock" } });
    await call("lockAcquired", acquire);
    expect(await waiting).toMatchObject({
      messages: [{ type: "delta", changes: [{ key: "lock/bench", value: { owner: "ada" } }] }],
    });
    expect(await call("registryWatch", { query: { since: "now" } })).toMatchObject({
      messages: [{ type: "progress" }],
    });
    await expect(call("registryWatch", { query: { kinds: "flag,secret" } })).rejects.toMatchObject({
      code: "bad_request",
    });
  });
});
