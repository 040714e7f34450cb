import { describe, expect, it } from "vitest";
import { callIdOf, isCall, isRegistryHello, isReply } from "./registry-ops.ts";

const call = (fields: object): unknown => ({ type: "registry", id: 1, ...fields });

describe("registry calls, checked by hand", () => {
  it("takes each operation in its bounds", () => {
    const stamp = { session: { id: "ses_1", seq: 1 } };
    for (const fields of [
      { op: "put", key: "a.b:c-d_e", value: null, ifRevision: 0, ...stamp },
      { op: "delete", key: "a" },
      { op: "get", key: "a", read: "local" },
      { op: "acquire", name: "bed", ttlMs: 1_000, owner: "me", isOfNode: true, ...stamp },
      { op: "renew", name: "bed", token: 7 },
      { op: "release", name: "bed", token: 7, ...stamp },
      { op: "openSession" },
      { op: "closeSession", clientSession: "ses_1" },
      { op: "watch", kinds: "flag", prefix: "flag/a", since: "now" },
      { op: "watch", since: 12, isResumed: true },
      { op: "unwatch", watch: 1 },
    ])
      expect([fields.op, isCall(call(fields))]).toEqual([fields.op, true]);
  });

  it("refuses what is malformed, and still knows whom to answer", () => {
    for (const fields of [
      { op: "steal", key: "a" },
      { op: "constructor", key: "a" },
      { op: 1 },
      { op: "put", key: "a" },
      { op: "put", key: "../a", value: 1 },
      { op: "put", key: "a".repeat(121), value: 1 },
      { op: "put", key: "a", value: 1, ifRevision: -1 },
      { op: "put", key: "a", value: 1, session: { id: "ses_1", seq: 0 } },
      { op: "put", key: "a", value: 1, session: { id: "a b", seq: 1 } },
      { op: "get", key: "a", read: "sometimes" },
      { op: "acquire", name: "bed", ttlMs: 999 },
      { op: "acquire", name: "bed", ttlMs: 86_400_001 },
      { op: "renew", name: "bed", token: 1.5 },
      { op: "watch", since: "then" },
      { op: "watch", since: 0, selector: "x".repeat(1_001) },
    ]) {
      expect([fields, isCall(call(fields))]).toEqual([fields, false]);
      expect(callIdOf(call(fields))).toBe(1);
    }
    for (const item of [null, [], "registry", { type: "registry", id: "1", op: "openSession" }]) {
      expect(callIdOf(item)).toBeUndefined();
      expect(isCall(item)).toBe(false);
    }
  });

  it("knows a hello and a reply from anything else", () => {
    const hello = { type: "registryHello", node: "node_1", secret: "s" };
    expect(isRegistryHello(hello)).toBe(true);
    expect(isRegistryHello({ ...hello, token: 7 })).toBe(false);
    expect(isRegistryHello({ ...hello, type: "hello" })).toBe(false);
    expect(isReply({ type: "registryAnswer", id: 1, result: "ok", value: {} })).toBe(true);
    expect(isReply({ type: "registryNews", id: 1, messages: [] })).toBe(true);
    expect(isReply({ type: "registryNews", id: 1 })).toBe(false);
    expect(isReply({ type: "beat", seq: 1, answer: "ok" })).toBe(false);
  });
});
