import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { graph, http, kept, runOf, started, value } from "../testing/flows.ts";
import { type LedgerRig, makeLedgerRig } from "../testing/rig.ts";

const FLOW = graph({ a: http(), b: value(1) }, ["a>b"]);
const rules = { hosts: ["*"], agentHosts: [], agentCapabilities: [], hazardous: [] };
const patched = (facts: object = {}): CommandBody => ({
  type: "runPatched",
  run: "run_1",
  by: { kind: "person", role: "maker" },
  operations: [{ op: "addNode", id: "c", node: value(2) }],
  reason: "make it better",
  rules,
  ...facts,
});
const decided = (ticket: unknown, approve: boolean): CommandBody => ({
  type: "ticketDecided",
  ticket: ticket as string,
  approve,
  reason: "I have read it",
  role: "maker",
});

function begun(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(FLOW));
  rig.act(started());
  return rig;
}

describe("a patch that a model wrote for a person (RP2)", () => {
  it("waits for a word, which may be that person's own", () => {
    const rig = begun();
    const { ticket, revision } = rig.act(patched({ isUnseen: true }));
    expect(revision).toBe(0);
    const row = present(rig.rows.get("ticket", ticket as string), "the ticket");
    expect(row.question).toContain("A model wrote it");
    rig.act(decided(ticket, true));
    expect(runOf(rig).state.revision).toBe(1);
    expect(rig.rows.get("runPatch", "run_1/1")).toMatchObject({ approvedBy: { name: "ada" } });
  });

  it("changes nothing after a no", () => {
    const rig = begun();
    const { ticket } = rig.act(patched({ isUnseen: true }));
    rig.act(decided(ticket, false));
    expect(runOf(rig).state.revision).toBe(0);
    rig.act(patched());
    expect(runOf(rig).state.revision).toBe(1);
  });

  it("is refused at once where nobody's word would help", () => {
    const rig = begun();
    const operations = [{ op: "removeNode", id: "a" }];
    expect(rig.refuse(patched({ isUnseen: true, operations }))).toBe("patch_conflict");
  });
});
