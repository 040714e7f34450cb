import { describe, expect, it } from "vitest";
import type { Role } from "@gantry/shared/contract/roles.ts";
import { tryCompile } from "../../hub/workflow/compile.ts";
import { start } from "../../hub/workflow/engine.ts";
import type { NodeState } from "../../hub/workflow/engine-types.ts";
import { judgePatch } from "../../hub/workflow/patches/judge.ts";
import type { PatchFault } from "../../hub/workflow/patches/patch-fault.ts";
import { patchPolicy } from "../../hub/workflow/patches/patch-policy.ts";
import type { Author, PatchedRun } from "../../hub/workflow/patches/patch-types.ts";
import { graphUrlFaults } from "../../hub/workflow/patches/security-rule.ts";
import { callFaults } from "../../hub/workflow/patches/spawn-rule.ts";
import { BAD_PATCHES, BAD_WORKFLOWS, COSTLY } from "./bad-cases.ts";

const HOSTS = ["api.example.org"];

/** All that is looked at before a workflow may be started. */
function faultsOf(given: unknown): readonly PatchFault[] {
  const made = tryCompile(given);
  if ("faults" in made) return made.faults;
  return [...callFaults(made.plan.graph), ...graphUrlFaults(made.plan.graph, HOSTS)];
}

const value = (of: unknown): object => ({
  type: "function",
  function: "value",
  with: { value: of },
});
const made = tryCompile({
  nodes: {
    done: value(1),
    going: { type: "task", capability: "embed" },
    open: value(3),
    last: value("${nodes.open.output}"),
    planner: { type: "agent", prompt: "Plan.", patches: "apply" },
  },
  edges: [
    { from: "done", to: "going" },
    { from: "going", to: "open" },
    { from: "open", to: "last" },
  ],
});
if ("faults" in made) throw new Error(JSON.stringify(made.faults));
const { graph } = made.plan;
const STATES: Readonly<Record<string, NodeState>> = {
  done: "done",
  going: "running",
  open: "pending",
  last: "pending",
  planner: "running",
};
const RUN: PatchedRun = {
  base: graph,
  graph,
  patches: [],
  isOver: false,
  stateOf: (id) => (Object.hasOwn(STATES, id) ? STATES[id] : undefined),
};
const POLICY = patchPolicy({
  hosts: HOSTS,
  agentHosts: HOSTS,
  agentCapabilities: ["embed"],
  hazardous: ["print*"],
});

const authorOf = (by: "agent" | Role): Author =>
  by === "agent"
    ? { kind: "agent", place: "planner", role: "maker" }
    : { kind: "person", name: "ada", role: by };

function faultsOfPatch(operations: unknown, by: "agent" | Role): readonly PatchFault[] {
  const draft = { author: authorOf(by), baseRevision: 0, operations, reason: "a test" };
  const verdict = judgePatch(RUN, draft, { id: "p1", atMs: 1, policy: POLICY });
  return verdict.kind === "accepted" ? [] : verdict.faults;
}

const found = (faults: readonly PatchFault[]): readonly string[] =>
  faults.map(({ code, pointer }) => `${code} ${pointer}`);

describe("bad workflows", () => {
  it("there are at least sixty of them, and forty bad patches", () => {
    expect(BAD_WORKFLOWS.length).toBeGreaterThanOrEqual(60);
    expect(BAD_PATCHES.length).toBeGreaterThanOrEqual(40);
    const titles = [...BAD_WORKFLOWS, ...BAD_PATCHES].map(({ title }) => title);
    expect(new Set(BAD_WORKFLOWS.map(({ title }) => title)).size).toBe(BAD_WORKFLOWS.length);
    expect(titles.every((title) => title.length > 3)).toBe(true);
  });

  it.each(BAD_WORKFLOWS)("$title: $code", ({ graph: bad, code, pointer }) => {
    const faults = faultsOf(bad());
    expect(found(faults)).toContain(`${code} ${pointer}`);
    expect(faults.every(({ hint, message }) => hint.length > 10 && message.length > 5)).toBe(true);
  });

  it("the graph that the others vary is a good one", () => {
    expect(faultsOf({ nodes: { a: value(1) }, edges: [] })).toEqual([]);
    expect(
      faultsOf({
        nodes: { a: { type: "http", url: "https://api.example.org/${inputs.x}" } },
        edges: [],
      }),
    ).toEqual([]);
  });
});

describe("expressions that cost too much", () => {
  it.each(COSTLY)("%s: the node fails with cel_too_costly or output_too_large", (_title, text) => {
    const read = tryCompile({ nodes: { a: value(`\${${text}}`) }, edges: [] });
    if ("faults" in read) throw new Error(JSON.stringify(read.faults));
    const { run } = start(read.plan, "run", {}, 1);
    expect(run.state).toBe("failed");
    expect(["cel_too_costly", "output_too_large"]).toContain(run.fault?.code);
    expect(run.fault?.place).toBe("a");
  });
});

describe("inputs that do not fit", () => {
  const inputs = { n: { type: "number" } };
  it.each([
    ["missing_input", {}],
    ["bad_input", { n: "one" }],
    ["unknown_input", { n: 1, m: 2 }],
  ])("%s", (code, given) => {
    const read = tryCompile({ inputs, nodes: { a: value("${inputs.n}") }, edges: [] });
    if ("faults" in read) throw new Error(JSON.stringify(read.faults));
    expect(() => start(read.plan, "run", given, 1)).toThrow(
      expect.objectContaining({ details: { faults: [expect.objectContaining({ code })] } }),
    );
  });
});

describe("bad patches", () => {
  it.each(BAD_PATCHES)("$title: $code", ({ operations, by = "maker", code, pointer }) => {
    const faults = faultsOfPatch(operations(), by);
    expect(found(faults)).toContain(`${code} ${pointer}`);
    expect(faults.every(({ hint, message }) => hint.length > 10 && message.length > 5)).toBe(true);
  });

  it("leave nothing behind on prototypes", () => {
    for (const { operations, by = "maker" } of BAD_PATCHES) faultsOfPatch(operations(), by);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("the run takes a good one", () => {
    expect(faultsOfPatch([{ op: "addNode", id: "x", node: value(1) }], "operator")).toEqual([]);
  });
});
