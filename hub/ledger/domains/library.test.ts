import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { digestOf } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { LibraryPatchRow } from "../library-row.ts";
import { graph, http, kept, runOf, started, value } from "../testing/flows.ts";
import { type LedgerRig, makeLedgerRig } from "../testing/rig.ts";
import { newestOf } from "./library.ts";

const FLOW = graph({ a: http(), b: value(1) }, ["a>b"]);
const addNode = (id: string): object[] => [{ op: "addNode", id, node: value(1) }];
const patched = (operations: readonly unknown[], facts: object = {}): CommandBody => ({
  type: "libraryPatched",
  name: "flow",
  operations,
  reason: "because",
  hosts: ["*"],
  ...facts,
});
const reverted = (patch: number, facts: object = {}): CommandBody => ({
  type: "libraryReverted",
  name: "flow",
  patch,
  reason: "it was wrong",
  hosts: ["*"],
  ...facts,
});
const made = (through: number): CommandBody => ({ type: "libraryMade", name: "flow", through });

function begun(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(FLOW, { tag: "main" }));
  return rig;
}
const workflow = (rig: LedgerRig) => present(rig.rows.get("workflow", "flow"), "flow");
const patchOf = (rig: LedgerRig, number: number): LibraryPatchRow =>
  present(rig.rows.get("libraryPatch", `flow/${number}`), `patch ${number}`);
const newest = (rig: LedgerRig): Graph =>
  present(rig.rows.get("definition", newestOf(workflow(rig))), "a definition").graph;

describe("patches of a workflow", () => {
  it("[A46] are taken at once, wait in the log through a restart, and become a version later", () => {
    const rig = begun();
    const before = newestOf(workflow(rig));
    expect(rig.act(patched(addNode("c")))).toMatchObject({ number: 1 });
    expect(newestOf(workflow(rig))).toBe(before);
    rig.restart();
    expect(patchOf(rig, 1)).toMatchObject({ state: "waiting", by: "ada", reason: "because" });
    rig.at(5_000);
    const { version } = rig.act(made(1));
    expect(newestOf(workflow(rig))).toBe(version);
    expect(Object.keys(newest(rig).nodes)).toEqual(["a", "b", "c"]);
    expect(patchOf(rig, 1)).toMatchObject({
      state: "made",
      version,
      decidedAtMs: expect.any(Number),
    });
    expect(rig.rows.hot("libraryPatch").size + rig.rows.hot("libraryHead").size).toBe(0);
  });

  it("[A48] of one batch are one version by one command: all of them, or after a crash none", () => {
    const rig = begun();
    for (let n = 1; n <= 20; n += 1) rig.act(patched(addNode(`n${n}`)));
    rig.restart(); // the command that makes them was not on disk: nothing of it is
    expect(workflow(rig).versions).toHaveLength(1);
    expect(patchOf(rig, 20).state).toBe("waiting");
    expect(rig.act(made(20))).toMatchObject({ made: 20, refused: [] });
    rig.restart();
    expect(workflow(rig).versions).toHaveLength(2);
    expect(Object.keys(newest(rig).nodes)).toHaveLength(22);
    for (let n = 1; n <= 20; n += 1) expect(patchOf(rig, n).state).toBe("made");
    expect(rig.refuse(made(20))).toBe("conflict");
  });

  it("[A47] of which more than a hundred wait become versions of a hundred each", () => {
    const rig = begun();
    for (let n = 1; n <= 120; n += 1) rig.act(patched(addNode(`n${n}`)));
    expect(rig.refuse(made(120))).toBe("conflict");
    expect(rig.act(made(100))).toMatchObject({ made: 100 });
    expect(Object.keys(newest(rig).nodes)).toHaveLength(102);
    expect(rig.act(made(120))).toMatchObject({ made: 20 });
    expect(Object.keys(newest(rig).nodes)).toHaveLength(122);
    expect(rig.rows.get("libraryTotals", "all")).toMatchObject({
      batches: 2,
      made: 120,
      refused: 0,
    });
  });

  it("leave tags alone unless one is asked for, and then name exactly what its author saw (LB2, LB3)", () => {
    const rig = begun();
    const base = newestOf(workflow(rig));
    rig.act(patched(addNode("c")));
    rig.act(patched(addNode("d"), { tag: "stable" }));
    rig.act(patched(addNode("e")));
    rig.act(made(2));
    rig.act(made(3));
    const { tags, versions } = workflow(rig);
    expect(tags["main"]?.sha256).toBe(base);
    expect(versions).toHaveLength(3);
    const stable = present(rig.rows.get("definition", tags["stable"]?.sha256 ?? ""), "stable");
    expect(Object.keys(stable.graph.nodes)).toEqual(["a", "b", "c", "d"]);
    expect(Object.keys(newest(rig).nodes)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("touch no run that has begun (LB3)", () => {
    const rig = begun();
    rig.act(started());
    const before = runOf(rig).state.graph;
    rig.act(patched(addNode("c"), { tag: "main" }));
    rig.act(made(1));
    expect(runOf(rig).state.graph).toBe(before);
    rig.act(started({ run: "run_2" }));
    expect(runOf(rig, "run_2").definition).toBe(newestOf(workflow(rig)));
  });

  it("are refused at once with a code, a pointer and a hint, and then write nothing", () => {
    const rig = begun();
    const hash = rig.stateHash();
    const cases: readonly [CommandBody, string][] = [
      [patched([{ op: "removeNode", id: "nobody" }]), "patch_conflict"],
      [patched([{ op: "addEdge", edge: { from: "b", to: "a" } }]), "workflow_invalid"],
      [patched([]), "bad_patch"],
      [patched(addNode("c"), { name: "nothing" }), "not_found"],
      [patched(addNode("c"), { ifRevision: 999 }), "revision_mismatch"],
      [reverted(1), "patch_conflict"],
    ];
    for (const [body, code] of cases) expect(rig.refuse(body)).toBe(code);
    expect(rig.stateHash()).toBe(hash);
  });

  it("with a revision fit only what their author saw, waiting patches included", () => {
    const rig = begun();
    const seen = present(workflow(rig).revision, "a revision");
    const { revision } = rig.act(patched(addNode("c"), { ifRevision: seen }));
    expect(rig.refuse(patched(addNode("d"), { ifRevision: seen }))).toBe("revision_mismatch");
    rig.act(patched(addNode("d"), { ifRevision: revision as number }));
    rig.act(made(2));
    const { revision: last } = workflow(rig);
    rig.act(patched(addNode("e"), { ifRevision: present(last, "a revision") }));
  });

  it("are judged anew where somebody kept another version meanwhile, and say so (LB4)", () => {
    const rig = begun();
    rig.act(patched([{ op: "setNode", id: "a", at: "/title", value: "call" }]));
    rig.act(patched([{ op: "setNode", id: "b", at: "/title", value: "sum" }]));
    const other = graph({ a: http(), z: value(2) }, ["a>z"]);
    rig.act(kept(other));
    expect(rig.refuse(patched(addNode("c")))).toBe("busy");
    expect(rig.act(made(2))).toMatchObject({ made: 1, refused: [2] });
    expect(newest(rig).nodes["a"]).toMatchObject({ title: "call" });
    expect(Object.keys(newest(rig).nodes)).toEqual(["a", "z"]);
    expect(patchOf(rig, 2)).toMatchObject({
      state: "refused",
      faults: [{ code: "no_node", pointer: "/operations/0" }],
    });
    rig.act(patched(addNode("c")));
  });

  it("go no further than their bound", () => {
    const rig = begun();
    for (let n = 1; n <= LIMIT.libraryPatches.max; n += 1)
      rig.act(patched([{ op: "setNode", id: "b", at: "/title", value: `title ${n}` }]));
    expect(rig.refuse(patched(addNode("c")))).toBe("busy");
  });
});

describe("a patch of a workflow is taken back", () => {
  it("to the very graph that was before, hash and all, while it is the last", () => {
    const rig = begun();
    const before = digestOf(newest(rig));
    rig.act(patched([{ op: "removeNode", id: "b" }]));
    rig.act(made(1));
    rig.act(reverted(1));
    rig.act(made(2));
    expect(newestOf(workflow(rig))).toBe(before);
    expect(workflow(rig).versions).toHaveLength(2);
    expect(patchOf(rig, 1).revertedBy).toBe(2);
    expect(rig.refuse(reverted(1))).toBe("patch_conflict");
    rig.act(reverted(2));
  });

  it("from under later ones that touch other things; else it is refused", () => {
    const rig = begun();
    rig.act(patched(addNode("c")));
    rig.act(patched(addNode("d")));
    rig.act(patched([{ op: "setNode", id: "d", at: "/title", value: "mine" }]));
    expect(rig.refuse(reverted(2))).toBe("patch_conflict");
    rig.act(reverted(1));
    rig.act(made(4));
    expect(Object.keys(newest(rig).nodes)).toEqual(["a", "b", "d"]);
  });

  it("that does not fit after all is as if nobody had tried", () => {
    const rig = begun();
    rig.act(patched(addNode("c")));
    rig.act(made(1));
    rig.act(reverted(1));
    rig.act(kept(graph({ c: value(9) })));
    expect(rig.act(made(2))).toMatchObject({ made: 0, refused: [2] });
    expect(patchOf(rig, 1).revertedBy).toBeUndefined();
  });
});
