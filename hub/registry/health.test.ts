import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { NodeRow, NodeState } from "@gantry/shared/contract/rows.ts";
import {
  beatAnswer,
  type HealthPolicy,
  type Hearing,
  isUnfit,
  judge,
  silenceOf,
  type Stall,
} from "./health.ts";

const node = (id: string, state: NodeState, facts: Partial<NodeRow> = {}): NodeRow => ({
  id,
  name: id,
  publicKey: "",
  secretSha256: "",
  bootId: "boot_1",
  state,
  labels: {},
  capabilities: { models: [], commands: [], printers: [] },
  capabilitiesDigest: "d",
  enrolledAtMs: 0,
  changedAtMs: 0,
  registeredAt: 5,
  ...facts,
});

/** One node heard `agoMs` ago by a leader of an hour; `null`: never in this reign. */
const heard = (agoMs: number | null, facts: Partial<Hearing> = {}): Hearing => ({
  heardAtMs: new Map(agoMs === null ? [] : [["a", 3_600_000 - agoMs]]),
  nowMs: 3_600_000,
  timeMs: 0,
  reign: { sinceMs: 0, electionMs: 250 },
  stalls: [],
  ...facts,
});

const states = (row: NodeRow, hearing: Hearing, policy?: HealthPolicy): string[] =>
  judge([row], hearing, policy).map(({ state }) => state);

const unheardAt = (nowMs: number): Hearing => heard(null, { nowMs });
const stall = (toMs: number): Stall => ({ fromMs: toMs - 60, toMs });

describe("health", () => {
  it.each<[NodeState, number | null, string[]]>([
    ["alive", 0, []],
    ["alive", 2_400, []],
    ["alive", 2_500, ["suspect"]],
    ["alive", 4_999, ["suspect"]],
    ["alive", 5_000, ["down"]],
    ["alive", null, ["down"]],
    ["suspect", 1_499, ["alive"]],
    ["suspect", 1_500, []],
    ["suspect", 4_999, []],
    ["suspect", 5_000, ["down"]],
    ["suspect", null, ["down"]],
    ["down", 0, []],
    ["down", null, []],
    ["removed", 0, []],
    ["removed", null, []],
  ])("%s, heard %s ms ago: %j", (state, agoMs, expected) => {
    expect(states(node("a", state), heard(agoMs))).toEqual(expected);
  });

  it("says what was seen, so that the ledger can refuse it", () => {
    expect(judge([node("a", "alive")], heard(5_000))).toEqual([
      {
        type: "nodeStateChanged",
        node: "a",
        bootId: "boot_1",
        registeredAt: 5,
        state: "down",
        why: "silent",
      },
    ]);
  });

  it("[S52] with a beat each 30 s: missed beats make it suspect, then down, then it is heard again", () => {
    const policy = { beatMs: 30_000, leaseMs: 90_000, removedMs: TIMEOUT.nodeRemovedMs };
    let row = node("a", "alive");
    const seen: string[] = [];
    for (let second = 0; second <= 120; second += 1) {
      for (const state of states(row, heard(second * 1_000), policy)) {
        seen.push(`${second} ${state}`);
        row = { ...row, state: state as NodeState };
      }
    }
    expect(seen).toEqual(["75 suspect", "90 down"]);
    expect(states(node("a", "suspect"), heard(1_000), policy)).toEqual(["alive"]);
  });

  it("starts each lease anew with a reign, plus the election time-out (HE2)", () => {
    expect(states(node("a", "alive"), unheardAt(250 + 2_499))).toEqual([]);
    expect(states(node("a", "alive"), unheardAt(250 + 2_500))).toEqual(["suspect"]);
    expect(states(node("a", "alive"), unheardAt(250 + 5_000))).toEqual(["down"]);
  });

  it("accuses nobody of its own stall (HE3)", () => {
    const end = 3_600_000;
    const long = { fromMs: end - 20_000, toMs: end };
    expect(silenceOf("a", heard(20_500, { stalls: [long] }))).toBe(500);
    expect(states(node("a", "alive"), heard(20_500, { stalls: [long] }))).toEqual([]);
    // Two beats could not have come yet since a long stall, whatever the sums say.
    const past = { fromMs: end - 21_900, toMs: end - 1_900 };
    expect(states(node("a", "alive"), heard(60_000, { stalls: [past] }))).toEqual([]);
    const over = { fromMs: end - 22_000, toMs: end - 2_000 };
    expect(states(node("a", "alive"), heard(60_000, { stalls: [over] }))).toEqual(["down"]);
    // Short stalls are subtracted and doubt nothing.
    const short = { fromMs: end - 600, toMs: end - 100 };
    expect(states(node("a", "alive"), heard(2_900, { stalls: [short] }))).toEqual([]);
    expect(states(node("a", "alive"), heard(3_000, { stalls: [short] }))).toEqual(["suspect"]);
  });

  it("advises to hand over after three stalls in ten seconds", () => {
    expect(isUnfit([stall(1_000), stall(5_000), stall(11_000)], 11_000)).toBe(true);
    expect(isUnfit([stall(999), stall(5_000), stall(11_000)], 11_000)).toBe(false);
  });

  it("advises it once in five minutes, so that leadership does not go round among slow hubs", () => {
    const stalls = [stall(309_000), stall(310_000), stall(310_999)];
    expect(isUnfit(stalls, 310_999, 11_000)).toBe(false);
    expect(isUnfit(stalls, 311_000, 11_000)).toBe(true);
  });

  it("holds a node that flaps in suspect until its hold is over", () => {
    const row = node("a", "suspect", { heldUntilMs: 10_000 });
    expect(states(row, heard(0, { timeMs: 9_999 }))).toEqual([]);
    expect(states(row, heard(0, { timeMs: 10_000 }))).toEqual(["alive"]);
  });

  it("removes a node after 72 h, but not in the first hour of a reign (HE4)", () => {
    const late = { timeMs: TIMEOUT.nodeRemovedMs };
    expect(states(node("a", "down"), heard(null, late))).toEqual(["removed"]);
    expect(states(node("a", "down"), heard(null, { timeMs: late.timeMs - 1 }))).toEqual([]);
    expect(states(node("a", "down"), heard(null, { ...late, nowMs: 3_599_999 }))).toEqual([]);
    expect(states(node("a", "down"), heard(100, late))).toEqual([]);
  });

  it("[D15] leases of the dead expire, of 790 nodes exactly those, in one look", () => {
    const rows = Array.from({ length: 790 }, (_, n) => node(`n${n}`, "alive"));
    const heardAtMs = new Map(rows.map(({ id }, n) => [id, n % 10 === 0 ? 3_590_000 : 3_599_500]));
    const changes = judge(rows, heard(0, { heardAtMs }));
    expect(changes).toHaveLength(79);
    expect(changes.every(({ node: id, state }) => id.endsWith("0") && state === "down")).toBe(true);
  });
});

describe("the answer to a heartbeat", () => {
  it.each([
    [undefined, "d", "unknown"],
    [node("a", "alive"), "d", "ok"],
    [node("a", "alive"), "other", "mismatch"],
    [node("a", "suspect"), "d", "ok"],
    [node("a", "down"), "d", "mismatch"],
    [node("a", "removed"), "d", "mismatch"],
  ])("%#: %s", (row, digest, answer) => {
    expect(beatAnswer(row, digest)).toBe(answer);
  });
});
