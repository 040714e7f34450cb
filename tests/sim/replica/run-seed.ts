// One seed of the replica-level simulation: the real replica, log store, ledger, sessions of requests
// and locks, on simulated time. Fewer and slower than the seeds of the core, with the same storm.
//
// RX1. One reign a term (O1), and the same events at the same position on every hub (O3).
// RX2. After healing a write is acknowledged within a bound, and all ledgers are equal.

import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { command, NEVER } from "../../support/hub-parts.ts";
import { isJoint, isMember } from "../../../hub/consensus/membership.ts";
import { makeRaft } from "../../../hub/consensus/raft.ts";
import type { HubId, Membership, MembershipStep } from "../../../hub/consensus/types.ts";
import { judge } from "../../lincheck/verdict.ts";
import { makeNetwork } from "../network.ts";
import { check, makeWorld, type World } from "../world.ts";
import { makeMember, type Member } from "./member.ts";
import { startExpiry } from "./expiry.ts";
import { startWorkload } from "./workload.ts";

export interface ReplicaOutcome {
  readonly seed: number;
  readonly failure: string | undefined;
  readonly hash: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly reigns: number;
  readonly notes: readonly string[];
}

const RECOVERY_MS_MAX = 4_000;

/** One turn of the real loop: everything that the event set in motion has come to rest. */
const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function run(
  world: World,
  untilMs: number,
  isDone: () => boolean = () => false,
): Promise<void> {
  for (;;) {
    const before = world.events;
    world.run(untilMs, () => false);
    await rest();
    if (isDone() || world.events === before) return;
  }
}

/** `fault`: what broke outside of any call, e.g. an assertion in a task of a hub. */
export async function runReplicaSeed(
  seed: number,
  isTelling: boolean,
  fault: () => Error | undefined,
): Promise<ReplicaOutcome> {
  const world = makeWorld(seed, isTelling);
  const draw = seededRandom(seed ^ 0x2545f491);
  const founders = draw() < 0.7 ? 3 : 5;
  const hasSpare = draw() < 0.4;
  const ids = Array.from({ length: founders + (hasSpare ? 1 : 0) }, (_, n) => `h${n + 1}`);
  const membership: Membership = {
    voters: ids.slice(0, founders),
    outgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const diskMax = draw() < 0.3 ? 40 : 3;
  const electionTicks = draw() < 0.5 ? 10 : 20;
  const stormMs = electionTicks * 10 * between(draw, 20, 60);
  const faultEveryMs = electionTicks * 10 * (0.4 + draw() * 2);
  const members = new Map<HubId, Member>();
  const network = makeNetwork(
    world,
    {
      drop: draw() < 0.4 ? draw() * 0.15 : 0,
      repeat: draw() < 0.4 ? draw() * 0.15 : 0,
      delayMin: 0.1,
      delayMax: 3,
      slow: draw() < 0.3 ? 0.05 : 0,
      isReordered: draw() < 0.4,
    },
    (to, messages) => members.get(to)?.receive(messages),
  );
  let isStormy = true;
  const reignOf = new Map<number, HubId>();
  const told = new Map<number, string>();
  const expiry = startExpiry(world, members, () => held());

  function onEvents(hub: HubId, events: readonly LedgerEvent[]): void {
    const byPosition = new Map<number, LedgerEvent[]>();
    for (const event of events) {
      expiry.saw(event);
      byPosition.set(event.id, [...(byPosition.get(event.id) ?? []), event]);
    }
    for (const [position, own] of byPosition) {
      const text = JSON.stringify(own);
      const known = told.get(position);
      check(
        known === undefined || known === text,
        () => `O3 ${hub} tells ${text} at ${position}, another told ${known}`,
      );
      told.set(position, text);
    }
  }

  for (const id of ids) {
    members.set(
      id,
      makeMember(id, {
        world,
        network,
        founders: membership,
        members,
        makeCore: makeRaft,
        electionTicks,
        heartbeatTicks: 2,
        checkpointMs: between(draw, 40, 200),
        logEntries: between(draw, 5, 60),
        keptEntries: between(draw, 0, 30),
        diskMs: () => 0.1 + world.random() * (isStormy ? diskMax : 2),
        onEvents,
        onReign(hub, term) {
          expiry.reign(hub, term);
          if (term === undefined) return;
          world.note(() => `${hub} reigns in term ${term}`);
          const other = reignOf.get(term);
          check(
            other === undefined || other === hub,
            () => `O1 ${hub} and ${other} reign in term ${term}`,
          );
          reignOf.set(term, hub);
        },
      }),
    );
  }
  for (const member of members.values()) {
    if (draw() < 0.3) member.clockRate = 0.8 + draw() * 0.5;
    member.start();
  }
  const all = [...members.values()];
  const work = startWorkload(world, all, between(draw, 2, 4), electionTicks * 10 * 3);
  const held = (): typeof work.held => work.held;

  const any = <T>(list: readonly T[]): T | undefined =>
    list[Math.floor(world.random() * list.length)];
  const leading = (): Member | undefined =>
    all.find(({ replica }) => replica?.status().role === "leader");
  const aWhile = (): number => electionTicks * 10 * (0.2 + world.random() ** 2 * 5);
  const later = (ms: number, act: () => void): void =>
    world.after(ms, () => {
      if (isStormy) act();
    });

  function cut(some: readonly Member[]): void {
    const pairs = some.flatMap((a) =>
      all
        .filter((b) => !some.includes(b))
        .flatMap((b): [string, string][] => [
          [a.id, b.id],
          [b.id, a.id],
        ]),
    );
    for (const [from, to] of pairs) network.block(from, to);
    later(aWhile(), () => {
      for (const [from, to] of pairs) network.unblock(from, to);
    });
  }

  function harm(member: Member | undefined): void {
    if (member?.isUp !== true) return;
    const choice = world.random();
    if (choice < 0.3) member.pause(aWhile());
    else if (choice < 0.5) cut([member]);
    else {
      member.crash(choice < 0.8);
      later(aWhile(), () => member.start());
    }
  }

  function storm(): void {
    const choice = world.random();
    const member = any(all);
    if (choice < 0.25) harm(leading());
    else if (choice < 0.5) harm(member);
    else if (choice < 0.6) cut(all.filter(() => world.random() < 0.5));
    else if (choice < 0.7 && member !== undefined) {
      member.logDisk.stallUntil = world.now + aWhile() * 2;
    } else if (choice < 0.8) {
      const leader = leading();
      leader?.happens(() => {
        leader.replica?.transfer(undefined, NEVER).catch(() => {});
      });
    } else if (choice < 0.9 && hasSpare) changeMembership();
    else if (choice < 0.93) {
      for (const one of all) {
        one.crash(true);
        later(aWhile(), () => one.start());
      }
    }
    later(world.random() * faultEveryMs * 2, storm);
  }

  function changeMembership(): void {
    const leader = leading();
    leader?.happens(() => {
      const { replica } = leader;
      if (replica === undefined || replica.status().role !== "leader") return;
      const now = replica.status().membership;
      if (isJoint(now)) return;
      const out = any(now.voters) ?? "";
      const into = any(ids.filter((id) => !isMember(now, id)));
      const steps: MembershipStep[] = into === undefined ? [] : [{ type: "addVoter", hub: into }];
      if (now.voters.length > 3 || into !== undefined) steps.push({ type: "remove", hub: out });
      if (steps.length === 0) return;
      world.note(() => `${leader.id} changes the membership: ${JSON.stringify(steps)}`);
      replica.change({ steps, transition: "joint" }, NEVER).catch(() => {});
    });
  }

  let failure: string | undefined;
  const mustHold = (): void => {
    const broken = fault();
    if (broken !== undefined) throw broken;
  };
  try {
    later(world.random() * faultEveryMs * 2, storm);
    await run(world, stormMs, () => fault() !== undefined);
    mustHold();
    isStormy = false;
    network.heal();
    network.weather = {
      drop: 0,
      repeat: 0,
      delayMin: 0.1,
      delayMax: 2,
      slow: 0,
      isReordered: false,
    };
    for (const member of all) {
      member.logDisk.stallUntil = 0;
      if (member.isPaused) member.crash(false);
      member.start();
    }
    world.note(() => "healed");
    await mustRecover();
    work.stop();
    await mustAgree();
    mustHold();
    const verdict = judge(work.history(), { configurationsMax: 200_000 });
    check(
      verdict.kind !== "broken",
      () => `history: ${verdict.kind === "broken" ? verdict.words : ""}`,
    );
  } catch (error) {
    failure =
      error instanceof Error && error.name !== "Broken"
        ? (error.stack ?? error.message)
        : (error as Error).message;
  }
  const { hash, events } = world;
  for (const member of all) member.crash(false);
  return {
    seed,
    failure,
    hash,
    events,
    acknowledged: work.acknowledged,
    reigns: reignOf.size,
    notes: world.notes(),
  };

  async function mustRecover(): Promise<void> {
    let isDone = false;
    const probe = (): void => {
      if (isDone) return;
      const leader = leading();
      leader?.replica
        ?.propose(command({ type: "flagSet", key: "probe", value: world.now }), NEVER)
        .then(
          () => (isDone = true),
          () => {},
        );
      world.after(20, probe);
    };
    probe();
    await run(world, world.now + RECOVERY_MS_MAX, () => isDone || fault() !== undefined);
    mustHold();
    check(isDone, () => `X1 no progress within ${RECOVERY_MS_MAX} ms of healing: ${tell()}`);
  }

  async function mustAgree(): Promise<void> {
    await run(world, world.now + RECOVERY_MS_MAX, () => fault() !== undefined || isEven());
    mustHold();
    check(isEven(), () => `X2 the hubs do not come level: ${tell()}`);
    const states = settled().map((member) => [member.id, stateOf(member)] as const);
    for (const [id, state] of states) {
      check(
        state === states[0]?.[1],
        () => `O3 ${id} and ${states[0]?.[0]} differ: ${state} ${states[0]?.[1]}`,
      );
    }
  }

  function settled(): Member[] {
    const status = leading()?.replica?.status();
    return all.filter(({ id }) => status !== undefined && isMember(status.membership, id));
  }

  function isEven(): boolean {
    const status = leading()?.replica?.status();
    if (status === undefined || isJoint(status.membership) || status.commitIndex < status.lastIndex)
      return false;
    return settled().every(({ replica }) => replica?.status().appliedIndex === status.appliedIndex);
  }

  function tell(): string {
    return all
      .map(({ id, replica, isUp }) => {
        const status = replica?.status();
        if (status === undefined) return `${id} ${isUp ? "starting" : "down"}`;
        const {
          role,
          term,
          leader,
          commitIndex,
          appliedIndex,
          lastIndex,
          storedIndex,
          membership,
        } = status;
        return `${id} ${role} term ${term} leader ${leader} applied ${appliedIndex} commit ${commitIndex} stored ${storedIndex} last ${lastIndex} voters ${membership.voters.join()} was ${membership.outgoing.join()}`;
      })
      .join("\n    ");
  }
}

function stateOf({ replica }: Member): string {
  if (replica === undefined) return "";
  const { rows, position } = replica.ledger;
  const hot = (["flag", "lock", "reign"] as const).map((table) =>
    [...rows.hot(table).entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return JSON.stringify([position, hot]);
}
