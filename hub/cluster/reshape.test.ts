import { describe, expect, it } from "vitest";
import type { Membership, Progress, Status } from "../consensus/types.ts";
import { makePromoter, SETTLED_MS } from "./promote.ts";
import { hostOfPeer, isLoopback, promotionOf, removalOf, type Surroundings } from "./reshape.ts";
import { alarmsOf, type HubView } from "./state.ts";

const progressAt = (match: number, isActive = true): Progress => ({
  match,
  next: match + 1,
  state: "replicate",
  isActive,
  inflight: 0,
});

interface Group {
  readonly voters: readonly string[];
  readonly learners?: readonly string[];
  readonly outgoing?: readonly string[];
  readonly behind?: readonly string[];
}

/** `a` leads at entry 5,000. */
function statusOf({ voters, learners = [], outgoing = [], behind = [] }: Group): Status {
  const membership: Membership = { voters, outgoing, learners, learnersNext: [], autoLeave: true };
  const others = [...voters, ...learners].filter((hub) => hub !== "a");
  return {
    role: "leader",
    term: 3,
    leader: "a",
    commitIndex: 5_000,
    lastIndex: 5_000,
    storedIndex: 5_000,
    membership,
    membershipIndex: 1,
    isReadable: true,
    transferTo: null,
    progress: new Map(others.map((hub) => [hub, progressAt(behind.includes(hub) ? 10 : 5_000)])),
  };
}

const around = (
  group: Group,
  {
    silent = [],
    witnesses = [],
  }: { silent?: readonly string[]; witnesses?: readonly string[] } = {},
): Surroundings => ({
  self: "a",
  status: statusOf(group),
  witnesses: new Set(witnesses),
  isInTouch: (hub) => !silent.includes(hub),
});

const remove = (hubs: readonly string[], surroundings: Surroundings): string => {
  try {
    const change = removalOf(hubs, surroundings, (hub) => hub === "former");
    return change === undefined
      ? "nothing"
      : change.steps.map(({ type, hub }) => `${type} ${hub}`).join(", ");
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

describe("removing hubs", () => {
  const three = { voters: ["a", "b", "c"] };
  it.each<[string, readonly string[], Surroundings, RegExp]>([
    [
      "one of three leaves two",
      ["c"],
      around(three),
      /a and b would be left.*two are worse than one/,
    ],
    ["two of three", ["b", "c"], around(three), /^remove b, remove c$/],
    ["all of three", ["a", "b", "c"], around(three), /last hub that votes/],
    ["the only one", ["a"], around({ voters: ["a"] }), /last hub that votes/],
    ["one of five", ["e"], around({ voters: ["a", "b", "c", "d", "e"] }), /^remove e$/],
    [
      "a learner takes the place",
      ["c"],
      around({ ...three, learners: ["l"] }),
      /^remove c, addVoter l$/,
    ],
    [
      "a learner that lags does not",
      ["c"],
      around({ ...three, learners: ["l"], behind: ["l"] }),
      /two/,
    ],
    ["a learner itself", ["l"], around({ ...three, learners: ["l"] }), /^remove l$/],
    ["a hub that was removed", ["former"], around(three), /^nothing$/],
    ["a stranger", ["x"], around(three), /x is not a hub of this cluster: a, b, c/],
    ["a change is under way", ["b", "c"], around({ ...three, outgoing: ["a"] }), /under way/],
    ["only witnesses hold on", ["a", "b"], around(three, { witnesses: ["c"] }), /hold state/],
    [
      "those who stay are silent",
      ["b", "c"],
      around({ voters: ["a", "b", "c", "d", "e"] }, { silent: ["d", "e"] }),
      /d, e cannot be reached.*majority of a, d, e/,
    ],
    [
      "the silent ones leave",
      ["d", "e"],
      around({ voters: ["a", "b", "c", "d", "e"] }, { silent: ["d", "e"] }),
      /^remove d, remove e$/,
    ],
  ])("%s", (_, hubs, surroundings, expected) => {
    expect(remove(hubs, surroundings)).toMatch(expected);
  });
});

const promote = (surroundings: Surroundings) => () => promotionOf("l", surroundings);

describe("promoting a learner", () => {
  it("never makes two voters, and takes nobody who lags", () => {
    expect(promote(around({ voters: ["a"], learners: ["l"] }))).toThrow("two are worse than one");
    const lagging = { voters: ["a", "b", "c"], learners: ["l"], behind: ["l"] };
    expect(promote(around(lagging))).toThrow("it is 4990 entries behind");
    expect(promote(around({ voters: ["a"] }))).toThrow("not a hub of this cluster");
    expect(promote(around({ voters: ["a", "b", "c"], learners: ["l"] }))()).toEqual({
      steps: [{ type: "addVoter", hub: "l" }],
    });
    expect(promote(around({ voters: ["a", "b", "l"] }))()).toBeUndefined();
  });

  it("happens by itself in pairs, after SETTLED_MS, one silent look forgiven (PM1, PM2)", () => {
    const promoter = makePromoter();
    const pair = statusOf({ voters: ["a"], learners: ["l", "m"] });
    const flicker = {
      ...pair,
      progress: new Map(pair.progress).set("l", progressAt(5_000, false)),
    };
    expect(promoter.next(pair, 0)).toBeUndefined();
    expect(promoter.next(flicker, 500)).toBeUndefined();
    expect(promoter.next(pair, SETTLED_MS - 1)).toBeUndefined();
    expect(promoter.next(pair, SETTLED_MS)?.steps.map(({ hub }) => hub)).toEqual(["l", "m"]);

    const alone = makePromoter();
    const one = statusOf({ voters: ["a"], learners: ["l"] });
    alone.next(one, 0);
    expect(alone.next(one, 10 * SETTLED_MS)).toBeUndefined();

    const silent = makePromoter();
    silent.next(pair, 0);
    for (const atMs of [500, 1_000]) silent.next(flicker, atMs);
    expect(silent.next(pair, SETTLED_MS)).toBeUndefined();
  });
});

it("knows an address that other hubs can use", () => {
  expect(hostOfPeer("tcp://10.77.0.2:7700")).toBe("10.77.0.2");
  expect(hostOfPeer("tcp://[fd00::2]:7700")).toBe("[fd00::2]");
  expect(hostOfPeer("tcp://hub-2.lan:1")).toBe("hub-2.lan");
  for (const address of [
    "10.77.0.2:7700",
    "ipc:///run/x",
    "tcp://0.0.0.0:7700",
    "tcp://*:7700",
    "tcp://[::]:7700",
    "tcp://h:0",
    "tcp://h:65536",
    "tcp://h",
    "tcp://a b:1",
  ]) {
    expect(() => hostOfPeer(address)).toThrow("tcp://HOST:PORT");
  }
  expect(["127.0.0.1", "127.9.9.9", "localhost", "[::1]", "10.0.0.1"].map(isLoopback)).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
});

const hub = (id: string, changes: Partial<HubView> = {}): HubView => ({
  id,
  role: id === "a" ? "leader" : "follower",
  commitIndex: 9,
  appliedIndex: 9,
  reachable: true,
  ...changes,
});
const textsOf = (hubs: readonly HubView[], voters = hubs.map(({ id }) => id)): readonly string[] =>
  alarmsOf({
    leader: "a",
    term: 1,
    clusterId: "",
    electionMs: 250,
    voters,
    learners: [],
    isChanging: false,
    hubs,
  }).map((alarm) => `${alarm.hub ?? "all"}: ${alarm.text}`);

describe("alarms", () => {
  it("are silent while all is well, alone and together", () => {
    expect(textsOf([hub("a")])).toEqual([]);
    expect(textsOf([hub("a"), hub("b"), hub("c")])).toEqual([]);
  });

  it("name what is wrong and where", () => {
    const pulse = {
      loopP99Ms: 1,
      loopMaxMs: 1,
      syncP50Ms: 1,
      syncP99Ms: 26,
      syncs: 100,
      stalls: 0,
    };
    expect(textsOf([hub("a"), hub("b", { reachable: false }), hub("c", { pulse })])).toEqual([
      "all: One more voter that fails stops all changes",
      "b: does not answer",
      "c: has a slow disk: synced writes take 26 ms (p99)",
    ]);
    const lame = hub("b", { damage: "entry 7 is missing", lag: 1_001, writeAgeMs: 1_500 });
    expect(textsOf([hub("a"), lame, hub("c")]).join("\n")).toMatch(
      /does not vote.*entry 7 is missing\nb: is 1001 entries behind\nb: has waited 1500 ms/,
    );
  });
});
