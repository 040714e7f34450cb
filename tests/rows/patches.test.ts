// Rows about patches that are pure functions.

import { between, type Random, seededRandom } from "@gantry/shared/base/prng.ts";
import { expect, it } from "vitest";
import type { Json } from "../../hub/workflow/json-value.ts";
import { applyNodePatch } from "../../hub/workflow/node-patch.ts";

const IDS = ["a", "b", "c", "d"];
const task = { type: "task", capability: "any" };
const START: Json = {
  nodes: { a: task, b: task },
  edges: [{ from: "a", to: "b" }],
};

function randomOperation(random: Random): unknown {
  const pick = (): string => IDS[between(random, 0, IDS.length - 1)] ?? "a";
  const draw = random();
  if (draw < 0.3) return { op: "addNode", id: pick(), node: task };
  if (draw < 0.45) return { op: "removeNode", id: pick() };
  if (draw < 0.65) return { op: "setNode", id: pick(), at: "/title", value: `t${pick()}` };
  const edge = { from: pick(), to: pick() };
  return { op: draw < 0.85 ? "addEdge" : "removeEdge", edge };
}

/** Undefined where one of them cannot be applied. */
function applied(graph: Json, operations: readonly unknown[]): Json | undefined {
  try {
    return applyNodePatch(graph, operations).result;
  } catch {
    return undefined;
  }
}

it("[A9] applied all at once they give the graph that they give one by one", () => {
  let made = 0;
  let refused = 0;
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = seededRandom(seed);
    const count = between(random, 1, 4);
    const operations = Array.from({ length: count }, () => randomOperation(random));
    let oneByOne: Json | undefined = START;
    for (const operation of operations) {
      if (oneByOne !== undefined) oneByOne = applied(oneByOne, [operation]);
    }
    expect(applied(START, operations)).toEqual(oneByOne);
    if (oneByOne === undefined) refused += 1;
    else made += 1;
  }
  expect(made).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(200);
});

it("[A9] make the graph that is written here", () => {
  const operations = [
    { op: "addNode", id: "c", node: task },
    { op: "addEdge", edge: { from: "b", to: "c" } },
    { op: "setNode", id: "b", at: "/title", value: "second" },
    { op: "removeEdge", edge: { from: "a", to: "b" } },
    { op: "removeNode", id: "a" },
  ];
  expect(applyNodePatch(START, operations).result).toEqual({
    nodes: { b: { ...task, title: "second" }, c: task },
    edges: [{ from: "b", to: "c" }],
  });
});
