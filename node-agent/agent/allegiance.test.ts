import { expect, test } from "vitest";
import { makeAllegiance } from "./allegiance.ts";
import { hubPlaces } from "./hub-places.ts";
import type { Identity } from "./ports.ts";

const key = (letter: string): string => letter.repeat(40);
const identity: Identity = {
  node: "node_1",
  publicKey: key("p"),
  secretKey: key("s"),
  secret: "secret",
  hubKey: key("a"),
};
const hub = (id: string) => ({ id, address: `tcp://${id}:1`, publicKey: key(id) });
const welcome = (term: number, more: object = {}) =>
  ({ type: "welcome", session: "00", hub: "a", term, cluster: "c1", ...more }) as const;

function keeping(start: Identity = identity) {
  const saved: Identity[] = [];
  const allegiance = makeAllegiance(start, async (next) => void saved.push(next));
  return { allegiance, saved };
}

test("AL1: a term that has passed is stale, the same one is served again, another cluster begins anew", async () => {
  const { allegiance, saved } = keeping();
  const outcomes = [];
  for (const [term, cluster] of [
    [3, "c1"],
    [3, "c1"],
    [2, "c1"],
    [4, "c1"],
    [3, "c1"],
    [1, "c2"],
  ] as const) {
    outcomes.push(await allegiance.welcomed(welcome(term, { cluster })));
  }
  expect(outcomes).toEqual(["served", "served", "stale", "served", "stale", "served"]);
  expect(saved.map(({ reign }) => reign)).toEqual([
    { cluster: "c1", term: 3 },
    { cluster: "c1", term: 4 },
    { cluster: "c2", term: 1 },
  ]);
});

test("AL1: a reign is served only when it is on disk, and what failed is tried again with the next welcome", async () => {
  let isFull = true;
  const saved: Identity[] = [];
  const allegiance = makeAllegiance(identity, async (next) => {
    if (isFull) throw new Error("no room");
    saved.push(next);
  });
  await expect(allegiance.welcomed(welcome(3))).rejects.toThrow("no room");
  await expect(allegiance.welcomed(welcome(3))).rejects.toThrow("no room");
  isFull = false;
  expect(await allegiance.welcomed(welcome(3))).toBe("served");
  expect(saved.at(-1)?.reign).toEqual({ cluster: "c1", term: 3 });
});

test("AL2: an empty list is no list, and a known one is not written again", async () => {
  const { allegiance, saved } = keeping();
  await allegiance.told([hub("a"), hub("b")]);
  await allegiance.told([]);
  await allegiance.told([hub("a"), hub("b")]);
  expect(saved.map(({ hubs }) => hubs)).toEqual([[hub("a"), hub("b")]]);
});

test("AL3: one write at a time; what came meanwhile goes into one more", async () => {
  const order: string[] = [];
  const slow = Promise.withResolvers<void>();
  const allegiance = makeAllegiance(identity, async ({ hubs, reign }) => {
    order.push(`begin ${hubs?.length} ${reign?.term}`);
    await slow.promise;
    order.push("end");
  });
  const first = allegiance.told([hub("a")]);
  await Promise.resolve(); // the first write begins
  const more = [allegiance.welcomed(welcome(5)), allegiance.told([hub("a"), hub("b")])];
  slow.resolve();
  await Promise.all([first, ...more]);
  expect(order).toEqual(["begin 1 undefined", "end", "begin 2 5", "end"]);
});

test("HP2: configured addresses stand in until there is a list, and with every key when nobody of it answers", () => {
  const seeds = ["tcp://x:1", "tcp://a:1"];
  expect(hubPlaces(identity, seeds, false)).toEqual(
    seeds.map((address) => ({ address, publicKey: key("a") })),
  );
  const listed = { ...identity, hubs: [hub("a"), hub("b")] };
  expect(hubPlaces(listed, seeds, false)).toEqual(listed.hubs);
  expect(hubPlaces(listed, seeds, true)).toEqual([
    ...listed.hubs,
    { address: "tcp://x:1", publicKey: key("a") },
    { address: "tcp://x:1", publicKey: key("b") },
    { address: "tcp://a:1", publicKey: key("b") },
  ]);
});
