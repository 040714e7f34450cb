// The storm: what goes wrong while it lasts, drawn from the seed's mix; and how all is healed.

import { between } from "@gantry/shared/base/prng.ts";
import { isJoint, isMember } from "../../hub/consensus/membership.ts";
import type { HubId, MembershipChange, MembershipStep, Role } from "../../hub/consensus/types.ts";
import type { Hub, Shared } from "./hub/types.ts";
import { type Action, ACTIONS } from "./mix.ts";

export function startStorm(shared: Shared): void {
  const { world, mix, network } = shared;
  const { random } = world;
  const hubs = [...shared.hubs.values()];
  const period = mix.electionTicks * 10;
  const actions = ACTIONS.filter((action) => mix.faults.has(action));
  if (mix.faults.has("drift")) for (const hub of hubs) hub.clockRate = 0.8 + random() * 0.5;

  const any = <T>(list: readonly T[]): T | undefined => list[between(random, 0, list.length - 1)];
  const up = (): Hub[] => hubs.filter(({ core }) => core !== undefined);
  const inRole = (...roles: Role[]): Hub | undefined =>
    any(up().filter(({ role }) => roles.includes(role)));
  /** A while, from a blink to several election time-outs. */
  const while_ = (): number => period * (0.2 + random() * random() * 5);
  const later = (ms: number, run: () => void): void =>
    world.after(ms, () => {
      if (shared.isStormy) run();
    });

  function crash(hub: Hub | undefined, isPower: boolean): void {
    if (hub?.core === undefined) return;
    hub.crash(isPower ? between(random, 0, hub.disk.unsynced() + 1) : Infinity);
    tellOthers(hub.id);
    later(while_(), () => {
      if (hub.core === undefined) hub.start();
    });
  }

  /** The kernel closes the connections of a process that died; of a host that died nobody hears. */
  function tellOthers(id: HubId): void {
    if (!mix.faults.has("hint")) return;
    for (const other of up()) {
      world.after(1 + random() * 4, () => {
        if (!other.isPaused) other.step({ type: "unreachable", hub: id });
      });
    }
  }

  function cut(pairs: readonly (readonly [HubId, HubId])[], ms = while_()): void {
    for (const [from, to] of pairs) network.block(from, to);
    later(ms, () => {
      for (const [from, to] of pairs) network.unblock(from, to);
    });
  }

  const between_ = (some: readonly Hub[]): [HubId, HubId][] => {
    const others = hubs.filter((hub) => !some.includes(hub));
    return some.flatMap((a) =>
      others.flatMap((b): [HubId, HubId][] => [
        [a.id, b.id],
        [b.id, a.id],
      ]),
    );
  };

  function harm(hub: Hub | undefined): void {
    if (hub === undefined) return;
    const choice = between(random, 0, 3);
    if (choice === 0) crash(hub, mix.faults.has("powerCut"));
    else if (choice === 1) hub.pause(while_());
    else if (choice === 2) cut(between_([hub]));
    else cut(between_([hub]).filter(([, to]) => to === hub.id)); // it speaks and hears nothing
  }

  if (mix.faults.has("huntNew")) {
    // Leaders that get no further than their first entries leave the logs that Raft's figure 8 needs.
    shared.onLeader = (hub) => {
      if (random() >= 0.8) return;
      later(random() * mix.weather.delayMax * 3, () => {
        if (mix.isFigure8) cut(between_([hub]), period * (1 + random() * 3));
        else harm(hub);
      });
    };
  }

  const act: Readonly<Record<Action, () => void>> = {
    crash: () => crash(any(up()), false),
    powerCut() {
      const all = random() < 0.3;
      for (const hub of all ? up() : [any(up())]) crash(hub, true);
    },
    pause: () => any(up())?.pause(while_()),
    partition: () => cut(between_(hubs.filter(() => random() < 0.5))),
    oneWay() {
      const from = any(hubs);
      const to = any(hubs);
      if (from !== undefined && to !== undefined && from !== to) cut([[from.id, to.id]]);
    },
    isolate: () => cut(between_(hubs.filter((hub) => hub === inRole("leader", "follower")))),
    swizzle() {
      for (const [from, to] of between_(hubs.filter(() => random() < 0.5))) {
        const until = world.now + while_() / 2;
        later(random() * period, () => network.clog(from, to, until + random() * period));
      }
    },
    huntLeader: () => harm(inRole("leader")),
    huntCandidate: () => harm(inRole("candidate", "preCandidate")),
    stall() {
      const hub = any(up());
      // 21 s were seen on a shared disk (notes 1.5); the storm seldom lasts that long.
      if (hub !== undefined)
        hub.stallUntil = world.now + Math.min(between(random, 1, 20) * 1_000, while_());
    },
    diskFull() {
      const hub = any(up());
      if (hub === undefined) return;
      hub.isDiskFull = true;
      later(while_(), () => {
        hub.isDiskFull = false;
      });
    },
    bitRot() {
      if (hubs.some(({ disk, isBarred }) => isBarred || disk.damage !== undefined)) return; // a repairable copy must exist
      const hub = any(up());
      if (hub === undefined || mix.founders < 3) return;
      const { offset } = hub.disk.log;
      const index = between(
        random,
        offset.index + 1,
        Math.max(offset.index + 1, hub.disk.lastIndex),
      );
      hub.crash(0);
      if (hub.disk.rot(index)) world.note(() => `${hub.id} has lost what lies from ${index} on`);
      later(while_(), () => {
        if (hub.core === undefined) hub.start();
      });
    },
    hint() {
      const [one, other] = [any(up()), any(hubs)];
      if (one !== undefined && other !== undefined && one !== other && !one.isPaused) {
        one.step({ type: "unreachable", hub: other.id });
      }
    },
    transfer() {
      const to = any(hubs);
      const leader = inRole("leader");
      if (to !== undefined && leader !== undefined && !leader.isPaused) {
        leader.step({ type: "transfer", to: to.id });
      }
    },
    membership: () => changeMembership(shared, inRole("leader")),
    snapshot() {
      const hub = any(up());
      if (hub !== undefined && !hub.isPaused) hub.checkpoint();
    },
  };

  function next(): void {
    const action = any(actions);
    if (action === undefined || !shared.isStormy) return;
    world.trace(6, ACTIONS.indexOf(action), 0);
    world.note(() => `storm: ${action}`);
    act[action]();
    later(random() * mix.faultEveryMs * 2, next);
  }
  later(random() * mix.faultEveryMs * 2, next);
}

function changeMembership(shared: Shared, leader: Hub | undefined): void {
  if (leader?.core === undefined || leader.isPaused) return;
  const { world, hubs, witnesses } = shared;
  const { random } = world;
  const { membership } = leader.core.status();
  if (isJoint(membership)) return;
  const outside = [...hubs.keys()].filter((id) => !isMember(membership, id));
  const draw = (list: readonly HubId[]): HubId | undefined =>
    list[between(random, 0, list.length - 1)];
  const steps: MembershipStep[] = [];
  const count = random() < 0.7 ? 1 : between(random, 2, 3);
  for (let n = 0; n < count; n += 1) {
    const choice = random();
    const fresh = draw(outside);
    const voter = draw(membership.voters);
    const learner = draw(membership.learners);
    if (choice < 0.2 && fresh !== undefined) steps.push({ type: "addLearner", hub: fresh });
    else if (choice < 0.5 && fresh !== undefined) steps.push({ type: "addVoter", hub: fresh });
    else if (choice < 0.65 && learner !== undefined) steps.push({ type: "addVoter", hub: learner });
    else if (choice < 0.75 && voter !== undefined) steps.push({ type: "addLearner", hub: voter });
    else if (voter !== undefined) steps.push({ type: "remove", hub: voter });
  }
  const goes = new Set(steps.filter(({ type }) => type !== "addVoter").map(({ hub }) => hub));
  const stays = membership.voters.filter((id) => !goes.has(id) && !witnesses.has(id));
  if (steps.length === 0 || stays.length === 0) return; // somebody must hold the state
  const change: MembershipChange = random() < 0.3 ? { steps, transition: "joint" } : { steps };
  const outcome = leader.step({ type: "change", change });
  world.note(() => `change by ${leader.id} ${JSON.stringify(change)}: ${outcome}`);
}

/** The storm is over: everything runs, hears everybody, and writes quickly. */
export function heal(shared: Shared): void {
  shared.isStormy = false;
  shared.network.heal();
  shared.network.weather = {
    drop: 0,
    repeat: 0,
    delayMin: 0.1,
    delayMax: 2,
    slow: 0,
    isReordered: false,
  };
  for (const hub of shared.hubs.values()) {
    hub.clockRate = 1;
    hub.stallUntil = 0;
    hub.isDiskFull = false;
    const isHealed = hub.isBarred && hub.disk.damage === undefined;
    if (hub.isPaused || isHealed) hub.crash(Infinity); // what does not answer is started anew
    if (hub.core === undefined) hub.start();
  }
}
