import { describe, expect, it } from "vitest";
import { BREAKER } from "@gantry/shared/base/policy.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import type { AgentLink } from "../ports.ts";
import { makeCalls } from "./calls.ts";

const NEVER = new AbortController().signal;
const embed = (id: string) => ({ type: "embed" as const, id, texts: [] });

/** Calls over a link on which `absent` have no session; every other node answers at once. */
function rig() {
  let nowMs = 0;
  const clock = { ...systemClock, monotonic: () => nowMs };
  const targets = makeTargets(clock);
  const absent = new Set<string>();
  const silent = new Set<string>();
  const sent: string[] = [];
  const send: AgentLink["send"] = (node, [message]) => {
    if (absent.has(node)) return "absent";
    sent.push(node);
    const id = message !== undefined && "id" in message ? message.id : "";
    if (!silent.has(node)) queueMicrotask(() => calls.answer(node, id, "done"));
    return "sent";
  };
  const link: AgentLink = {
    publicKey: "",
    send,
    drop() {},
    dropAll() {},
    announce() {},
    tellHubs() {},
    heard: () => new Map(),
    close: () => Promise.resolve(),
  };
  const calls = makeCalls(() => link, clock, targets);
  let made = 0;
  const call = (node: string, options = {}) => {
    made += 1;
    return calls.call(node, embed(`c${made}`), { timeoutMs: 1_000, signal: NEVER, ...options });
  };
  return { absent, silent, sent, targets, call, calls, pass: (ms: number) => void (nowMs += ms) };
}

describe("[D10] calls to nodes", () => {
  it("leave a node alone that is unplugged, call the others, and call it again in its next session (C3)", async () => {
    const { absent, call, sent, targets } = rig();
    absent.add("n1");
    for (let failures = 0; failures < BREAKER.failuresToOpen; failures += 1) {
      await expect(call("n1")).rejects.toMatchObject({ code: "unreachable" });
      await expect(call("n2")).resolves.toBe("done");
    }
    absent.delete("n1");
    await expect(call("n1")).rejects.toMatchObject({ code: "breaker_open" });
    expect(sent).not.toContain("n1");
    await expect(call("n2")).resolves.toBe("done");
    targets.returned("n1"); // as hands/inbox.ts says it
    await expect(call("n1")).resolves.toBe("done");
  });

  it("[S38] hold up no other node while one hangs, and leave the one that hangs alone", async () => {
    const { silent, call, calls, targets } = rig();
    silent.add("n1");
    let hung = 0;
    const open = Array.from({ length: BREAKER.failuresToOpen }, () =>
      call("n1").finally(() => void (hung += 1)),
    );
    const others = Array.from({ length: 200 }, () => call("n2"));
    expect(new Set(await Promise.all(others))).toEqual(new Set(["done"]));
    expect(hung).toBe(0); // all of the others are done while every call to it is open
    calls.left("n1");
    await Promise.allSettled(open);
    expect(targets.isLeftAlone("n1")).toBe(true);
    await expect(call("n1")).rejects.toMatchObject({ code: "breaker_open" });
    await expect(call("n2")).resolves.toBe("done");
  });

  it("leave one alone that went away in the middle of several calls, and one that lets their time pass", async () => {
    const { silent, call, calls, targets } = rig();
    silent.add("n1").add("n2");
    const open = Array.from({ length: BREAKER.failuresToOpen }, () => call("n1"));
    calls.left("n1");
    for (const ended of await Promise.allSettled(open)) {
      expect(ended).toMatchObject({ reason: { code: "unreachable" } });
    }
    expect(targets.isLeftAlone("n1")).toBe(true);
    const late = Array.from({ length: BREAKER.failuresToOpen }, () => call("n2", { timeoutMs: 1 }));
    await Promise.allSettled(late);
    expect(targets.isLeftAlone("n2")).toBe(true);
  });

  it("do not count a caller that gives up", async () => {
    const { silent, call, targets } = rig();
    silent.add("n1");
    for (let time = 0; time < 2 * BREAKER.failuresToOpen; time += 1) {
      const asked = new AbortController();
      const ended = call("n1", { signal: asked.signal });
      asked.abort();
      await expect(ended).rejects.toThrow("cancelled");
    }
    expect(targets.isLeftAlone("n1")).toBe(false);
  });

  it("are probed one by one after its rest, but an emergency stop is sent at any time", async () => {
    const { absent, call, sent, pass, targets } = rig();
    absent.add("n1");
    for (let failures = 0; failures < BREAKER.failuresToOpen; failures += 1) {
      await call("n1").catch(() => {});
    }
    absent.delete("n1");
    await expect(call("n1", { isUrgent: true })).resolves.toBe("done");
    expect(sent).toEqual(["n1"]);
    expect(targets.isLeftAlone("n1")).toBe(true);
    pass(BREAKER.openMs);
    for (let probe = 0; probe < BREAKER.successesToClose; probe += 1) {
      await expect(call("n1")).resolves.toBe("done");
    }
    expect(await Promise.all([call("n1"), call("n1"), call("n1")])).toHaveLength(3);
  });
});
