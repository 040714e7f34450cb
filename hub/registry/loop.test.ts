import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { parseSelector, selects } from "@gantry/shared/contract/selector.ts";
import { labelsOf } from "@gantry/shared/contract/labels.ts";
import { beatAnswer } from "./health.ts";
import { makeRegistryLoop, type RegistryLoop } from "./loop.ts";
import { type FakeHub, makeFakeHub } from "./testing/fake-hub.ts";
import { makeRegistryWatches } from "./watching.ts";
import { watchFilter } from "./watches.ts";

const TERM = 3;

interface Reign extends FakeHub, AsyncDisposable {
  readonly loop: RegistryLoop;
  /** Monotonic ms at which each node was heard; its link is there while it is in here. */
  readonly beats: Map<string, number>;
  readonly end: () => Promise<void>;
}

function makeReign(fake = makeFakeHub()): Reign {
  const { hub, rig, clock } = fake;
  const beats = new Map<string, number>();
  const heard = (): Map<string, number> =>
    new Map([...beats].map(([node, atMs]) => [node, clock.monotonic() - atMs]));
  const loop = makeRegistryLoop({ hub, link: () => ({ heard }), electionMs: () => 250 });
  const stop = new AbortController();
  rig.act({ type: "reignBegan", hub: hub.id, term: TERM });
  fake.publish();
  const running = loop.run(TERM, stop.signal);
  const end = (): Promise<void> => {
    stop.abort();
    return running;
  };
  return { ...fake, loop, beats, end, [Symbol.asyncDispose]: end };
}

/** Enrols and registers; its first beat is now. */
function join({ rig, beats, clock, publish }: Reign, id: string, gpu = 0): void {
  const atMs = clock.now();
  rig.apply(
    ...(
      [
        {
          type: "joinCodeMade",
          code: `join_${id}`,
          name: id,
          secretSha256: "c",
          expiresAtMs: atMs + 1_000,
        },
        {
          type: "nodeEnrolled",
          code: `join_${id}`,
          codeSecretSha256: "c",
          node: id,
          name: id,
          publicKey: id,
          secretSha256: id,
        },
      ] as const
    ).map((body) => ({ atMs, actor: "ada", requestId: "r", ...body })),
  );
  registerAgain({ rig, clock }, id, gpu);
  beats.set(id, clock.monotonic());
  publish();
}

const registerAgain = ({ rig, clock }: Pick<Reign, "rig" | "clock">, id: string, gpu = 0): void => {
  const [reply] = rig.apply({
    atMs: clock.now(),
    actor: `node:${id}`,
    requestId: "r",
    type: "nodeRegistered",
    node: id,
    bootId: "boot_1",
    labels: { room: gpu > 0 ? "workshop" : "office", "gpu.vram_mb": String(gpu) },
    capabilities: { models: [], commands: [], printers: [] },
    capabilitiesDigest: `digest of ${id}`,
  });
  expect(reply?.ok).toBe(true);
};

const stateOf = ({ rig }: Reign, id: string): string | undefined => rig.rows.get("node", id)?.state;

describe("the registry's loop", () => {
  it("ends a wait for a lock when its time is over, and proposes nothing before", async () => {
    await using reign = makeReign();
    const lock = { type: "lockAcquired" as const, name: "bench", ttlMs: 60_000 };
    const envelope = { atMs: reign.clock.now(), actor: "ada", requestId: "r" };
    reign.rig.act({ ...lock, owner: "one" }, envelope);
    reign.rig.act({ ...lock, owner: "two", waitMs: 3_000 }, envelope);
    reign.publish();
    await reign.clock.pass(2_900);
    expect(reign.proposed).toEqual([]);
    await reign.clock.pass(1_000);
    expect(reign.proposed).toMatchObject([{ type: "lockWaitsExpired", term: TERM }]);
    expect(reign.rig.rows.hot("lockQueue").size).toBe(0);
  });

  it("proposes only transitions, with its term, and nothing for nodes that are well", async () => {
    await using reign = makeReign();
    join(reign, "well");
    join(reign, "ill");
    for (let second = 0; second < 10; second += 1) {
      reign.beats.set("well", reign.clock.monotonic());
      await reign.clock.pass(1_000);
    }
    expect(reign.proposed).toMatchObject([
      { type: "nodeStateChanged", node: "ill", state: "suspect", term: TERM },
      { type: "nodeStateChanged", node: "ill", state: "down", term: TERM },
    ]);
    reign.beats.set("well", reign.clock.monotonic());
    expect(stateOf(reign, "well")).toBe("alive");
  });

  it("takes a suspect node back as soon as it is heard again", async () => {
    await using reign = makeReign();
    join(reign, "a");
    await reign.clock.pass(3_500);
    expect(stateOf(reign, "a")).toBe("suspect");
    reign.beats.set("a", reign.clock.monotonic());
    await reign.clock.pass(500);
    expect(stateOf(reign, "a")).toBe("alive");
  });

  it("accuses nobody after the hub itself was stopped for longer than a lease", async () => {
    await using reign = makeReign();
    join(reign, "a");
    await reign.clock.pass(1_000);
    reign.beats.set("a", reign.clock.monotonic());
    reign.clock.stall(4 * TIMEOUT.leaseMs);
    await reign.clock.pass(1_500);
    expect(stateOf(reign, "a")).toBe("alive");
    await reign.clock.pass(TIMEOUT.leaseMs);
    expect(stateOf(reign, "a")).toBe("down");
  });

  it("of a leader that was deposed revokes nothing, though it has not heard of it (RG1)", async () => {
    await using reign = makeReign();
    join(reign, "a");
    reign.rig.act({ type: "lockAcquired", name: "l", owner: "o", ttlMs: 2_000 });
    reign.publish();
    reign.rig.act({ type: "reignBegan", hub: "hub_2", term: TERM + 1 });
    await reign.clock.pass(20_000);
    expect(reign.proposed.length).toBeGreaterThan(2);
    expect(stateOf(reign, "a")).toBe("alive");
    expect(reign.rig.rows.get("lock", "l")).toBeDefined();
  });

  it("lets locks go when nobody keeps them alive, and those of a node with the node", async () => {
    await using reign = makeReign();
    join(reign, "a");
    const { rig, clock, loop } = reign;
    const take = (name: string, node?: string): number =>
      rig.act(
        {
          type: "lockAcquired",
          name,
          owner: "o",
          ttlMs: 8_000,
          ...(node === undefined ? {} : { node }),
        },
        { atMs: clock.now() },
      )["token"] as number;
    const kept = take("kept");
    take("left");
    take("bound", "a");
    reign.publish();
    for (let second = 0; second < 12; second += 1) {
      expect(loop.keepAlive("kept", kept)).toBe("kept");
      await clock.pass(1_000);
      expect(rig.rows.get("lock", "bound") === undefined).toBe(second >= 4);
      expect(rig.rows.get("lock", "left") === undefined).toBe(second >= 7);
    }
    expect(rig.rows.get("lock", "kept")?.token).toBe(kept);
    await reign.end();
    expect(loop.keepAlive("kept", kept)).toBe("log"); // the next leader knows better
  });
});

describe("[D15] many agents", () => {
  it("79 and 790 register, are found by what they can do, and the dead ones go", async () => {
    await using reign = makeReign();
    for (let n = 0; n < 790; n += 1) join(reign, `node_${n}`, n % 10 === 0 ? 12_000 : 0);
    const nodes = [...reign.rig.rows.hot("node").values()];
    const selector = parseSelector("gpu.vram_mb>=8000, room=workshop, state=alive");
    expect(nodes.filter((node) => selects(selector, labelsOf(node)))).toHaveLength(79);
    for (let second = 0; second < 7; second += 1) {
      for (let n = 79; n < 790; n += 1) reign.beats.set(`node_${n}`, reign.clock.monotonic());
      await reign.clock.pass(1_000, 500);
    }
    const states = [...reign.rig.rows.hot("node").values()].map(({ state }) => state);
    expect(states.filter((state) => state === "down")).toHaveLength(79);
    expect(states.filter((state) => state === "alive")).toHaveLength(711);
  });

  it("1,000 that the hub lost sight of are back within one beat, and then cost no command", async () => {
    await using reign = makeReign();
    const ids = Array.from({ length: 1_000 }, (_, n) => `node_${n}`);
    for (const id of ids) join(reign, id);
    await reign.clock.pass(7_000, 500);
    expect(ids.every((id) => stateOf(reign, id) === "down")).toBe(true);
    const beat = (): number => {
      let registrations = 0;
      for (const id of ids) {
        reign.beats.set(id, reign.clock.monotonic());
        const answer = beatAnswer(reign.rig.rows.get("node", id), `digest of ${id}`);
        if (answer === "ok") continue;
        registrations += 1;
        registerAgain(reign, id);
      }
      return registrations;
    };
    expect(beat()).toBe(1_000);
    expect(ids.every((id) => stateOf(reign, id) === "alive")).toBe(true);
    const { position } = reign.rig.ledger;
    for (let second = 0; second < 5; second += 1) {
      await reign.clock.pass(1_000, 500);
      expect(beat()).toBe(0);
    }
    expect(reign.rig.ledger.position).toBe(position);
  });
});

describe("watches of a running hub", () => {
  const never = new AbortController().signal;

  it("wait for the next change, and say how far they are when nothing comes (WG1)", async () => {
    const { hub, rig, clock, publish } = makeFakeHub();
    const watches = makeRegistryWatches(hub, never);
    const watcher = watches.open(watchFilter({}), "now");
    const told: (readonly WatchMessage[])[] = [];
    void watches.pull(watcher, never).then((messages) => told.push(messages));
    await clock.pass(1_000);
    expect(told).toEqual([]);
    rig.act({ type: "flagSet", key: "a", value: 1 });
    publish();
    await clock.pass(0);
    expect(told).toMatchObject([[{ type: "delta", revision: 1 }]]);
    void watches.pull(watcher, never).then((messages) => told.push(messages));
    await clock.pass(TIMEOUT.watchProgressMs);
    expect(told[1]).toEqual([{ type: "progress", revision: 1 }]);
  });

  it("start anew after this hub took over the state of another (WG2)", async () => {
    const { hub, rig } = makeFakeHub();
    const watches = makeRegistryWatches(hub, never);
    const watcher = watches.open(watchFilter({}), "now");
    rig.act({ type: "flagSet", key: "a", value: 1 }); // whose event this hub never hears
    hub.feed.lapse();
    expect(await watches.pull(watcher, never)).toMatchObject([
      { type: "compacted", since: 0 },
      { type: "snapshot", revision: 1, items: [{ key: "flag/a" }] },
    ]);
  });

  it("end with their signal", async () => {
    const { hub } = makeFakeHub();
    const watches = makeRegistryWatches(hub, never);
    const stop = new AbortController();
    const pulled = watches.pull(watches.open(watchFilter({}), "now"), stop.signal);
    stop.abort();
    await expect(pulled).rejects.toMatchObject({ code: "cancelled" });
  });
});
