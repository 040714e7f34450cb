import { describe, expect, it } from "vitest";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { type CacheOwner, makeRunCache } from "./run-cache.ts";

const NODE = {
  id: "fetch",
  type: "http",
  url: "https://example.org",
  method: "GET",
  effect: "pure",
  cache: { ttlMs: 1_000 },
} as unknown as WorkflowNode; // what it would be fetched with does not matter here
const VALUES = { page: 1 };
const OWNER: CacheOwner = { workspace: "ann", role: "maker", generation: 0 };

function scene() {
  let nowMs = 0;
  const cache = makeRunCache(() => nowMs);
  cache.keep(NODE, VALUES, "made", OWNER);
  return { cache, pass: (ms: number) => void (nowMs += ms) };
}

describe("[A51] an output is found by workspace, permission, type, configuration and inputs", () => {
  it("and by all of them alone", () => {
    const renamed = { ...NODE, title: "Fetch it", retry: { attempts: 3 } } as WorkflowNode;
    expect(scene().cache.find(renamed, { ...VALUES }, { ...OWNER })).toBe("made");
  });

  it.each([
    ["workspace", NODE, VALUES, { ...OWNER, workspace: "bob" }],
    ["permission", NODE, VALUES, { ...OWNER, role: "admin" as const }],
    ["lower permission", NODE, VALUES, { ...OWNER, role: "viewer" as const }],
    ["type", { ...NODE, type: "agent" } as WorkflowNode, VALUES, OWNER],
    ["configuration", { ...NODE, url: "https://example.org/2" } as WorkflowNode, VALUES, OWNER],
    ["input", NODE, { page: 2 }, OWNER],
  ])("another %s is another output", (_, node, values, owner) => {
    expect(scene().cache.find(node, values, owner)).toBeUndefined();
  });
});

describe("[A57] it is made anew", () => {
  it("when the node's configuration has changed", () => {
    const changed = { ...NODE, method: "POST" } as WorkflowNode;
    expect(scene().cache.find(changed, VALUES, OWNER)).toBeUndefined();
  });

  it("when the permission of its person has changed", () => {
    const { cache } = scene();
    expect(cache.find(NODE, VALUES, { ...OWNER, role: "viewer" })).toBeUndefined();
    expect(cache.find(NODE, VALUES, OWNER)).toBe("made"); // theirs again, once it is as it was
  });

  it("after a purge by hand, which grows the generation", () => {
    expect(scene().cache.find(NODE, VALUES, { ...OWNER, generation: 1 })).toBeUndefined();
  });
});

it("ends with its time, and RN2: is not kept where it is personal", () => {
  const { cache, pass } = scene();
  pass(999);
  expect(cache.find(NODE, VALUES, OWNER)).toBe("made");
  pass(1);
  expect(cache.find(NODE, VALUES, OWNER)).toBeUndefined();
  cache.keep(NODE, VALUES, { mail: "ann@example.org" }, OWNER);
  expect(cache.find(NODE, VALUES, OWNER)).toBeUndefined();
});
