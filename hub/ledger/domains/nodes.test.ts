import { describe, expect, it } from "vitest";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandOf, CommandBody } from "@gantry/shared/contract/commands.ts";
import {
  addNode,
  awaitPrint,
  leasePrint,
  type LedgerRig,
  makeLedgerRig,
  print,
  printer,
  register,
  START_MS,
} from "../testing/rig.ts";

type Enrol = Omit<CommandOf<"nodeEnrolled">, "atMs" | "actor" | "requestId">;
const enrol = (facts: Partial<Enrol> = {}): Enrol => ({
  type: "nodeEnrolled",
  code: "join_1",
  codeSecretSha256: "right",
  node: "node_1",
  name: "gpu",
  publicKey: "key",
  secretSha256: "secret",
  ...facts,
});

function withCode(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({
    type: "joinCodeMade",
    code: "join_1",
    name: "gpu",
    secretSha256: "right",
    expiresAtMs: START_MS + LIFE.joinCodeMs,
  });
  return rig;
}

const state = (facts: Partial<CommandOf<"nodeStateChanged">> = {}): CommandBody => ({
  type: "nodeStateChanged",
  node: "node_1",
  bootId: "boot_1",
  state: "down",
  ...facts,
});

describe("join codes", () => {
  it("let one node in, once (N1)", () => {
    const rig = withCode();
    expect(rig.act(enrol())).toEqual({ node: "node_1" });
    expect(rig.refuse(enrol({ node: "node_2", publicKey: "other" }))).toBe("join_code_used");
    expect(rig.rows.get("node", "node_2")).toBeUndefined();
  });

  it("answer a node that lost the answer with the id it has", () => {
    const rig = withCode();
    rig.act(enrol());
    expect(rig.act(enrol({ node: "node_2" }))).toEqual({ node: "node_1" });
    expect(rig.rows.hot("node").size).toBe(1);
    expect(rig.refuse(enrol({ secretSha256: "other" }))).toBe("join_code_used");
  });

  it("burn at the fifth wrong secret, and say so in the audit each time", () => {
    const rig = withCode();
    for (let turn = 0; turn < 5; turn += 1) {
      expect(rig.act(enrol({ codeSecretSha256: "wrong" }))).toEqual({
        denied: "join_code_invalid",
      });
    }
    expect(rig.refuse(enrol())).toBe("join_code_invalid");
    expect(rig.audit().filter(({ action }) => action === "joinCode.wrong")).toHaveLength(5);
  });

  it("still work after the fourth wrong secret", () => {
    const rig = withCode();
    for (let turn = 0; turn < 4; turn += 1) rig.act(enrol({ codeSecretSha256: "wrong" }));
    expect(rig.act(enrol())).toEqual({ node: "node_1" });
  });

  it("expire by the time inside the command", () => {
    const rig = withCode();
    rig.at(LIFE.joinCodeMs - 1);
    expect(rig.act(enrol({ codeSecretSha256: "wrong" }))).toHaveProperty("denied");
    rig.at(LIFE.joinCodeMs);
    expect(rig.refuse(enrol())).toBe("gone");
  });

  it("never replace a node that is known", () => {
    const rig = withCode();
    addNode(rig);
    expect(rig.refuse(enrol())).toBe("conflict");
    expect(rig.rows.get("node", "node_1")?.publicKey).toBe("key of node_1");
  });
});

describe("nodes", () => {
  it("are judged by their present start only", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    register(rig, "node_1", [printer()], "boot_2");
    expect(rig.refuse(state())).toBe("superseded");
    rig.act(state({ bootId: "boot_2" }));
    expect(rig.rows.get("node", "node_1")?.state).toBe("down");
    expect(rig.rows.get("device", "sim")?.isOnline).toBe(false);
  });

  it("never come back once they are removed (N3)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    rig.act(state({ state: "removed", bootId: "any" }));
    expect(rig.refuse(state({ state: "alive" }))).toBe("forbidden");
    expect(rig.refuse({ type: "printersChanged", node: "node_1", printers: [printer()] })).toBe(
      "forbidden",
    );
    expect(
      rig.refuse({
        type: "nodeRegistered",
        node: "node_1",
        bootId: "boot_2",
        labels: {},
        capabilities: { models: [], commands: [], printers: [] },
        capabilitiesDigest: "",
      }),
    ).toBe("forbidden");
  });

  it("leave what they held `unknown`, for a person to look at, when they are removed", () => {
    const rig = makeLedgerRig();
    awaitPrint(rig, { job: "prt_2" });
    rig.act(print());
    leasePrint(rig);
    rig.act(state({ state: "removed" }));
    expect(rig.rows.get("print", "prt_1")?.state).toBe("unknown");
    expect(rig.rows.get("print", "prt_2")?.state).toBe("awaiting");
  });

  it("change other rows in the order of their ids, whatever the order in memory", () => {
    const rig = makeLedgerRig();
    addNode(rig, { printers: [printer({ id: "b" }), printer({ id: "a" })] });
    const before = rig.events.length;
    rig.act(state());
    const changed = rig.events.slice(before).filter(({ type }) => type === "device.changed");
    expect(changed.map(({ subject }) => subject)).toEqual(["a", "b"]);
  });
});

describe("printers", () => {
  it("belong to the node that named them first, until it is removed (N2)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    addNode(rig, { node: "node_2" });
    expect(rig.rows.get("device", "sim")?.node).toBe("node_1");
    rig.act(state({ state: "removed" }));
    register(rig, "node_2");
    expect(rig.rows.get("device", "sim")).toMatchObject({ node: "node_2", isOnline: true });
  });

  it("keep bed and token through a registration, and nothing that changes all the time (N4)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    rig.act(print());
    const token = leasePrint(rig);
    const temperatures = { nozzleC: 20, nozzleTargetC: 0, bedC: 20, bedTargetC: 0 };
    register(rig, "node_1", [printer({ temperatures, progress: 0.5 })], "boot_2");
    const device = rig.rows.get("device", "sim");
    expect(device).toMatchObject({ token, bed: "clear" });
    expect(device?.printer).not.toHaveProperty("temperatures");
    expect(device?.printer).not.toHaveProperty("progress");
  });

  it("are offline when a whole list leaves them out, and write nothing when nothing changed", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    const writes = rig.rows.writes;
    rig.act({ type: "printersChanged", node: "node_1", printers: [printer()] });
    expect(rig.rows.writes).toBe(writes);
    register(rig, "node_1", []);
    expect(rig.rows.get("device", "sim")?.isOnline).toBe(false);
  });
});
