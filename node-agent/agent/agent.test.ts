// Sessions of a whole node with one hub.

import { expect, test, vi } from "vitest";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import { makeIdentity } from "../adapters/identity.ts";
import { holdAnswer } from "./held-answer.test.support.ts";
import {
  ask,
  fakeHands,
  identityFor,
  openAll,
  openCable,
  openHub,
  serving,
  startNode,
  temporaryFolder,
  WAIT,
} from "./node.test.support.ts";
import type { Identity } from "./ports.ts";

// ── sessions ────────────────────────────────────────────────────────────────────────────────────

test("[A44] a node with a join code enrols, keeps who it is, says hello and beats", async () => {
  const hub = await openHub();
  const saved: Identity[] = [];
  const identity = makeIdentity(hub.link.publicKey);
  const folder = await temporaryFolder();
  const node = await startNode(hub, { folder, identity, joinSecret: "sesame", saved });
  await serving(node);
  expect(hub.saidOf("enrol")).toMatchObject([
    { code: "sesame", name: "bench", publicKey: identity.publicKey, secret: identity.secret },
  ]);
  expect(saved[0]).toEqual({ ...identity, node: "node_1" });
  expect(hub.hellos).toMatchObject([
    { node: "node_1", labels: { name: "bench", room: "workshop" } },
  ]);
  await node.stop();
  await vi.waitFor(() => expect(hub.told).toEqual(["joined node_1", "left bye"]), WAIT);
});

test.for(["forbidden", "superseded", "join_code_used"] as const)(
  "AG4: a denial with %s ends the agent with that code",
  async (code) => {
    const hub = await openHub({
      hello: async () => ({ type: "denied", error: { code, message: "no" } }),
    });
    const folder = await temporaryFolder();
    const node = await startNode(hub, { folder, identity: identityFor(hub) });
    await expect(node.ended).rejects.toMatchObject({ code });
    expect(node.agent.state.kind).toBe("ended");
  },
);

test("a denial that may pass is asked again", async () => {
  let denials = 0;
  const hub = await openHub({
    hello: async () => {
      denials += 1;
      if (denials > 2) return undefined;
      return { type: "denied", error: { code: "starting", message: "soon" } };
    },
  });
  const node = await startNode(hub, {
    folder: await temporaryFolder(),
    identity: identityFor(hub),
  });
  await serving(node);
  expect(denials).toBe(3);
});

test("AG3: a hub that forgot this node hears its whole registration within one beat", async () => {
  const { hub } = await openAll();
  hub.link.drop("node_1");
  const fromMs = performance.now();
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  expect(performance.now() - fromMs).toBeLessThan(1_500);
  expect(hub.hellos[1]?.capabilities.printers).toMatchObject([{ id: "ender" }]);
});

test("a mismatch is answered with capabilities, and a new model is told at once", async () => {
  const models = [{ name: "tiny", contextTokens: 512, slots: 1, sizeBytes: 1 }];
  const { hub, node } = await openAll(fakeHands({ models: () => models }));
  hub.said.length = 0;
  models.push({ name: "large", contextTokens: 512, slots: 1, sizeBytes: 2 });
  node.agent.capabilitiesChanged();
  await vi.waitFor(
    () => expect(hub.saidOf("capabilities").at(-1)?.capabilities.models).toEqual(models),
    WAIT,
  );
});

test("the heartbeat's digest is the one that the hub computes", async () => {
  const digests: string[] = [];
  const hub = await openHub({
    beat: (_node, digest) => {
      digests.push(digest);
      return "ok";
    },
  });
  await startNode(hub, { folder: await temporaryFolder(), identity: identityFor(hub) });
  await vi.waitFor(() => expect(digests.length).toBeGreaterThan(0), WAIT);
  const capabilities = hub.hellos[0]?.capabilities;
  if (capabilities === undefined) throw new Error("no hello");
  expect(digests[0]).toBe(capabilitiesDigest(capabilities));
});

test("[D6] AG1: a cable that is cut in the middle of an answer costs no word of it", async () => {
  const held = holdAnswer();
  const hub = await openHub();
  const cable = await openCable(hub);
  const node = await startNode(hub, {
    folder: await temporaryFolder(),
    identity: identityFor(hub),
    hands: held.hands,
    address: cable.address,
  });
  await serving(node);
  hub.tell(ask("r1"));
  await vi.waitFor(() => expect(hub.saidOf("chunk")).toHaveLength(1), WAIT);
  cable.cut();
  await vi.waitFor(() => expect(node.agent.state.kind).toBe("seeking"), WAIT);
  held.say("during ");
  cable.mend();
  const fromMs = performance.now();
  await serving(node);
  expect(performance.now() - fromMs).toBeLessThan(2_000);
  held.say("after");
  held.end();
  await vi.waitFor(() => expect(hub.saidOf("generated")).toHaveLength(1), WAIT);
  const text = hub.saidOf("chunk").map((chunk) => chunk.text);
  expect(text.join("")).toBe("before during after");
  expect(hub.told).toEqual(["joined node_1", "joined node_1"]); // the same boot: nobody left
});
