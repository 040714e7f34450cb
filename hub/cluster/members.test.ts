import { describe, expect, it } from "vitest";
import type { Membership } from "../consensus/types.ts";
import type { Peer } from "../ports.ts";
import type { ClusterFile } from "./bootstrap.ts";
import { makeMembers, type Members } from "./members.ts";

const key = (letter: string): string => letter.repeat(40);
const peer = (id: string, letter = id): Peer => ({
  id,
  address: `tcp://10.77.0.1:${7_700 + id.charCodeAt(0)}`,
  publicKey: key(letter),
});
const group = (...voters: string[]): Membership => ({
  voters,
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
});
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface Rig {
  readonly members: Members;
  /** In the order in which things happened. */
  readonly steps: string[];
  readonly saved: () => ClusterFile | undefined;
}

function rigOf(hub: string, ids: readonly string[]): Rig {
  const steps: string[] = [];
  let saved: ClusterFile | undefined;
  const members = makeMembers({
    file: {
      version: 1,
      clusterId: "00112233aabbccdd",
      hub,
      founders: [...ids],
      witnesses: [],
      peers: ids.map((id) => peer(id)),
    },
    async save(file) {
      await Promise.resolve();
      saved = file;
      steps.push("saved");
    },
    link: () =>
      Promise.resolve({
        use: (peers) => void steps.push(`links ${peers.map(({ id }) => id).join("")}`),
      }),
    log: silent,
  });
  members.membershipChanged(group(...ids));
  return { members, steps, saved: () => saved };
}

describe("members", () => {
  it("are on the disk before they are linked (MB2), and forgotten when they did not join", async () => {
    const { members, steps, saved } = rigOf("a", ["a", "b"]);
    await members.settled();
    steps.length = 0;
    await members.add(peer("n"), true);
    expect(steps).toEqual(["saved", "links bn"]);
    expect(members.isWitness("n")).toBe(true);
    await members.forget("n");
    expect(steps.at(-1)).toBe("links b");
    expect(saved()?.peers.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(members.isWitness("n")).toBe(false);
  });

  it("that were removed stay linked until they have heard of it (MB3)", async () => {
    const { members, steps, saved } = rigOf("a", ["a", "b", "c"]);
    members.membershipChanged({ ...group("a"), outgoing: ["a", "b", "c"] }); // still joint
    await members.settled();
    expect([members.untold(), steps.at(-1)]).toEqual([[], "links bc"]);
    members.membershipChanged(group("a"));
    await members.settled();
    expect([members.untold(), steps.at(-1)]).toEqual([["b", "c"], "links bc"]);
    expect(members.others()).toEqual([]);
    await members.heardLeft("b");
    expect([members.untold(), steps.at(-1)]).toEqual([["c"], "links c"]);
    expect([members.isFormer("b"), members.isFormer("c"), members.isFormer("a")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(saved()?.former?.map(({ id, isTold }) => [id, isTold])).toEqual([
      ["b", true],
      ["c", false],
    ]);
    await members.add(peer("b", "x"), false); // under the same name, with new keys
    expect(members.isFormer("b")).toBe(false);
  });

  it("are not brought back by a message that is older than their removal", async () => {
    const { members } = rigOf("a", ["a", "b", "c"]);
    const old = members.told();
    members.membershipChanged(group("a"));
    await members.settled();
    await members.take(old);
    expect(members.untold()).toEqual(["b", "c"]);
    expect(members.peer("b")).toBeUndefined();
    await members.take({ ...old, peers: [peer("a"), peer("b", "x")] }); // it was added again
    expect([members.untold(), members.peer("b")?.publicKey]).toEqual([["c"], key("x")]);
  });

  it("keep the address that is known when a hub does not know its own, and never lose their own key", async () => {
    const { members } = rigOf("a", ["a", "b"]);
    await members.take({
      peers: [
        { ...peer("b"), address: "" },
        { ...peer("a"), publicKey: key("z") },
      ],
      witnesses: [],
    });
    expect(members.peer("b")).toEqual(peer("b"));
    expect(members.peer("a")?.publicKey).toBe(key("a"));
    await members.take({ peers: "nonsense" });
    expect(members.peer("b")).toEqual(peer("b"));
  });

  it("a hub that was told that it was removed ends its links and remembers", async () => {
    const { members, steps, saved } = rigOf("a", ["a", "b"]);
    await members.leave();
    expect([members.isRemoved, saved()?.isRemoved]).toEqual([true, true]);
    await members.unlink();
    expect(steps.at(-1)).toBe("links ");
    members.membershipChanged(group("a", "b"));
    await members.settled();
    expect(steps.at(-1)).toBe("links ");
  });
});
