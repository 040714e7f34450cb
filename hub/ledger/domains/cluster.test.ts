import { describe, expect, it } from "vitest";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { ledgerTimeMs } from "../context.ts";
import {
  addNode,
  awaitPrint,
  command,
  type LedgerRig,
  makeLedgerRig,
  register,
  START_MS,
} from "../testing/rig.ts";

const reign = (term: number, hub = "hub_1"): CommandBody => ({ type: "reignBegan", hub, term });
type StateChange = Extract<CommandBody, { type: "nodeStateChanged" }>;
const judged = (state: StateChange["state"], facts: Partial<StateChange> = {}): StateChange => ({
  type: "nodeStateChanged",
  node: "node_1",
  bootId: "boot_1",
  state,
  why: "silent",
  ...facts,
});
const stateOf = (rig: LedgerRig): string | undefined => rig.rows.get("node", "node_1")?.state;

describe("the ledger's time", () => {
  it("is the greatest time of all commands, refused ones too, and survives a restart (L5)", () => {
    const rig = makeLedgerRig();
    rig.apply(command({ type: "flagDeleted", key: "no" }, { atMs: START_MS + 9 }));
    rig.apply(command({ type: "flagSet", key: "a", value: 1 }, { atMs: START_MS }));
    expect(ledgerTimeMs(rig.rows)).toBe(START_MS + 9);
    rig.restart();
    expect(ledgerTimeMs(rig.rows)).toBe(START_MS + 9);
  });

  it("lets a hub whose clock is behind revive neither a confirmation nor a join code", () => {
    const rig = makeLedgerRig();
    awaitPrint(rig);
    const code: CommandBody = {
      type: "joinCodeMade",
      code: "join_2",
      name: "n",
      secretSha256: "s",
      expiresAtMs: START_MS + LIFE.joinCodeMs,
    };
    rig.act(code);
    rig.apply(command({ type: "flagDeleted", key: "no" }, { atMs: START_MS + LIFE.joinCodeMs }));
    const word: CommandBody = {
      type: "confirmationConsumed",
      confirmation: "cfm_1",
      phrase: "confirm print bracket",
      role: "maker",
    };
    expect(rig.refuse(word)).toBe("confirmation_expired");
    const enrol: CommandBody = {
      type: "nodeEnrolled",
      code: "join_2",
      codeSecretSha256: "s",
      node: "node_9",
      name: "n",
      publicKey: "k",
      secretSha256: "s",
    };
    expect(rig.refuse(enrol)).toBe("gone");
  });

  it("keeps an Idempotency-Key for its time, counted by the ledger", () => {
    const rig = makeLedgerRig();
    const replay = { key: "k", requestSha256: "r" };
    const set: CommandBody = { type: "flagSet", key: "a", value: 1 };
    const first = rig.act(set, { replay });
    expect(rig.act(set, { replay })).toEqual(first);
    rig.apply(
      command({ type: "flagDeleted", key: "x" }, { atMs: START_MS + LIFE.idempotencyMs + 1 }),
    );
    expect(rig.act(set, { replay })).not.toEqual(first);
  });
});

describe("reigns", () => {
  it("only grow (G1), and may be said again", () => {
    const rig = makeLedgerRig();
    rig.act(reign(2));
    rig.act(reign(2));
    expect(rig.refuse(reign(2, "hub_2"))).toBe("stale_term");
    expect(rig.refuse(reign(1))).toBe("stale_term");
    rig.act(reign(3, "hub_2"));
    expect(rig.events.filter(({ type }) => type === "hub.reign")).toHaveLength(2);
  });

  it("a stuck ex-leader that wakes up revokes nothing (G2, etcd #15247)", () => {
    const rig = makeLedgerRig();
    rig.act(reign(1, "hub_1"));
    addNode(rig);
    const lock = rig.act({ type: "lockAcquired", name: "l", owner: "o", ttlMs: 5_000 });
    const revision = rig.rows.get("lock", "l")?.revision ?? 0;
    rig.act(reign(2, "hub_2"));
    rig.at(60_000);
    expect(rig.refuse(judged("down", { term: 1 }))).toBe("stale_term");
    const token = lock["token"] as number;
    const expired = { type: "lockExpired" as const, name: "l", token, revision };
    expect(rig.refuse({ ...expired, term: 1 })).toBe("stale_term");
    expect(
      rig.refuse({
        type: "locksCheckpointed",
        term: 1,
        locks: [{ name: "l", token, remainingMs: 0 }],
      }),
    ).toBe("stale_term");
    expect(stateOf(rig)).toBe("alive");
    expect(rig.rows.get("lock", "l")?.token).toBe(token);
  });
});

describe("a judgement of a node", () => {
  it("is refused if the node has registered again since, with the same boot or another (N5)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    const registeredAt = rig.rows.get("node", "node_1")?.registeredAt ?? -1;
    register(rig);
    expect(rig.refuse(judged("down", { registeredAt }))).toBe("superseded");
    const now = rig.rows.get("node", "node_1")?.registeredAt ?? -1;
    rig.act(judged("suspect", { registeredAt: now, beatSeq: 7 }));
    register(rig, "node_1", [], "boot_2");
    expect(rig.refuse(judged("down"))).toBe("superseded");
    expect(stateOf(rig)).toBe("alive");
  });

  it("leaves the printers of a suspect node online, and takes those of a lost one off", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    rig.act(judged("suspect"));
    expect(rig.rows.get("device", "sim")?.isOnline).toBe(true);
    rig.act(judged("down"));
    expect(rig.rows.get("device", "sim")?.isOnline).toBe(false);
  });
});

/** Alive, suspect, down, registered again. */
function flap(rig: LedgerRig, atMs: number): void {
  rig.at(atMs);
  rig.act(judged("suspect"));
  rig.act(judged("down"));
  register(rig);
}

describe("a node that flaps", () => {
  it("is held in suspect after the third loss within five minutes, each time longer (F2)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    flap(rig, 10_000);
    flap(rig, 20_000);
    expect(stateOf(rig)).toBe("alive");
    flap(rig, 30_000);
    expect(stateOf(rig)).toBe("suspect");
    expect(rig.refuse(judged("alive", { why: "heard" }))).toBe("conflict");
    rig.at(30_000 + TIMEOUT.nodeHoldFirstMs);
    rig.act(judged("alive", { why: "heard" }));
    flap(rig, 70_000);
    expect(rig.rows.get("node", "node_1")?.heldUntilMs).toBe(
      START_MS + 70_000 + 2 * TIMEOUT.nodeHoldFirstMs,
    );
  });

  it("is not held for losses far apart (F3), nor for goodbyes (F1)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    for (let n = 1; n < 6; n += 1) flap(rig, n * TIMEOUT.nodeFlapWindowMs);
    for (let n = 0; n < 5; n += 1) {
      rig.act(judged("down", { why: "bye" }));
      register(rig);
    }
    expect(stateOf(rig)).toBe("alive");
  });
});

describe("hubs", () => {
  const facts = {
    peerAddress: "tcp://10.0.0.1:7101",
    peerKey: "p",
    agentAddress: "tcp://10.0.0.1:7100",
    agentKey: "a",
    httpAddress: "http://10.0.0.1:7080",
    version: "0.2.0",
    bootId: "boot_1",
  };

  it("are kept with their addresses; the same facts again write nothing", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "hubJoined", hub: "hub_1", ...facts });
    const { writes } = rig.rows;
    rig.act({ type: "hubJoined", hub: "hub_1", ...facts });
    expect(rig.rows.writes).toBe(writes);
    rig.at(5);
    rig.act({ type: "hubChanged", hub: "hub_1", version: "0.3.0" });
    expect(rig.rows.get("hub", "hub_1")).toEqual({
      id: "hub_1",
      ...facts,
      version: "0.3.0",
      joinedAtMs: START_MS,
      changedAtMs: START_MS + 5,
    });
    rig.act({ type: "hubLeft", hub: "hub_1" });
    expect(rig.refuse({ type: "hubChanged", hub: "hub_1" })).toBe("not_found");
  });
});
