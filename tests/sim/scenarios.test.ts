// Bugs that others had, as scripts over the real core: each says whose bug, and what must happen here.

import { describe, expect, it } from "vitest";
import { makeRaft } from "../../hub/consensus/raft.ts";
import { leaderOf, mustAgree } from "./finale.ts";
import { loadSubject } from "./mutants/load.ts";
import { type Script, startScript } from "./scripted.ts";

/** A read round is under way when its leader stands still; answers to it arrive after a new reign has begun. */
function lateAnswers(script: Script): void {
  const { shared, electionMs } = script;
  const old = script.leader();
  const others = script.others(old);
  script.put(old, "before");
  script.run(20);
  const arriveAt = shared.world.now + 8 * electionMs;
  for (const other of others) shared.network.clog(other.id, old.id, arriveAt);
  script.get(old);
  script.run(3);
  old.pause(8 * electionMs + 5);
  for (const other of others) shared.network.block(old.id, other.id);
  script.run(6 * electionMs);
  const next = script.leader();
  expect(next).not.toBe(old);
  const written = script.put(next, "after");
  script.run(30);
  expect(written.answer?.kind).toBe("ok");
  // The same reader asks again, as etcd's did with the same request id; the answers to the first
  // round are let in, one by one with the resumed clock.
  const again = script.get(old);
  script.run(4 * electionMs);
  shared.network.heal();
  script.run(4 * electionMs);
  const seen = again.answer?.kind === "value" ? again.answer.value : "after";
  expect(seen).toBe("after");
}

describe("etcd #20418, stale reads by late heartbeat answers", () => {
  it("[K107] a late answer to an earlier round confirms no later read", () => {
    for (let seed = 1; seed <= 20; seed += 1) lateAnswers(startScript(makeRaft, 3, seed));
  });

  it("is seen by the oracle where reads are confirmed without a quorum", async () => {
    const { makeCore } = await loadSubject("read-without-quorum");
    expect(() => {
      for (let seed = 1; seed <= 20; seed += 1) lateAnswers(startScript(makeCore, 3, seed));
    }).toThrow(/O5 stale read/);
  });
});

describe("etcd #13527, a disk that stalls under the leader", () => {
  it("[D21] the leader goes on with the disks of the others, and nobody else begins to lead", () => {
    const script = startScript(makeRaft, 3);
    const leader = script.leader();
    const before = script.shared.oracle.leaders;
    leader.stallUntil = script.shared.world.now + 20_000;
    for (let n = 0; n < 10; n += 1) {
      script.put(leader, `w${n}`);
      script.run(script.electionMs);
    }
    const status = leader.core?.status();
    expect(status?.role).toBe("leader");
    expect(status?.commitIndex).toBeGreaterThan(status?.storedIndex ?? 0);
    expect(status?.commitIndex).toBe(status?.lastIndex);
    expect(script.shared.oracle.leaders).toBe(before);
    leader.stallUntil = 0;
    mustAgree(script.shared);
  });

  it("[D21] a leader whose process stands still too leads no more when it wakes, and acknowledges nothing", () => {
    const script = startScript(makeRaft, 3);
    const old = script.leader();
    old.stallUntil = script.shared.world.now + 20_000;
    old.pause(10 * script.electionMs);
    const lost = script.put(old, "lost");
    script.run(5 * script.electionMs);
    const next = script.leader();
    expect(next).not.toBe(old);
    const kept = script.put(next, "kept");
    script.run(5 * script.electionMs);
    expect(kept.answer?.kind).toBe("ok");
    script.run(2 * script.electionMs);
    expect(old.core?.status().role).toBe("follower");
    expect(lost.answer?.kind).not.toBe("ok");
    old.stallUntil = 0;
    mustAgree(script.shared);
    expect(old.machine.values.get("k")).toBe("kept");
  });
});

describe("partial connectivity: 1-2 and 2-3 see each other, 1-3 do not", () => {
  it.each([1, 2, 3, 4, 5, 6])(
    "[D3] progress goes on, with at most one change of leader (seed %i)",
    (seed) => {
      const script = startScript(makeRaft, 3, seed);
      const leader = script.leader();
      const [lone] = script.others(leader);
      if (lone === undefined) throw new Error("three hubs");
      const before = script.shared.oracle.leaders;
      script.cut(leader, lone);
      for (let n = 0; n < 20; n += 1) {
        expect(script.progress()).toBeLessThan(6 * script.electionMs);
        script.run(script.electionMs);
      }
      expect(script.shared.oracle.leaders - before).toBeLessThanOrEqual(1);
      script.shared.network.heal();
      mustAgree(script.shared);
    },
  );

  it("[D3] the leader between two who do not see each other is not disturbed", () => {
    const script = startScript(makeRaft, 3);
    const leader = script.leader();
    const [one, other] = script.others(leader);
    if (one === undefined || other === undefined) throw new Error("three hubs");
    script.cut(one, other);
    const { term } = leader.core?.status() ?? { term: -1 };
    script.run(20 * script.electionMs);
    expect(leaderOf(script.shared)).toBe(leader);
    expect(leader.core?.status().term).toBe(term);
  });
});

describe("NATS 2.12.1 (Jepsen), damage on a minority", () => {
  it.each([1, 2, 3, 4])(
    "[K62] two of five lose what they had synced, and nothing that was acknowledged is lost (seed %i)",
    (seed) => {
      const script = startScript(makeRaft, 5, seed);
      const acknowledged: string[] = [];
      for (let n = 0; n < 30; n += 1) {
        const written = script.put(script.leader(), `w${n}`);
        script.run(20);
        if (written.answer?.kind === "ok") acknowledged.push(`w${n}`);
      }
      expect(acknowledged).toHaveLength(30);
      const committed = script.shared.oracle.committed;
      const leader = script.leader();
      const damaged = [leader, ...script.others(leader)].slice(0, 2); // the leader is one of them
      for (const hub of script.shared.hubs.values()) hub.crash(0);
      for (const [n, hub] of damaged.entries()) {
        expect(hub.disk.rot(n === 0 ? 1 : Math.ceil(committed / 2))).toBe(true);
      }
      for (const hub of script.shared.hubs.values()) hub.start();
      expect(damaged.every((hub) => hub.isBarred)).toBe(true);
      expect(script.progress()).toBeLessThan(6 * script.electionMs);
      expect(damaged).not.toContain(script.leader());
      mustAgree(script.shared);
      for (const hub of script.shared.hubs.values()) {
        expect(hub.machine.values.get("k")).toBe("w29");
        expect(hub.machine.index).toBeGreaterThan(committed);
      }
    },
  );
});
