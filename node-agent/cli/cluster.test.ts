// gantry cluster: what is sent, what is shown.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeRig, type Rig } from "./testing/rig.ts";

const PULSE = {
  loopP99Ms: 11.2,
  loopMaxMs: 40,
  syncP50Ms: 0.4,
  syncP99Ms: 31.5,
  syncs: 512,
  stalls: 2,
};
const THREE = {
  leader: "hub-1",
  term: 7,
  clusterId: "00112233aabbccdd",
  voters: ["hub-1", "hub-2", "hub-3"],
  learners: [],
  isChanging: false,
  alarms: [{ hub: "hub-3", text: "does not answer" }, { text: "One more voter stops all" }],
  hubs: [
    {
      id: "hub-1",
      role: "leader",
      term: 7,
      commitIndex: 90,
      appliedIndex: 90,
      reachable: true,
      address: "tcp://10.77.0.1:7700",
      pulse: PULSE,
      links: [
        { hub: "hub-2", isConnected: true, heardAgoMs: 3, dropped: 0 },
        { hub: "hub-3", isConnected: false, dropped: 4 },
      ],
    },
    { id: "hub-2", role: "follower", commitIndex: 90, appliedIndex: 88, reachable: true, lag: 2 },
    { id: "hub-3", role: "follower", commitIndex: 0, appliedIndex: 0, reachable: false, lag: 40 },
  ],
};

describe("gantry cluster", () => {
  let rig: Rig;
  beforeEach(async () => void (rig = await makeRig()));
  afterEach(() => rig[Symbol.asyncDispose]());

  it("shows each hub, who leads, who is silent, and what to look at", async () => {
    rig.hub.json("GET /api/cluster", THREE);
    const shown = await rig.gantry(["cluster"]);
    expect(shown.code).toBe(0);
    const lines = shown.out.trimEnd().split("\n");
    expect(lines[1]).toMatch(
      /^hub-1 +leader +7 +90 +90 +- +31.5 ms +11.2 ms +2 +1 of 2, not hub-3/,
    );
    expect(lines[2]).toMatch(/^hub-2 +follower +- +90 +88 +2 +-/);
    expect(lines[3]).toMatch(/^hub-3 +follower, silent +- +- +- +40 +-/);
    expect(lines.slice(4)).toEqual([
      "leader hub-1, term 7, voters hub-1 hub-2 hub-3",
      "! hub-3 does not answer",
      "! One more voter stops all",
    ]);
    expect(shown.out).not.toContain("\u001b");
    const rich = await rig.gantry(["cluster", "status"], { isTty: true });
    expect(rich.out).toContain("\u001b[33m! hub-3 does not answer");
    const json = await rig.gantry(["cluster", "--json"]);
    expect(JSON.parse(json.out)).toMatchObject(THREE);
  });

  it("adds a hub and prints what to run there; the words beside it on stderr", async () => {
    const added = { id: "hub-4", address: "tcp://10.77.0.4:7700", witness: true, code: "GH1-a-b" };
    rig.hub.json("POST /api/cluster/hubs", added, 201);
    const words = ["cluster", "add", "hub-4", "tcp://10.77.0.4:7700", "--witness"];
    const shown = await rig.gantry(words);
    expect(shown.out.split("\n")).toEqual([
      "GANTRY_HUB_ID=hub-4 \\",
      "GANTRY_PEER_BIND=tcp://10.77.0.4:7700 \\",
      "GANTRY_CLUSTER_CODE=GH1-a-b \\",
      "npx gantry-hub",
      "",
    ]);
    expect(shown.err).toContain("shown this once");
    expect(rig.hub.seen[0]?.body).toEqual({
      id: "hub-4",
      address: "tcp://10.77.0.4:7700",
      witness: true,
    });
    const json = await rig.gantry(["--json", ...words]);
    expect([JSON.parse(json.out).code, json.err]).toEqual(["GH1-a-b", ""]);
  });

  it.each([
    ["remove hub-2 hub-3", "remove", { hubs: ["hub-2", "hub-3"] }, "voters hub-1, learners hub-9"],
    ["promote hub-9", "promote", { hub: "hub-9" }, "voters hub-1, learners hub-9"],
    ["transfer", "transfer", {}, "hub-2 leads"],
    ["transfer hub-2", "transfer", { to: "hub-2" }, "hub-2 leads"],
  ])("%s", async (line, route, body, said) => {
    rig.hub.json(`POST /api/cluster/${route}`, {
      voters: ["hub-1"],
      learners: ["hub-9"],
      leader: "hub-2",
      term: 8,
    });
    const shown = await rig.gantry(["cluster", ...line.split(" ")]);
    expect(shown).toMatchObject({ code: 0, out: `${said}\n` });
    expect(rig.hub.seen[0]?.body).toEqual(body);
  });

  it("recovers by the hub's own program, on this machine", async () => {
    expect((await rig.gantry(["cluster", "recover", "--data-dir", "/d", "--yes"])).code).toBe(3);
    expect((await rig.gantry(["cluster", "recover"])).code).toBe(3);
    expect(rig.nodeRuns.map(({ args }) => args)).toEqual([
      ["--data-dir", "/d", "--yes"],
      ["--data-dir", `${rig.dir}/data`],
    ]);
    expect(rig.nodeRuns[0]?.file).toMatch(/hub\/bin\/recover\.js$/);
    expect(rig.hub.seen).toEqual([]);
  });

  it.each(["shrink", "add", "add hub-4", "remove", "promote"])(
    "refuses cluster %s with the usage",
    async (line) => {
      const shown = await rig.gantry(["cluster", ...line.split(" ")]);
      expect(shown).toMatchObject({ code: 64, out: "" });
      expect(shown.err).toContain("gantry cluster remove HUB...");
    },
  );
});
