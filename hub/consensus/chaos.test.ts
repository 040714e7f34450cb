// Chance drives a few cores through loss, repetition, disorder, crashes, cuts, snapshots, hand-overs
// and membership changes; then everything is healed and they must agree. The simulator of tests/ does
// this with the whole hub: here the core alone is shaken, some hundred times in a second.

import { describe, expect, it } from "vitest";
import { makeNet, type Net, text } from "./testing/net.ts";
import type { HubId, MembershipStep } from "./types.ts";

/** mulberry32. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const ALL = ["a", "b", "c", "d", "e"];

interface World {
  readonly net: Net;
  readonly random: () => number;
  /** What was applied at an index, anywhere, ever. */
  readonly facts: Map<number, string>;
  readonly seen: Map<HubId, number>;
  readonly leaderOf: Map<number, HubId>;
  /** The highest index that was applied anywhere when the read began. */
  readonly begun: Map<number, number>;
  highest: number;
  nextId: number;
  readsServed: number;
}

const pick = <T>(random: () => number, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] as T; // the list is not empty

function makeWorld(seed: number): World {
  const random = makeRandom(seed);
  const count = pick(random, [1, 2, 3, 3, 3, 4, 5]);
  const small = (): number => 1 + Math.floor(random() * 3);
  const net = makeNet({
    hubs: ALL,
    voters: ALL.slice(0, count),
    config: {
      random,
      heartbeatTicks: 2,
      inflightMax: small(),
      inflightBytesMax: pick(random, [1, 10, 1_000]),
      messageBytesMax: pick(random, [1, 10, 1_000]),
      uncommittedBytesMax: pick(random, [5, 50, 5_000]),
    },
  });
  return {
    net,
    random,
    facts: new Map(),
    seen: new Map(),
    leaderOf: new Map(),
    begun: new Map(),
    highest: 0,
    nextId: 0,
    readsServed: 0,
  };
}

function check(world: World): void {
  const { net, facts, seen, leaderOf, begun } = world;
  for (const id of ALL) {
    const hub = net.get(id);
    const { role, term } = hub.core.status();
    if (role === "leader") {
      const known = leaderOf.get(term) ?? id;
      if (known !== id) throw new Error(`two leaders in term ${term}`);
      leaderOf.set(term, id);
    }
    for (let at = seen.get(id) ?? 0; at < hub.applied.length; at += 1) {
      const entry = hub.applied[at];
      if (entry === undefined) break;
      const fact = `${entry.term}:${entry.kind}:${text(entry.data)}`;
      if ((facts.get(entry.index) ?? fact) !== fact) throw new Error(`${entry.index} differs`);
      facts.set(entry.index, fact);
      world.highest = Math.max(world.highest, entry.index);
    }
    seen.set(id, hub.applied.length);
    for (const read of hub.reads.splice(0)) {
      const least = begun.get(read.id);
      if (least === undefined) throw new Error("a read is answered twice");
      begun.delete(read.id);
      if (read.index === undefined) continue;
      world.readsServed += 1;
      if (read.index < least) throw new Error(`stale read: ${read.index} < ${least}`);
    }
  }
}

function disturb(world: World): void {
  const { net, random } = world;
  const id = pick(random, ALL);
  const other = pick(random, ALL);
  const chance = random();
  if (chance < 0.3) net.tick(id);
  else if (chance < 0.45) net.turn(id);
  else if (chance < 0.57) net.store(id);
  else if (chance < 0.77) {
    net.dropWhere(() => random() < 0.1);
    for (const message of net.wire().slice(0, 20)) if (random() < 0.1) net.inject(message);
    net.deliver(() => random() < 0.7);
    net.dropWhere(() => false);
  } else if (chance < 0.86) {
    const [leader] = net.leaders();
    net.propose(random() < 0.8 ? (leader ?? id) : id, String((world.nextId += 1)));
  } else if (chance < 0.92) {
    world.nextId += 1;
    world.begun.set(world.nextId, world.highest);
    net.read(id, world.nextId);
  } else if (chance < 0.93) {
    net.restart(id);
    world.seen.set(id, 0);
  } else if (chance < 0.945) {
    if (random() < 0.5) net.heal();
    else if (random() < 0.3) net.isolate(id);
    else if (id !== other) net.cutOneWay(id, other);
  } else if (chance < 0.955) net.step(id, { type: "unreachable", hub: other });
  else if (chance < 0.965) {
    const applied = net.get(id).applied.at(-1)?.index ?? 0;
    const { membershipIndex } = net.status(id);
    if (applied > net.get(id).disk.log.offset.index && membershipIndex <= applied) {
      net.compact(id, applied);
    }
  } else if (chance < 0.975) {
    if (net.install(id)) world.seen.set(id, 0);
  } else if (chance < 0.985)
    for (const leader of net.leaders()) net.step(leader, { type: "transfer", to: other });
  else changeSomething(world);
}

function changeSomething({ net, random }: World): void {
  const steps: MembershipStep[] = [];
  for (let at = 0; at < 1 + random() * 2; at += 1) {
    steps.push({
      type: pick(random, ["addVoter", "addLearner", "remove"] as const),
      hub: pick(random, ALL),
    });
  }
  for (const leader of net.leaders()) {
    const transition = random() < 0.2 ? ({ transition: "joint" } as const) : {};
    net.step(leader, { type: "change", change: { steps, ...transition } });
  }
}

function run(seed: number, steps: number): World {
  const world = makeWorld(seed);
  for (let at = 0; at < steps; at += 1) {
    disturb(world);
    check(world);
  }
  world.net.heal();
  for (let at = 0; at < 120; at += 1) {
    for (const id of ALL) {
      world.net.tick(id);
      if (world.net.get(id).install !== undefined) world.seen.set(id, 0);
    }
    settleChecked(world);
  }
  return world;
}

function settleChecked(world: World): void {
  for (const id of ALL) world.net.get(id).isInstallHeld = true;
  for (;;) {
    world.net.settle();
    check(world);
    const waiting = ALL.filter((id) => world.net.get(id).install !== undefined);
    if (waiting.length === 0) return;
    for (const id of waiting) {
      world.net.install(id);
      world.seen.set(id, 0);
    }
  }
}

function judge({ net, leaderOf }: World): void {
  const leaders = net.leaders().toSorted((one, two) => net.status(two).term - net.status(one).term);
  const leader = leaders[0];
  if (leader === undefined) throw new Error("nobody leads after all is healed");
  expect(leaderOf.size).toBeGreaterThan(0);
  const { membership, lastIndex } = net.status(leader);
  expect(net.propose(leader, "last word")).toBe("taken");
  net.settle();
  for (const id of [...membership.voters, ...membership.learners]) {
    expect(net.status(id).commitIndex).toBe(lastIndex + 1);
    expect(text(net.get(id).applied.at(-1)?.data ?? new Uint8Array(0))).toBe("last word");
  }
}

const SEEDS = 500;

describe("the core under chance", () => {
  it(`agrees on one log and serves no stale read, seeds 1 to ${SEEDS}`, () => {
    let readsServed = 0;
    let compactions = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        const world = run(seed, 1_500);
        judge(world);
        readsServed += world.readsServed;
        compactions += ALL.filter((id) => world.net.get(id).disk.log.offset.index > 0).length;
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
    expect(readsServed).toBeGreaterThan(SEEDS);
    expect(compactions).toBeGreaterThan(SEEDS / 4);
  }, 60_000);
});
