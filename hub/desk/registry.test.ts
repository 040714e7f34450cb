import { describe, expect, it } from "vitest";
import { assert } from "@gantry/shared/base/assert.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas.ts";
import { addNode } from "../ledger/testing/rig.ts";
import type { DeskRequest } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { DeskParts, RegistryHands } from "./context.ts";
import { registryUseCases } from "./registry.ts";

interface Bench extends FakeHub {
  /** Calls a use case as ada; its reply passes the schema of its route. */
  readonly call: (route: RouteName, request?: Partial<DeskRequest>) => Promise<unknown>;
}

function makeBench(registry?: RegistryHands): Bench {
  const fake = makeFakeHub();
  const { hub } = fake;
  const replica = { ...hub.replica, barrier: () => Promise.resolve() };
  const link = { heard: () => new Map([["node_1", 12.4]]) };
  const given = { hub: { ...hub, replica }, link: () => link, registry };
  const parts = given as unknown as DeskParts; // all that these use cases use
  const useCases = registryUseCases(parts);
  const signal = new AbortController().signal;
  return {
    ...fake,
    async call(route, request = {}) {
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
