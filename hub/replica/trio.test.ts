// Three replicas: what is acknowledged survives power cuts, and who was away catches up.

import { describe, expect, it } from "vitest";
import { NEVER } from "../../tests/support/hub-parts.ts";
import { codeOf, fill, hashOf, set } from "./testing/rig.ts";
import { startTrio, type Trio } from "./testing/trio.ts";

async function untilEqual(trio: Trio): Promise<void> {
  const leader = await trio.leader();
  await leader.barrier(NEVER);
  const { commitIndex } = leader.status();
  await expect
    .poll(() => trio.members.map(({ replica }) => replica?.status().appliedIndex), {
      timeout: 10_000,
    })
    .toEqual(trio.members.map(() => expect.toSatisfy((index: number) => index >= commitIndex)));
  const hashes = new Set<string>();
  for (const { replica, disks } of trio.members) {
    await replica?.checkpoint();
    hashes.add(await hashOf(disks.ledger));
  }
  expect(hashes.size).toBe(1);
}

describe("three replicas", () => {
  it("[C36][K62] keep what was acknowledged when each in turn loses its power", async () => {
    await using trio = await startTrio();
    for (let round = 0; round < 6; round += 1) {
      const leader = await trio.leader();
      await fill(leader, 20, round * 100);
      const victim = trio.members[round % 3];
      if (victim === undefined) throw new Error("three members");
      await trio.cutPower(victim.id);
      const next = await trio.leader();
      await fill(next, 20, round * 100 + 50);
      await trio.start(victim.id);
    }
    await untilEqual(trio);
    const leader = await trio.leader();
    expect(leader.ledger.rows.hot("flag").size).toBe(6 * 40);
  });

  it("[C36] bring in by a snapshot who was away while the log was trimmed", async () => {
    await using trio = await startTrio({ logEntries: 10, keptEntries: 5 });
    const away = trio.members.find(({ replica }) => replica?.status().role !== "leader");
    if (away === undefined) throw new Error("a follower");
    await trio.cutPower(away.id);
    const leader = await trio.leader();
    for (let turn = 0; turn < 60; turn += 1) {
      await leader.propose(set(turn), NEVER);
      if (turn % 15 === 14) await leader.maintain();
    }
    const back = await trio.start(away.id);
    await expect
      .poll(() => back.ledger.rows.get("flag", "flag-59")?.value, { timeout: 10_000 })
      .toBe(59);
    await untilEqual(trio);
    await fill(await trio.leader(), 5, 1_000);
    await untilEqual(trio);
  });

  it("[C36] say no_leader at once to who asks a hub that does not lead, and read there by asking the leader", async () => {
    await using trio = await startTrio();
    const leader = await trio.leader();
    await leader.propose(set(1), NEVER);
    const follower = trio.members.find(({ replica }) => replica !== leader)?.replica;
    if (follower === undefined) throw new Error("a follower");
    expect(await codeOf(follower.propose(set(2), NEVER))).toBe("no_leader");
    await leader.propose(set(3), NEVER);
    await follower.barrier(NEVER);
    expect(follower.ledger.rows.get("flag", "flag-3")?.value).toBe(3);
  });

  it("[C36] hand over, and take proposals at the new leader", async () => {
    await using trio = await startTrio();
    const leader = await trio.leader();
    await fill(leader, 10);
    await leader.transfer(undefined, AbortSignal.timeout(5_000));
    const next = await trio.leader();
    expect(next).not.toBe(leader);
    await fill(next, 10, 50);
    await untilEqual(trio);
  });

  it("[C36] a leader that is cut off answers nobody, and what it took alone is not a fact", async () => {
    await using trio = await startTrio();
    const leader = await trio.leader();
    const id = trio.members.find(({ replica }) => replica === leader)?.id ?? "";
    const others = trio.members.filter((member) => member.id !== id);
    for (const other of others) trio.cut(id, other.id);
    const lost = codeOf(leader.propose(set(7), AbortSignal.timeout(5_000)));
    await expect
      .poll(() => others.some(({ replica }) => replica?.status().role === "leader"), {
        timeout: 5_000,
      })
      .toBe(true);
    const next = others.find(({ replica }) => replica?.status().role === "leader")?.replica;
    await next?.propose(set(8), NEVER);
    for (const other of others) trio.cut(id, other.id, false);
    expect(await lost).toBe("no_leader");
    await untilEqual(trio);
    expect(leader.ledger.rows.get("flag", "flag-7")).toBeUndefined();
    expect(leader.ledger.rows.get("flag", "flag-8")?.value).toBe(8);
  });
});
