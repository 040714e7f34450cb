import { expect, test } from "vitest";
import { alarmWords, behind, duration, linkBetween, standing } from "./cluster.ts";

const hub = { id: "hub-1", role: "follower", commitIndex: 1, appliedIndex: 1, reachable: true };

test("times are in milliseconds, or in seconds where they are long", () => {
  expect([0.44, 9.96, 41.6, 9_999, 12_400].map(duration)).toEqual([
    "0.4 ms",
    "10 ms",
    "42 ms",
    "9999 ms",
    "12 s",
  ]);
});

test("a hub is level or so many entries behind; the leader is neither", () => {
  expect(behind({ ...hub, lag: 0 })).toBe("level");
  expect(behind({ ...hub, lag: 7 })).toBe("7");
  expect(behind(hub)).toBe("–");
  expect(behind({ ...hub, role: "leader", lag: 7 })).toBe("–");
});

test("says how many voters may still fail, and when it is too late", () => {
  const hubs = ["hub-1", "hub-2", "hub-3"].map((id) => ({ ...hub, id }));
  const view = { leader: "hub-1", term: 1, voters: hubs.map(({ id }) => id), hubs };
  expect(standing(view)).toBe("1 more of 3 voters");
  const one = hubs.map((each) => ({ ...each, reachable: each.id === "hub-1" }));
  expect(standing({ ...view, hubs: one })).toBe("none: 2 of 3 voters are needed, 1 answer");
  expect(standing({ ...view, voters: ["hub-1"] })).toBe("0 more of 1 voters");
});

test("a link is up, lost, or not known", () => {
  const links = [
    { hub: "hub-2", isConnected: true, heardAgoMs: 12, dropped: 0 },
    { hub: "hub-3", isConnected: false, dropped: 2 },
    { hub: "hub-4", isConnected: true, heardAgoMs: 3, dropped: 5 },
  ];
  const states = ["hub-1", "hub-2", "hub-3", "hub-4", "hub-5"].map((other) =>
    linkBetween({ ...hub, links }, other),
  );
  expect(states).toEqual([
    { kind: "self" },
    { kind: "up", text: "12 ms ago" },
    { kind: "lost" },
    { kind: "up", text: "3 ms ago, 5 dropped" },
    { kind: "unknown" },
  ]);
  expect(linkBetween(hub, "hub-2")).toEqual({ kind: "unknown" });
});

test("an alarm names its hub where it has one", () => {
  expect(alarmWords({ hub: "hub-2", text: "does not answer" })).toBe("hub-2 does not answer");
  expect(alarmWords({ text: "No hub leads" })).toBe("No hub leads");
});
